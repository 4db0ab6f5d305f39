"""The commands ``silence`` and ``ack``: they write what the app reads, in the app's own storage.

They take the app's settings for it: AzureWebJobsStorage, or AzureWebJobsStorage__tableServiceUri with the identity of
``az login``. Exit codes: 0 done, 1 there is nothing such, 2 the storage did not answer or holds what cannot be read, 64
wrong usage or settings.
"""

from __future__ import annotations

import argparse
import base64
import difflib
import getpass
import re
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from checks import catalog, settings
from checks.arm_ids import subscription_of
from checks.causes import ReadCause, RowCause, ScanCause
from checks.cli import terminal
from checks.cli.arguments import Parser, duration
from checks.cli.layout import Column, Page, prose, table
from checks.cli.storage import NO_STORAGE, NOTHING_SUCH, Work, run, say
from checks.collect.arm.client import Azure
from checks.history.model import SubjectState, Unreadable
from checks.history.table.store import Store
from checks.jobs.silences import failing, failing_states
from checks.notify.silences import matches
from checks.report.formats.json_text import json_text
from checks.rules import registry_names
from checks.settings import Settings
from checks.silences import LONGEST, MAX_AUTHOR, MAX_MATCHER, MAX_REASON, Matchers, Silence, SilenceKind, harmless
from checks.text import counted, one_line

_COLUMNS = (Column("ID", 0), Column("KIND", 2), Column("UNTIL (UTC)", 1), Column("BY", 3), Column("OF", 0))
MAX_ACKS = 20  # failures that one command acknowledges
STORAGE_SCOPE = "https://storage.azure.com/.default"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOTHING = "nothing that fails now matches it"
_WHO = ("upn", "unique_name", "preferred_username", "email", "appid", "oid")

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
    _matcher_options(add)
    _words_options(add)
    _command(add, _add)
    listing = verbs.add_parser("list", help="those that hold", description=_list.__doc__)
    listing.add_argument("--all", action="store_true", help="those of the last 30 days that are over, too")
    _command(listing, _list)
    end = verbs.add_parser("end", help="end one now", description=_end.__doc__)
    end.add_argument("id", metavar="ID", type=_silence_id, help="as `silence list` shows it")
    _command(end, _end)


def add_ack_options(parser: Parser) -> None:
    """Makes a parser that of the command ``ack``."""
    parser.description = _ack.__doc__
    _matcher_options(parser)
    _words_options(parser)
    _command(parser, _ack)


def _command(parser: argparse.ArgumentParser, work: Work) -> None:
    parser.add_argument("--output", choices=("table", "json"), default="table", help="what is printed (default: table)")
    parser.set_defaults(command=lambda options: run(options, work, "Silences"))


def _matcher_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of what", "at least one; all that are given must match, in any case of letters")
    group.add_argument("--subscription", type=_subscription, metavar="ID")
    group.add_argument("--cluster", type=_cluster, metavar="NAME|ID", help="its name or its ARM id")
    group.add_argument("--registry", type=_registry, metavar="NAME|LOGIN_SERVER")
    group.add_argument("--code", type=_code, metavar="PWnnn", help="a check that decided it")
    group.add_argument("--cause", type=_cause, metavar="CAUSE", help="as mails name it: role-missing, …")


def _words_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("why, by whom and for how long")
    group.add_argument("--reason", required=True, type=_reason, help="why: mails and lists show it")
    group.add_argument(
        "--for",
        dest="duration",
        required=True,
        type=_duration,
        metavar="30m|4h|2d",
        help=f"for how long; at most {LONGEST.days}d",
    )
    group.add_argument("--author", type=_author, help="default: who is signed in to Azure, or to the system")


# ---- what is taken -----------------------------------------------------------------------------------------------


