"""The command's options, and which of its two answers they ask for."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

import msgspec

from checks.causes import ReadCause
from checks.cli.arguments import PROGRAM, Parser
from checks.cli.exit_codes import ALL_PASS, NOTHING_READABLE, UNKNOWN, USAGE
from checks.cli.explain.chain_text import show_chain
from checks.cli.explain.streams import width_of, writable
from checks.cli.explain.word import page_of, unknown_word
from checks.cli.scan.options import registry_pattern
from checks.cli.scan.running import exit_code, run_scan, tell_errors
from checks.findings import ClusterReport, Fail, RegistryRow, ScanReport, Unknown
from checks.jobs.choosing.scope import ScanScope
from checks.report.chain.as_json import chains_answer
from checks.report.chain.build import answer_of, chain_of_row
from checks.report.chain.model import Chain
from checks.report.pages.page import plain
from checks.report.path_picture import svg
from checks.text import printable, redacted

MAX_NAME = 300


def add_command(commands: Any) -> None:
    """Adds the command to a parser's."""
    parser = commands.add_parser(
        "explain", help="what a check or cause means, or why a cluster cannot pull", description=_explain.__doc__
    )
    parser.add_argument("word", nargs="?", metavar="WORD", help="a check's code (PW204) or a cause (zone-not-linked)")
    group = parser.add_argument_group("or a cluster, which is looked at now, read-only")
    group.add_argument("--cluster", metavar="NAME|ID", help="its name or its ARM id")
    group.add_argument(
        "--registry",
        type=registry_pattern,
        metavar="NAME|LOGIN_SERVER",
        help="the one to explain; without it every registry of the cluster, the broken ones first",
    )
    group.add_argument("--subscription", action="append", default=[], metavar="ID", help="only this subscription")
    group.add_argument(
        "-o", "--output", choices=("text", "json", "svg"), default="text", help="what is printed (default: text)"
    )
    group.add_argument("--bicep", action="store_true", help="show repairs as Bicep, too")
    parser.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    """Explains a check or a cause by its word; or, with --cluster, the chain from the cluster's identity to its nodes:
    where it breaks, what each step was read from, and what fixes it. Exit codes with --cluster are those of scan: 0 all
    pass, 1 something fails, 2 something is unknown or nothing was found, 3 nothing could be read; 64 wrong usage."""
    chain_options = options.registry or options.subscription or options.bicep or options.output != "text"
    if options.word is not None and (options.cluster or chain_options):
        _wrong(options, "give a word, or --cluster with its options, not both")
    if options.word is not None:
        return _explain_word(options.word)
    if not options.cluster:
        _wrong(options, "give a check's code, a cause, or --cluster")
    if options.output == "svg" and not options.registry:
        _wrong(options, "-o svg draws one chain: give --registry, too")
    return _explain_chain(options)


def _wrong(options: argparse.Namespace, message: str) -> NoReturn:
    parser: Parser = options.parser
    parser.error(message)


def _explain_word(word: str) -> int:
    page = page_of(word)
    if page is None:
        sys.stderr.write(f"{PROGRAM}: {unknown_word(word)}\n")
        return USAGE
    sys.stdout.write(f"{writable(plain(page, width_of(sys.stdout)), sys.stdout)}\n")
    return ALL_PASS


def _explain_chain(options: argparse.Namespace) -> int:
    scope = ScanScope(tuple(options.subscription), (options.cluster,), (options.registry,) if options.registry else ())
    if excess := scope.excess():
        _wrong(options, excess)
    report = run_scan(scope, quiet=getattr(options, "quiet", False)).report
    tell_errors(report)
    missing = _not_found(report, options.cluster)
    if missing and not report.errors:
        sys.stderr.write(f"{PROGRAM}: {missing}\n")
    if missing or not report.clusters:
        return NOTHING_READABLE if exit_code(report) == NOTHING_READABLE else UNKNOWN
    chains = chains_of(report)
    if options.output == "svg" and len(chains) > 1:
        _wrong(options, f"{len(chains)} clusters are called so: give the ARM id of one")
    _show(chains, options)
    return exit_code(report)


def _not_found(report: ScanReport, cluster: str) -> str:
    """Which of what was named is not there; "" where all is."""
    name = printable(redacted(cluster)[:MAX_NAME])
    if not report.clusters:
        seen = sum(result.clusters for result in report.subscriptions)
        return f"no cluster named {name} was found among {seen} in {len(report.subscriptions)} subscriptions"
    rows = [row for one in report.clusters for row in one.registries]
    if not rows:
        return f"no registry of the cluster {name} is known"
    if all(_not_there(row) for row in rows):
        return rows[0].access.summary
    return ""


def _not_there(row: RegistryRow) -> bool:
    """Whether a registry is there only because it was named, and Azure has none such that can be seen."""
    return row.only_asked_for and row.access.cause == ReadCause.NOT_FOUND


def chains_of(report: ScanReport) -> tuple[Chain, ...]:
    """The chain of every row of a scan, the broken ones first, then those that are open."""
    pairs = [(cluster, row) for cluster in report.clusters for row in cluster.registries]

    def badness(pair: tuple[ClusterReport, RegistryRow]) -> int:
        verdict = answer_of(pair[1]).verdict
        return 0 if isinstance(verdict, Fail) else 1 if isinstance(verdict, Unknown) else 2

    return tuple(chain_of_row(cluster, row) for cluster, row in sorted(pairs, key=badness))


def _show(chains: tuple[Chain, ...], options: argparse.Namespace) -> None:
    """Prints chains; of several in a terminal, those that hold as a picture alone."""
    if options.output == "json":
        return _write(msgspec.json.format(msgspec.json.encode(chains_answer(chains)), indent=2))
    if options.output == "svg":
        return _write("\n".join(map(svg.picture, chains)).encode())
    for number, chain in enumerate(chains):
        if number:
            sys.stdout.write("\n\n")
            sys.stdout.flush()
        settled = len(chains) > 1 and not isinstance(chain.answer.verdict, Fail | Unknown)
        show_chain(chain, sys.stdout, bicep=options.bicep, details=not settled)
    return None


def _write(raw: bytes) -> None:
    """Bytes in UTF-8, whatever the terminal takes, and a line feed."""
    sys.stdout.buffer.write(raw + b"\n")
    sys.stdout.buffer.flush()
