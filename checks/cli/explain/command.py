"""The command's options, and which of its two answers they ask for."""

from __future__ import annotations

import argparse
import sys

from checks.cli.arguments import Parser, wrong
from checks.cli.exit_codes import ALL_PASS, USAGE
from checks.cli.explain.word import page_of, unknown_word
from checks.cli.names import registry_pattern, some_name
from checks.cli.terminal import say, width_of_prose
from checks.report.pages.page import plain


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _explain.__doc__
    parser.add_argument("word", nargs="?", metavar="WORD", help="a check's code (PW204) or a cause (zone-not-linked)")
    group = parser.add_argument_group("or a cluster, which is looked at now, read-only")
    group.add_argument("--cluster", type=some_name, metavar="NAME|ID", help="its name or its ARM id")
    group.add_argument(
        "--registry",
        type=registry_pattern,
        metavar="NAME|LOGIN_SERVER",
        help="the one to explain; without it every registry of the cluster, the broken ones first",
    )
    group.add_argument(
        "--subscription", action="append", type=some_name, default=[], metavar="ID", help="only this subscription"
    )
    group.add_argument(
        "-o", "--output", choices=("text", "json", "svg"), default="text", help="what is printed (default: text)"
    )
    group.add_argument("--bicep", action="store_true", help="show repairs as Bicep, too")
    parser.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    """Explains a check or a cause by its word; or, with --cluster, the chain from the cluster's identity to its nodes:
    where it breaks, what each step was read from, and what fixes it. Exit codes with --cluster are those of scan: 0 all
    pass, 1 something fails, 2 something is unknown or nothing was found, 3 nothing could be read; 64 wrong usage, 74
    the output could not be written."""
    chain_options = options.registry or options.subscription or options.bicep or options.output != "text"
    if options.word is not None and (options.cluster or chain_options):
        wrong(options, "give a word, or --cluster with its options, not both")
    if options.word is not None:
        return _explain_word(options.word)
    if not options.cluster:
        wrong(options, "give a check's code, a cause, or --cluster")
    if options.output == "svg" and not options.registry:
        wrong(options, "-o svg draws one chain: give --registry, too")
    # Who asks for a word need not wait for the libraries of Azure and Kubernetes.
    from checks.cli.explain.chains import explain_chains

    return explain_chains(options)


def _explain_word(word: str) -> int:
    page = page_of(word)
    if page is None:
        say(unknown_word(word))
        return USAGE
    sys.stdout.write(f"{plain(page, width_of_prose(sys.stdout))}\n")
    return ALL_PASS
