"""The command ``classify``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from checks.cli.classify.json_lines import classify_lines
from checks.cli.exit_codes import ALL_PASS, UNKNOWN


def add_command(commands: Any) -> None:
    """Adds the command to a parser's."""
    parser = commands.add_parser("classify", help="name the cause of pull errors", description=_classify.__doc__)
    parser.set_defaults(command=_classify)


def _classify(options: argparse.Namespace) -> int:
    """Reads JSON Lines {"message","reason","image"} and writes {"cause","rule","evidence"} lines in the same order; or
    reads what kubectl get events -o json, get pods -o json or describe pod print. It needs no access to Azure."""
    outcome = classify_lines(sys.stdin.buffer, _write_line)
    if outcome.bad:
        sys.stderr.write(f"pullwatch: {outcome.bad} of {outcome.read} lines could not be read\n")
    return UNKNOWN if outcome.bad else ALL_PASS


def _write_line(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
