"""The parser: argparse with the exit code of sysexits.h, a command's own help at its errors, and near misses named."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from checks.cli.exit_codes import USAGE
from checks.text import redacted
from checks.version import VERSION

PROGRAM = "pullwatch"
_DURATION = re.compile(r"([0-9]{1,6})([a-z]?)")
_CHOICE = re.compile(r"invalid choice: '(?P<given>.*)' \(choose from (?P<known>.+)\)", re.DOTALL)
_LONGEST_WORD = 80
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
Command = Callable[[argparse.Namespace], int]
Options = Callable[["Parser"], None]


class Parser(argparse.ArgumentParser):
    """A command's parser. The options that every command takes may stand before and after its name."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _global_options(self)
        self.set_defaults(parser=self)
        self._options: Options | None = None

    def options_when_asked(self, options: Options) -> None:
        """Has the command's options added as soon as it is the one that is parsed, and not before."""
        self._options = options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it, of a command whose options are added first."""
        if self._options is not None:
            options, self._options = self._options, None
            options(self)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Prints how the command is used, what is wrong and where help is; exits with 64."""
        self.print_usage(sys.stderr)
        self.exit(
            USAGE, f"{self.prog}: {redacted(message)}{_near_choice(message)}\n{self.prog} --help has the options\n"
        )

    def command(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """The options of a whole command line; what a command does not know is an error of that command."""
        options: argparse.Namespace
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            parser: Parser = options.parser
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{parser.near(unknown[0])}")
        return options

    def near(self, option: str) -> str:
        """ "; did you mean --cluster?" where an option is like one of the command's, else nothing."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        return _did_you_mean(option.partition("=")[0], known)


def _near_choice(message: str) -> str:
    """The same for a command or a value that is none of argparse's choices; argparse itself does it from 3.14 on."""
    told = _CHOICE.search(message)
    return _did_you_mean(told["given"], re.findall(r"[\w-]+", told["known"])) if told else ""


def _did_you_mean(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given[:_LONGEST_WORD].lower(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def wrong(options: argparse.Namespace, message: str) -> NoReturn:
    """Ends a command whose options were parsed and cannot be followed."""
    parser: Parser = options.parser
    parser.error(message)


def duration(text: str, units: str) -> timedelta | None:
    """ "30m", "4h": a length of time above zero in one of the units that are taken ("smh"); None for any other text."""
    match = _DURATION.fullmatch(text.strip().lower())
    return int(match[1]) * _UNITS[match[2]] or None if match and match[2] and match[2] in units else None


def _global_options(parser: argparse.ArgumentParser) -> None:
    """Those of every command. Suppressed defaults: given before the command's name, they are not undone after it."""
    parser.add_argument(
        "--verbose", action="store_true", default=argparse.SUPPRESS, help="log to standard error what is done"
    )
    parser.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress on standard error")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {VERSION}")
