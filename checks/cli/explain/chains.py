"""``explain --cluster``: looks at one cluster, and shows the chain to each of its registries, or why there is none."""

from __future__ import annotations

import argparse
import sys

from checks.causes import ReadCause
from checks.cli import terminal
from checks.cli.arguments import wrong
from checks.cli.exit_codes import NOTHING_READABLE, UNKNOWN
from checks.cli.explain.chain_text import show_chain
from checks.cli.scan.running import exit_code, run_scan, tell_errors
from checks.cli.streams import put
from checks.findings import ClusterReport, Fail, RegistryRow, ScanReport, Unknown
from checks.jobs.choosing.scope import ScanScope
from checks.report.chain.as_json import chains_answer
from checks.report.chain.build import answer_of, chain_of_row
from checks.report.chain.model import Chain
from checks.report.formats.json_text import json_text
from checks.report.path_picture import svg
from checks.text import counted, printable, redacted

MAX_NAME = 300


def explain_chains(options: argparse.Namespace) -> int:
    """Looks at the cluster that is named, and shows its chains; the exit code."""
    scope = ScanScope(tuple(options.subscription), (options.cluster,), (options.registry,) if options.registry else ())
    if excess := scope.excess():
        wrong(options, excess)
    report = run_scan(scope, quiet=getattr(options, "quiet", False)).report
    tell_errors(report)
    missing = _not_found(report, options.cluster)
    if missing and not report.errors:
        terminal.say(missing)
    if missing or not report.clusters:
        return NOTHING_READABLE if exit_code(report) == NOTHING_READABLE else UNKNOWN
    chains = chains_of(report)
    if options.output == "svg" and len(chains) > 1:
        wrong(options, f"{len(chains)} clusters are called so: give the ARM id of one")
    _show(chains, options)
    return exit_code(report)


def _not_found(report: ScanReport, cluster: str) -> str:
    """Which of what was named is not there; "" where all is."""
    name = printable(redacted(cluster)[:MAX_NAME])
    if not report.clusters:
        seen = sum(result.clusters for result in report.subscriptions)
        return f"no cluster named {name} was found among {seen} in {counted(len(report.subscriptions), 'subscription')}"
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
        return put(json_text(chains_answer(chains)).encode())
    if options.output == "svg":
        return put("\n".join((*map(svg.picture, chains), "")).encode())
    for number, chain in enumerate(chains):
        if number:
            sys.stdout.write("\n\n")
        settled = len(chains) > 1 and not isinstance(chain.answer.verdict, Fail | Unknown)
        show_chain(chain, sys.stdout, bicep=options.bicep, details=not settled)
    return None
