"""The entropy control in force: one loss, one advantage, any terms. Yours to edit."""

from controls.group_advantage import GroupAdvantage
from controls.ppo_clip import PpoClip

LOSS = PpoClip()
ADVANTAGE = GroupAdvantage()
TERMS = ()
