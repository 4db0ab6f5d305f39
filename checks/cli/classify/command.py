"""The command ``classify``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from checks.cli.arguments import Parser
from checks.cli.classify import formats
from checks.cli.classify.answers import Classifier, answer
from checks.cli.classify.folding import folded
from checks.cli.classify.formats import Read, Unreadable
from checks.cli.classify.writers import Blocks, JsonLines, Writer
from checks.cli.exit_codes import ALL_PASS, UNKNOWN, USAGE
from checks.cli.signals import stopping_on_signals
from checks.cli.streams import put
from checks.cli.terminal import say
from checks.cli.terminal import width_of as terminal_width
from checks.text import one_line

_FOR_EXAMPLE = "for example: kubectl get events -A -o json | pullwatch classify"
_STDIN = "-"
_EPILOG = """\
it reads, and tells apart by itself:
  kubectl get events|pods -o json|yaml   events of both APIs, pods, lists, several
                                         documents
  kubectl get events|pods [-o wide]      tables, with and without -A and headers;
                                         also of kubectl events
  kubectl describe pod                   of one pod or many
  texts of errors, one a line            as people paste them; also the logs of
                                         kubelet and containerd
  JSON Lines                             {"message": ..., "reason": ..., "image": ...}
                                         also with "namespace", "pod", "container"

JSON Lines get exactly one answer for one line, in order, as soon as the line is
read; the cause of a line about something else is not_a_pull. All else is read to
its end, and each pull error is answered once: an event that repeats, "Error:
ErrImagePull" and "Back-off pulling image" beside it, and what the pod waits for
are one. What is about something else is counted on standard error.

A line of the answer has "cause", "rule", "evidence", "sentence" and, where they
are known, "remedy" (a list), "namespace", "pod", "container", "image", and
"about" for what is no pod.

exit codes:
  0    everything was read, whatever it says; an empty input too
  2    a part could not be read: a line of JSON Lines, a document, one of several
       files
  64   nothing could be read: no such file, or none of these formats; wrong usage
  74   the answers could not be written

examples:
  kubectl get events -A -o json | pullwatch classify
  kubectl describe pods -A | pullwatch classify -o table
  pullwatch classify events.yaml pods.json
  journalctl -u kubelet --since -1h | pullwatch classify
"""


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description, parser.epilog = _classify.__doc__, _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "files", nargs="*", default=[_STDIN], metavar="FILE", help="files to read, - for standard input (the default)"
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), help="table (the default on a terminal) or lines of JSON"
    )
    parser.set_defaults(command=_classify)


def _classify(options: argparse.Namespace) -> int:
    """Names the cause of each pull error in what kubectl and logs show, with its pod and
    what helps. It needs no access to Azure or a cluster."""
    with stopping_on_signals():
        return _answered(options.files, _writer(options.output), quiet=getattr(options, "quiet", False))


def _answered(files: Sequence[str], writer: Writer, *, quiet: bool) -> int:
    """Answers all inputs; their pull errors are folded together, as of events in one file and pods in another."""
    classifier, results, failed = Classifier(), list[Read](), 0
    for file in files:
        try:
            with _opened(file) as stream:
                results.append(formats.read(stream, writer.write, classifier))
        except Unreadable as error:
            failed += 1
            say(f"{_named(file)} {error}", _FOR_EXAMPLE)
        except BrokenPipeError:
            raise
        except OSError as error:
            failed += 1
            say(f"{_named(file)} cannot be read: {error.strerror or type(error).__name__}")
    errors = folded(one for result in results for one in result.errors)
    for one in errors:
        writer.write(answer(one.seen, one.found))
    writer.end()
    incomplete = _report(results, len(errors), quiet=quiet)
    if failed:
        return UNKNOWN if results else USAGE
    return UNKNOWN if incomplete else ALL_PASS


def _report(results: Sequence[Read], answered: int, *, quiet: bool) -> bool:
    """Says what was not answered; whether a part could not be read."""
    for result in results:
        for problem in result.problems[:10]:
            say(f"a part could not be read: {problem}")
        for note in result.notes:
            say(note)
        if result.lines is not None and result.lines.bad:
            say(f"{result.lines.bad} of {result.lines.read} lines could not be read")
    if not quiet:
        _count(results, answered)
    return any(result.problems or (result.lines is not None and result.lines.bad) for result in results)


def _count(results: Sequence[Read], answered: int) -> None:
    if results and all(result.empty for result in results):
        say("the input is empty, so there is nothing to classify", _FOR_EXAMPLE)
        return
    others = sum(result.others for result in results)
    told = sum(len(result.errors) for result in results) + others
    if any(result.lines is None and not result.empty for result in results):
        errors = "1 pull error" if answered == 1 else f"{answered} pull errors"
        say(f"{errors} in {told} events, statuses and lines, of which {others} are about something else")


@contextmanager
def _opened(file: str) -> Iterator[io.BufferedReader]:
    if file != _STDIN:
        with Path(file).open("rb") as stream:
            yield stream
        return
    if sys.stdin.isatty():
        end = "Ctrl+Z and Enter" if sys.platform == "win32" else "Ctrl+D"
        say(f"reading what you type or paste, until {end}", _FOR_EXAMPLE)
    yield cast(io.BufferedReader, sys.stdin.buffer)


def _writer(output: str | None) -> Writer:
    terminal = sys.stdout.isatty()
    if output == "json" or (output is None and not terminal):
        return JsonLines(put)
    return Blocks(_to_people, terminal_width(sys.stdout) or 120, colour=terminal)


def _to_people(shown: bytes) -> None:
    """A table comes out in the terminal's encoding; lines of JSON are UTF-8."""
    sys.stdout.write(shown.decode())
    sys.stdout.flush()


def _named(file: str) -> str:
    return "the input" if file == _STDIN else one_line(file)
