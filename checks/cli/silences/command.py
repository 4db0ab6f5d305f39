"""``silence add``, ``list`` and ``end``, and ``ack``: exit codes are those of ``checks.cli.stored``."""

from __future__ import annotations

import argparse
import difflib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from checks import catalog, settings
from checks.causes import ReadCause, RowCause, ScanCause
from checks.cli import stored, terminal
from checks.cli.arguments import Parser
from checks.cli.silences.author import signed_in
from checks.cli.silences.options import matcher_options, matchers_of, silence_id, words_options
from checks.cli.silences.shown import show, show_kept
from checks.cli.stored import NO_STORAGE, NOTHING_SUCH
from checks.collect.arm.client import Azure
from checks.history.model import SubjectState
from checks.history.table.store import Store
from checks.jobs.silences import failing, failing_states
from checks.notify.silences import matches
from checks.settings import Settings
from checks.silences import Matchers, Silence, SilenceKind
from checks.text import counted

MAX_ACKS = 20  # failures that one command acknowledges
_NOTHING = "nothing that fails now matches it"

Failure = tuple[str, SubjectState]


def add_silence_options(parser: Parser) -> None:
    """Makes a parser that of the command ``silence``."""
    parser.description = (
        "Silences keep mail about failures back: nothing else changes, and what fails goes on being held as failing. "
        "When one ends, a mail says what it kept back and still fails. They are kept in the app's storage: "
        "set AzureWebJobsStorage, or AzureWebJobsStorage__tableServiceUri, as the app has it."
    )
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = verbs.add_parser("add", help="make one", description=_add.__doc__)
    matcher_options(add)
    words_options(add)
    _command(add, _add)
    listing = verbs.add_parser("list", help="those that hold", description=_list.__doc__)
    listing.add_argument("--all", action="store_true", help="those of the last 30 days that are over, too")
    _command(listing, _list)
    end = verbs.add_parser("end", help="end one now", description=_end.__doc__)
    end.add_argument("id", metavar="ID", type=silence_id, help="as `silence list` shows it")
    _command(end, _end)


def add_ack_options(parser: Parser) -> None:
    """Makes a parser that of the command ``ack``."""
    parser.description = _ack.__doc__
    matcher_options(parser)
    words_options(parser)
    _command(parser, _ack)


def _command(parser: argparse.ArgumentParser, work: stored.Work) -> None:
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, work, "Silences are kept"))


async def _add(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Makes a silence. Mail about failures that match it is kept back until it expires or is ended; recoveries go to
    whoever was notified of the failure. Nothing is kept back for good: at its end a mail says what still fails."""
    matchers = matchers_of(options, loaded)
    author = options.author or await signed_in(loaded, azure)
    await store.ensure_tables()
    made = _made(options, SilenceKind.SILENCE, matchers, author)
    await store.add_silence(made)
    count = len(await _failures(store, matchers))
    terminal.say(
        f"{counted(count, 'answer that fails now matches', 'answers that fail now match')} it" if count else _NOTHING
    )
    if not count:
        _warn_of_unknown_cause(matchers.cause)
    await show_kept(options, store, [made.id])
    return 0


async def _ack(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Acknowledges what fails now and matches: one acknowledgement for each cause of a registry, at the cluster that is
    named, or else at all clusters. It works as a silence of exactly that, and ends by itself when that does not fail
    any more. Another cause is another failure, of which you are notified."""
    matchers = matchers_of(options, loaded)
    author = options.author or await signed_in(loaded, azure)
    await store.ensure_tables()
    wanted = _acknowledged(matchers, await _failures(store, matchers))
    if not wanted:
        terminal.say(f"nothing fails now that matches {matchers}")
        _warn_of_unknown_cause(matchers.cause)
        return NOTHING_SUCH
    if len(wanted) > MAX_ACKS:
        raise settings.SettingError(f"{len(wanted)} failures match, and {MAX_ACKS} at once may be: say more precisely.")
    made = [_made(options, SilenceKind.ACK, one, author) for one in wanted]
    for one in made:
        await store.add_silence(one)
    await show_kept(options, store, [one.id for one in made])
    return 0


async def _list(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Lists the silences and acknowledgements that hold, the oldest first."""
    listing = await store.list_silences()
    now = datetime.now(UTC)
    show(options, [one for one in listing.silences if options.all or not one.is_over(now)], listing.unreadable)
    return NO_STORAGE if listing.unreadable else 0


async def _end(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Ends a silence or an acknowledgement now. What it kept back and still fails is mailed within minutes."""
    over = await store.end_silence(options.id, datetime.now(UTC))
    if over is None:
        terminal.say(f"there is no silence {options.id}")
        return NOTHING_SUCH
    show(options, [over])
    return 0


def _made(options: argparse.Namespace, kind: SilenceKind, matchers: Matchers, author: str) -> Silence:
    now = datetime.now(UTC).replace(microsecond=0)
    return Silence(
        id=secrets.token_hex(4),
        kind=kind,
        matchers=matchers,
        author=author,
        reason=options.reason,
        created=now,
        expires=now + options.duration,
    )


async def _failures(store: Store, matchers: Matchers) -> list[Failure]:
    """What fails now and matches."""
    return [
        (state.cluster, subject)
        async for state in failing_states(store, matchers)
        for subject in failing(state)
        if matches(matchers, state.cluster, subject.registry, subject.cause, subject.codes)
    ]


def _acknowledged(matchers: Matchers, failures: Sequence[Failure]) -> list[Matchers]:
    """What is acknowledged of failures: each cause of a registry, at its cluster where one was named."""
    wanted = {
        Matchers(
            subscription=matchers.subscription,
            cluster=cluster if matchers.cluster else "",
            registry=subject.registry,
            cause=subject.cause,
        ): None
        for cluster, subject in failures
    }
    return list(wanted)


def _warn_of_unknown_cause(cause: str) -> None:
    """Says that no cause has this name. It is not refused: another version of the app may know it."""
    kinds = {kind for check in catalog.checks() for kind in check.causes} | {ReadCause, RowCause, ScanCause}
    known = {one.value for kind in kinds for one in kind}
    if cause and cause not in known:
        near = difflib.get_close_matches(cause, sorted(known), 1)
        hint = f"did you mean {near[0]}?" if near else "docs/causes.md lists them all"
        terminal.say(f"no cause is called {cause}: {hint}")
