"""The entropy control in force: an average of the weights, any terms of the loss. Yours to edit."""

from controls.last_iterate import LastIterate

AVERAGE = LastIterate()
TERMS = ()
