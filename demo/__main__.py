"""`python -m demo`: the whole app on a simulated tenant, shown as it happens and checked at its end.

DEMO_SEED chooses what breaks. On a terminal it breaks something once more at the end and serves the app with its
dashboard until Ctrl-C; DEMO=once ends without that, as it does without a terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from demo.environment import ROOT, Stage, stage
from demo.scenario import leave_incident, plain, play, unexpected

DEFAULT_PORT = 7071


def main(arguments: list[str] | None = None) -> int:
    """Plays the demo; 0 where exactly the expected mails came, 1 where not."""
    options = _options(arguments)
    started = time.monotonic()

    def show(line: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {line}", flush=True)

    try:
        with stage(options.folder, options.seed, options.port, show) as running:
            expected = play(running, options.seed, show, print)
            messages = _mails(running, len(expected))
            _show(messages, show)
            wrong = unexpected(messages, expected)
            for sentence in wrong:
                show(f"WRONG: {sentence}")
            if wrong:
                return 1
            show(f"exactly the {len(expected)} expected mails came; they are in {running.folder / 'mail'}")
            if sys.stdout.isatty() and not options.once:
                leave_incident(running, options.seed, show)
                _serve(running, show)
    except KeyboardInterrupt:
        return 0
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--port", type=int, default=None, help="where the Functions host listens (7071, else any free)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where everything is written")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("DEMO_SEED", "1")), help="what breaks")
    parser.add_argument("--once", action="store_true", default=os.environ.get("DEMO") == "once", help="do not wait")
    options = parser.parse_args(arguments)
    if options.port is None:
        options.port = DEFAULT_PORT if sys.stdout.isatty() else 0
    return options


def _mails(running: Stage, expected: int) -> list[EmailMessage]:
    """All mails there are; nothing is pending any more, so none can come later."""
    running.host.wait_idle()
    with contextlib.suppress(TimeoutError):  # what did not come is reported as such
        running.mailbox.wait_for(expected)
    return running.mailbox.messages


def _show(messages: list[EmailMessage], show: Callable[[str], None]) -> None:
    for message in messages:
        show(f"mail to {message['To']}: {message['Subject']}")
        print()
        for line in plain(message).splitlines():
            print(f"    {line}")
        print(flush=True)


def _serve(running: Stage, show: Callable[[str], None]) -> None:
    show(f"look at the dashboard: {running.host.url}/api/dashboard")
    show("serving until Ctrl-C; also, for example:")
    print(f"    curl -s {running.host.url}/api/health/details")
    print(f"    curl -s -X POST {running.host.url}/api/checks -d '{{}}' -i")
    print(f"    . {_from_here(running.folder / 'env')} && .venv/bin/python -m checks scan")
    print(f"    the tenant to edit: {running.tenant}", flush=True)
    signal.pause()


def _from_here(path: Path) -> Path:
    """The path as it is typed in this folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
