"""A measurement is made once, never changed, and found again to the last bit."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.base import Metric, Score, Split
from workspaces.measurements import Measurement, MeasurementError, MeasurementKey, MeasurementStore

KEY = MeasurementKey(
    tree="4b825dc6",
    environment="countdown 1",
    policy="p",
    seed=3,
    split=Split.SELECTION,
    budget="b",
    device="cpu",
)
finite = st.floats(allow_nan=False, allow_infinity=False)


def measurement(values: tuple[float, ...] = (0.1, 1 / 3), key: MeasurementKey = KEY) -> Measurement:
    metric = Metric(sum(values), 0.01, values, tuple("m" for _ in values))
    return Measurement(
        key=key,
        score=Score("pass_at_k", {"pass_at_k": metric, "entropy": Metric(0.5)}),
        policy_hash="f" * 64,
        wall_seconds=12.345,
        cpu_seconds=11.0,
        score_seconds=0.2,
        entropy_start=0.57,
        entropy_end=None,
        steps=220,
        law={"a": 0.1 + 0.2},
    )


def test_a_measurement_is_found_again_by_its_key(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path / "measurements")
    assert store.get(KEY) is None
    assert store.all() == []
    store.put(measurement())
    again = MeasurementStore(tmp_path / "measurements")
    assert again.get(replace(KEY, split="selection")) == measurement()
    assert again.get(replace(KEY, seed=4)) is None
    assert again.all() == [measurement()]
    assert [path.name for path in (tmp_path / "measurements").iterdir()] == [KEY.digest + ".json"]


def test_every_part_of_the_key_counts() -> None:
    others = [
        replace(KEY, tree="x"),
        replace(KEY, environment="x"),
        replace(KEY, policy="x"),
        replace(KEY, seed=4),
        replace(KEY, split="x"),
        replace(KEY, budget="x"),
        replace(KEY, device="x"),
    ]
    assert len(KEY.digest) == 32
    assert len({KEY.digest, *(other.digest for other in others)}) == 8


@given(values=st.lists(finite, min_size=1, max_size=20).map(tuple))
def test_floats_survive_exactly(tmp_path_factory: pytest.TempPathFactory, values: tuple[float, ...]) -> None:
    made = measurement()
    score = Score("m", {"m": Metric(values[0], values[-1], values, ("c",) * len(values))})
    store = MeasurementStore(tmp_path_factory.mktemp("store"))
    store.put(replace(made, score=score))
    found = store.get(KEY)
    assert found is not None
    assert repr(found.score) == repr(score)


def test_a_measurement_is_never_replaced(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    store.put(measurement())
    store.put(measurement())
    with pytest.raises(MeasurementError, match="immutable"):
        store.put(measurement((0.2, 0.3)))
    assert store.get(KEY) == measurement()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": 1}', "\udcff", '{"key": {}}'])
def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path, text: str) -> None:
    store = MeasurementStore(tmp_path)
    path = tmp_path / f"{KEY.digest}.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for read in (lambda: store.get(KEY), store.all, lambda: store.put(measurement())):
        with pytest.raises(MeasurementError, match=rf"{KEY.digest}.json is damaged.*Delete that file"):
            read()


def test_a_file_under_another_key_is_not_believed(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    store.put(measurement())
    (tmp_path / f"{KEY.digest}.json").rename(tmp_path / f"{replace(KEY, seed=9).digest}.json")
    with pytest.raises(MeasurementError, match="holds the measurement"):
        store.get(replace(KEY, seed=9))


def test_a_figure_that_is_not_finite_is_not_stored(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    with pytest.raises(MeasurementError, match="not finite"):
        store.put(measurement((float("nan"),)))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "measurements").write_text("a file")
    with pytest.raises(MeasurementError, match="cannot be written"):
        MeasurementStore(tmp_path / "measurements").put(measurement())


def test_threads_store_without_losing_one(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    made = [measurement(key=replace(KEY, seed=seed // 2)) for seed in range(32)]
    threads = [threading.Thread(target=store.put, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.key.seed for one in store.all()} == set(range(16))
