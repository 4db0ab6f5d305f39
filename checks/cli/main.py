"""The command line's beginning and end: which command, where it logs, and what its end means to the shell."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence

from checks import settings
from checks.cli.arguments import PROGRAM, Command, Options, Parser
from checks.cli.exit_codes import NOT_WRITTEN, SIGNALLED, USAGE
from checks.cli.signals import Stopped
from checks.cli.streams import NotWritten, take_standard_streams
from checks.logs import redact_logs, redact_uncaught
from checks.text import printable


def entry() -> int:
    """Runs the command line of this process; its exit code."""
    redact_uncaught()
    take_standard_streams()
    try:
        code = _code_of_main()
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except NotWritten as error:
        sys.stderr.write(f"{PROGRAM}: standard output cannot be written: {error}\n")
        return NOT_WRITTEN
    except BrokenPipeError:
        return SIGNALLED + getattr(signal, "SIGPIPE", 13)


def _code_of_main() -> int:
    try:
        return main()
    except SystemExit as ended:  # argparse: help was asked for, or the usage is wrong
        return ended.code if isinstance(ended.code, int) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    try:
        _take_interrupts()
        return _run(_parser().command(arguments))
    except settings.SettingError as error:
        said = printable(str(error), keep="\n")
        sys.stderr.write(f"{PROGRAM}: {said}\n")
        return USAGE
    except Stopped as stopped:
        sys.stderr.write(f"{PROGRAM}: stopped by {stopped}\n")
        return SIGNALLED + stopped.number
    except KeyboardInterrupt:
        sys.stderr.write(f"{PROGRAM}: stopped by SIGINT\n")
        return SIGNALLED + signal.SIGINT


def _take_interrupts() -> None:
    """From here on Ctrl-C is an exception, which is caught: see ``checks.cli.entry``."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(options: argparse.Namespace) -> int:
    verbose = getattr(options, "verbose", False)
    redact_logs()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if verbose else logging.ERROR)
    for noisy in ("azure", "msal", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if not verbose else logging.WARNING)
    command: Command = options.command
    return command(options)


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Can this AKS cluster pull its images; if not, why, and which command fixes it?",
        epilog=f"{PROGRAM} COMMAND --help has a command's options and exit codes. Of every command: 64 wrong usage or "
        "settings, 74 the output could not be written, 128 and a signal's number where one ended it.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for name, said, options in _COMMANDS:
        commands.add_parser(name, help=said).options_when_asked(options)
    return parser


# Each command's module is imported when the command is asked for: the libraries of Azure and Kubernetes take a second
# of a processor, which whoever asks for help, explains a check or classifies errors need not wait for.


def _scan(parser: Parser) -> None:
    from checks.cli.scan.command import add_options

    add_options(parser)


def _watch(parser: Parser) -> None:
    from checks.cli.watch import add_options

    add_options(parser)


def _explain(parser: Parser) -> None:
    from checks.cli.explain.command import add_options

    add_options(parser)


def _doctor(parser: Parser) -> None:
    from checks.cli.doctor.command import add_options

    add_options(parser)


def _classify(parser: Parser) -> None:
    from checks.cli.classify.command import add_options

    add_options(parser)


def _silence(parser: Parser) -> None:
    from checks.cli.silences.command import add_silence_options

    add_silence_options(parser)


def _ack(parser: Parser) -> None:
    from checks.cli.silences.command import add_ack_options

    add_ack_options(parser)


def _incidents(parser: Parser) -> None:
    from checks.cli.history.incidents import add_options

    add_options(parser)


def _history(parser: Parser) -> None:
    from checks.cli.history.changes import add_options

    add_options(parser)


def _runs(parser: Parser) -> None:
    from checks.cli.history.runs import add_options

    add_options(parser)


def _verify(parser: Parser) -> None:
    from checks.cli.history.verify import add_options

    add_options(parser)


def _rebuild(parser: Parser) -> None:
    from checks.cli.history.rebuild import add_options

    add_options(parser)


def _prune(parser: Parser) -> None:
    from checks.cli.history.prune import add_options

    add_options(parser)


def _list(parser: Parser) -> None:
    from checks.cli.catalog import add_list_options

    add_list_options(parser)


def _settings(parser: Parser) -> None:
    from checks.cli.catalog import add_settings_options

    add_settings_options(parser)


_COMMANDS: tuple[tuple[str, str, Options], ...] = (
    ("scan", "check clusters now, read-only", _scan),
    ("watch", "check again and again, print what changes", _watch),
    ("explain", "what a check or cause means, or why a cluster cannot pull", _explain),
    ("doctor", "what Pullwatch may see, what is missing, what grants it", _doctor),
    ("classify", "name the cause of pull errors", _classify),
    ("incidents", "what fails by what is at fault, since when", _incidents),
    ("silence", "keep failures from being mailed, for a while", _silence),
    ("ack", "acknowledge what fails now, until it recovers", _ack),
    ("history", "what changed for one cluster, newest first", _history),
    ("runs", "the app's latest runs, or one whole", _runs),
    ("verify-history", "whether what the app keeps agrees", _verify),
    ("rebuild-overview", "make what lists show anew", _rebuild),
    ("prune-history", "what is older than it is kept", _prune),
    ("list", "the checks, one a line", _list),
    ("settings", "all settings, as a table", _settings),
)
