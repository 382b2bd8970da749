"""Negative controls: domains that lack one property each, which their assessment must find.

`loads` counts how often a domain was made in this process, for the one whose data change with it.
"""

import itertools
import random

loads = itertools.count(random.randrange(1000))
