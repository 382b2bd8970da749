"""The entropy control in force: a loss, an advantage, an average, any terms, any sampling. Yours to edit."""

from controls.group_advantage import GroupAdvantage
from controls.last_iterate import LastIterate
from controls.ppo_clip import PpoClip

LOSS = PpoClip()
ADVANTAGE = GroupAdvantage()
AVERAGE = LastIterate()
TERMS = ()
SAMPLING = ()