def _wrong(text: str, what: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{harmless(text, 80)!r} is {what}")


def _duration(text: str) -> timedelta:
    length = duration(text, "mhd")
    if length is None:
        raise _wrong(text, "no duration: 30m, 4h and 2d are")
    if length > LONGEST:
        raise _wrong(text, f"longer than a silence may last: at most {LONGEST.days}d, then make it anew")
    return length


def _subscription(text: str) -> str:
    if not _GUID.fullmatch(text.lower()):
        raise _wrong(text, "no subscription id")
    return text.lower()


def _cluster(text: str) -> str:
    is_id = text.startswith("/")
    of_a_cluster = bool(subscription_of(text)) and "/managedclusters/" in text.lower()
    if set(text) & set("*?"):
        raise _wrong(
            text, "no cluster: there are no wildcards, and --registry, --subscription or --cause match many clusters"
        )
    if not text.strip() or len(text) > MAX_MATCHER or (of_a_cluster != is_id) or ("/" in text and not is_id):
        raise _wrong(text, "neither the name nor the ARM id of a cluster")
    return text.rstrip("/")


def _registry(text: str) -> str:
    if not registry_names.is_host_or_name(text):
        raise _wrong(text, "no registry's name or login server")
    return registry_names.login_server_of(text.lower())


def _code(text: str) -> str:
    codes = {check.code for check in catalog.checks()}
    if text.upper() not in codes:
        raise _wrong(text, "no check: `pullwatch list` shows them")
    return text.upper()


def _cause(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise _wrong(text, "no cause: they are words such as role-missing")
    return text.lower()


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MAX_REASON:
        raise argparse.ArgumentTypeError(f"takes 1 to {MAX_REASON} characters")
    return text


def _author(text: str) -> str:
    if not text.strip() or len(text) > MAX_AUTHOR:
        raise argparse.ArgumentTypeError(f"takes 1 to {MAX_AUTHOR} characters")
    return text


def _silence_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,40}", text.strip().lower()):
        raise _wrong(text, "no id of a silence: `pullwatch silence list` shows them")
    return text.strip().lower()


def _matchers(options: argparse.Namespace, loaded: Settings) -> Matchers:
    """What is given on the command line. An Azure registry's name is that of its login server."""
    registry = options.registry or ""
    if registry and "." not in registry and not registry.startswith("localhost"):
        registry = f"{registry}.{loaded.cloud.acr_suffix}"
    given = Matchers(
        subscription=options.subscription or "",
        cluster=options.cluster or "",
        registry=registry,
        code=options.code or "",
        cause=options.cause or "",
    )
    if not given:
        raise settings.SettingError("name what it is of: --cluster, --registry, --subscription, --code or --cause.")
    return given


# ---- the commands ------------------------------------------------------------------------------------------------


async def _add(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Makes a silence. Mail about failures that match it is kept back until it expires or is ended; recoveries go to
    whoever was notified of the failure. Nothing is kept back for good: at its end a mail says what still fails."""
    matchers = _matchers(options, loaded)
    author = options.author or await _signed_in(loaded, azure)
    await store.ensure_tables()
    made = _made(options, SilenceKind.SILENCE, matchers, author)
    await store.add_silence(made)
    count = len(await _failures(store, matchers))
    say(f"{counted(count, 'answer that fails now matches', 'answers that fail now match')} it" if count else _NOTHING)
    if not count:
        _warn_of_unknown_cause(matchers.cause)
    await _show_kept(options, store, [made.id])
    return 0


async def _ack(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Acknowledges what fails now and matches: one acknowledgement for each cause of a registry, at the cluster that is
    named, or else at all clusters. It works as a silence of exactly that, and ends by itself when that does not fail
    any more. Another cause is another failure, of which you are notified."""
    matchers = _matchers(options, loaded)
    author = options.author or await _signed_in(loaded, azure)
    await store.ensure_tables()
    wanted = _acknowledged(matchers, await _failures(store, matchers))
    if not wanted:
        say(f"nothing fails now that matches {matchers}")
        _warn_of_unknown_cause(matchers.cause)
        return NOTHING_SUCH
    if len(wanted) > MAX_ACKS:
        raise settings.SettingError(f"{len(wanted)} failures match, and {MAX_ACKS} at once may be: say more precisely.")
    made = [_made(options, SilenceKind.ACK, one, author) for one in wanted]
    for one in made:
        await store.add_silence(one)
    await _show_kept(options, store, [one.id for one in made])
    return 0


async def _list(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Lists the silences and acknowledgements that hold, the oldest first."""
    listing = await store.list_silences()
    now = datetime.now(UTC)
    _show(options, [one for one in listing.silences if options.all or not one.is_over(now)], listing.unreadable)
    return NO_STORAGE if listing.unreadable else 0


async def _end(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Ends a silence or an acknowledgement now. What it kept back and still fails is mailed within minutes."""
    over = await store.end_silence(options.id, datetime.now(UTC))
    if over is None:
        say(f"there is no silence {options.id}")
        return NOTHING_SUCH
    _show(options, [over])
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
        say(f"no cause is called {cause}: {hint}")


async def _signed_in(loaded: Settings, azure: Azure) -> str:
    """Who asks: whoever the storage's token is of; with a connection string, whoever is signed in to the system."""
    if not loaded.storage:
        claims = _claims(await azure.token(STORAGE_SCOPE))
        who = next((str(claims[name]) for name in _WHO if claims.get(name)), "")
        if who:
            return who[:MAX_AUTHOR]
    try:
        return getpass.getuser()[:MAX_AUTHOR]
    except (ImportError, KeyError, OSError):  # a container may have no name for its user
        return "unknown"


def _claims(token: str) -> dict[str, Any]:
    """What a token says of whom it was given to; nothing where it is not one that can be read."""
    parts = token.split(".")
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(body, type=dict[str, Any])
    except (IndexError, ValueError):
        return {}


# ---- what is shown -----------------------------------------------------------------------------------------------


async def _show_kept(options: argparse.Namespace, store: Store, names: list[str]) -> None:
    """Shows silences as they were kept: their texts without secrets."""
    _show(options, [one for one in (await store.list_silences()).silences if one.id in names])


def _show(options: argparse.Namespace, silences: Sequence[Silence], unreadable: Sequence[Unreadable] = ()) -> None:
    now = datetime.now(UTC)
    for broken in unreadable:
        say(f"{broken.ref.row} cannot be read, and silences nothing: {one_line(broken.why)}")
    if options.output == "json":
        answer = {
            "silences": [_answer(one, now) for one in silences],
            "unreadable": [{"row": broken.ref.row, "why": one_line(broken.why)} for broken in unreadable],
        }
        sys.stdout.write(json_text(answer))
        return
    page = Page(terminal.width_of(sys.stdout))
    rows = []
    for one in silences:
        until = f"{one.until:%Y-%m-%d %H:%M}"
        state = _state(one, now)
        shown = until if state == "active" else f"{until} ({state})"
        rows.append((one.id, one.kind.value, shown, one.author, str(one.matchers)))
    heading, *lines = table(_COLUMNS, rows, page, "")
    out = terminal.console(sys.stdout)
    terminal.write([heading], out)
    for one, line in zip(silences, lines, strict=True):
        terminal.write([line, *prose(one.reason, page, "    ")], out)


def _state(silence: Silence, now: datetime) -> str:
    if silence.is_over(now):
        return "over"
    return "active" if silence.is_active(now) else "not yet: it was made by a clock that is ahead"


def _answer(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "kind": silence.kind.value,
        "matchers": silence.matchers.given(),
        "author": silence.author,
        "reason": silence.reason,
        "created": silence.created,
        "expires": silence.expires,
        "until": silence.until,
        "state": _state(silence, now).partition(":")[0],
    }
