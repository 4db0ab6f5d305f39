"""The command line's beginning and end: which command, where it logs, and what its end means to the shell."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

from checks import settings
from checks.cli import catalog, silences, watch
from checks.cli.arguments import PROGRAM, Command, Parser
from checks.cli.classify import command as classify
from checks.cli.exit_codes import SIGNALLED, USAGE
from checks.cli.explain import command as explain
from checks.cli.scan import command as scan
from checks.cli.signals import Stopped
from checks.logs import redact_logs, redact_uncaught


def entry() -> int:
    """What the installed command ``pullwatch`` and ``python -m checks`` run: their exit code."""
    redact_uncaught()
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = _parser().command(arguments)
    verbose = getattr(options, "verbose", False)
    redact_logs()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if verbose else logging.ERROR)
    for noisy in ("azure", "msal", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if not verbose else logging.WARNING)
    command: Command = options.command
    try:
        code = command(options)
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except settings.SettingError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return USAGE
    except Stopped as stopped:
        sys.stderr.write(f"{PROGRAM}: stopped by {stopped}\n")
        return SIGNALLED + stopped.number
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGNALLED + getattr(signal, "SIGPIPE", 13)


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Can this AKS cluster pull its images; if not, why, and which command fixes it?",
        epilog=f"{PROGRAM} COMMAND --help has a command's options.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    scan.add_command(commands)
    watch.add_command(commands)
    explain.add_command(commands)
    classify.add_command(commands)
    silences.add_commands(commands)
    catalog.add_commands(commands)
    return parser
