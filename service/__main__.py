"""Lets `python -m service` stand for `erti`."""

import signal

OURS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if OURS:  # while modules load there is nothing to end in order, and Ctrl-C needs no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from service.cli import main  # noqa: E402

if OURS:
    signal.signal(signal.SIGINT, signal.default_int_handler)
main()
