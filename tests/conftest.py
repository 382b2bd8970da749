"""What every test may count on."""

import os
import signal

# A shell starts its background jobs with Ctrl-C ignored, and whatever they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests that run side by side are told the width of a terminal; what they start writes into pipes.
os.environ.pop("COLUMNS", None)
