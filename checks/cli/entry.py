"""What the installed command ``pullwatch`` and ``python -m checks`` run first.

Until a command's libraries are loaded, which takes a moment, Ctrl-C ends the process as any other signal does: without
a traceback out of the middle of an import.
"""

from __future__ import annotations

import signal


def entry() -> int:
    """Runs a command line; its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody wants it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from checks.cli.main import entry as begin

    return begin()
