"""Which seeds screen, which are evidence, and when the evidence moves on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.seeds import MOST_RACES, block_after, every_seed, seed_plan


@given(st.integers(2, 30), st.integers(0, 6))
def test_blocks_share_no_seed_and_screening_is_never_evidence(seeds: int, blocks: int) -> None:
    plans = [seed_plan(seeds, block) for block in range(blocks + 1)]
    used = [seed for plan in plans for seed in plan.evidence]
    assert len(set(used)) == len(used) == seeds * (blocks + 1)
    assert not set(used) & set(plans[0].screening)
    assert {*used, *plans[0].screening} == set(every_seed(seeds, blocks))


def test_a_race_looks_at_its_seeds_in_order() -> None:
    plan = seed_plan(3, 1)
    assert plan.evidence == (6, 7, 8)
    assert plan.until(0) == (0,)
    assert plan.until(7) == (0, 6, 7)
    assert plan.after(0) == (6, 7, 8)
    assert plan.after(7) == (8,)


def test_evidence_moves_on_after_a_promotion_and_when_it_has_served_its_time() -> None:
    assert block_after([]) == 0
    assert block_after(["reverted"] * (MOST_RACES - 1)) == 0
    assert block_after(["reverted"] * MOST_RACES) == 1
    assert block_after(["reverted", "kept"]) == 1
    assert block_after(["kept", *["reverted"] * (MOST_RACES - 1)]) == 1
    assert block_after(["kept", *["inconclusive"] * MOST_RACES]) == 2
