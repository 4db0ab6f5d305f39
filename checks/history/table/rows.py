"""Rows: how the frozen types become entities of Table Storage and back. Pure; no client.

Every row carries ``v``; a version that is not ``VERSION`` is refused. Long texts are JSON in chunks: ``report_n`` says
how many, ``report_0`` … hold them (a merge that leaves old chunks behind does no harm). Limits are checked here: the
emulator accepts what the service refuses.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from azure.data.tables import EdmType, EntityProperty

from checks.changes import Change, Status, Transition
from checks.facts.pulls import PullTimeBaseline
from checks.findings import ClusterReport, Finding, word
from checks.history.errors import LimitError, SchemaError
from checks.history.model import (
    Batch,
    ClusterState,
    HeldBeside,
    KnownCluster,
    LastLook,
    MailRow,
    Marker,
    Pending,
    RowRef,
    Run,
    RunLists,
    RunScope,
    Shard,
    Sight,
    StateSummary,
    StoredCanary,
    Streak,
    SubjectState,
)
from checks.history.table import keys
from checks.packing import packed, unpacked
from checks.report.outcome import Outcome
from checks.watchdog import Unsent

VERSION = 1
CHUNK = 30_000  # characters; the service takes 32,768 UTF-16 units a string
MAX_ENTITY = 1_000_000  # bytes; the service takes 1 MiB, the rest is margin
MAX_PROPERTIES = 252  # 255 with the two keys and Timestamp
MAX_WIRE = 4_000_000  # bytes of one transaction on the wire; the service takes 4 MiB
STATE_WIRE = 1_900_000  # of them for the texts of a state; its change needs at most about 1,100,000
RUN_LISTS = 200_000  # UTF-16 units of a run's lists that stand in its own row
PART_TEXT = 200_000  # characters of them in each row beside it
STATE_TEXT = 470_000  # characters of JSON in a state row: at 2 bytes each it stays below MAX_ENTITY

Entity = dict[str, Any]
Row = Mapping[str, Any]
T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")

STATE_COLUMNS = (
    "PartitionKey",
    "RowKey",
    "v",
    "cluster",
    "sequence",
    "run",
    "updated",
    "failing",
    "unknown",
    "passing",
    "capped",
    "worst_registry",
    "worst_cause",
    "failing_since",
    "gone_since",
    "outcome",
)


def units(text: str) -> int:
    """UTF-16 units, which is how the service counts a string."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def chunked(name: str, text: str) -> Entity:
    """A long text as properties ``<name>_n``, ``<name>_0`` …"""
    size = CHUNK if units(text) == len(text) else CHUNK // 2
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    return {f"{name}_n": len(parts)} | {f"{name}_{index}": part for index, part in enumerate(parts)}


def joined(row: Row, name: str) -> str:
    """The text that ``chunked`` cut. SchemaError where a part is missing or is no text."""
    try:
        return "".join(row[f"{name}_{index}"] for index in range(int(row[f"{name}_n"])))
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"row {row.get('RowKey')!r}: the text {name!r} is incomplete") from error


def checked(entity: Entity) -> Entity:
    """The entity itself, or LimitError naming what the service would refuse."""
    keys.check(entity["PartitionKey"])
    keys.check(entity["RowKey"])
    if len(entity) > MAX_PROPERTIES:
        raise LimitError(f"row {entity['RowKey']!r}: {len(entity)} properties")
    for name, value in entity.items():
        if not _NAME.fullmatch(name):
            raise LimitError(f"row {entity['RowKey']!r}: property name {name!r}")
        if isinstance(value, str) and units(value) > 32_768:
            raise LimitError(f"row {entity['RowKey']!r}: {name} has {units(value)} characters")
    if size(entity) > MAX_ENTITY:
        raise LimitError(f"row {entity['RowKey']!r}: {size(entity)} bytes")
    return entity


def size(entity: Entity) -> int:
    """Bytes as the service counts them: strings at two bytes a unit, and eight for each property."""
    total = 4
    for name, value in entity.items():
        total += 8 + 2 * len(name)
        total += 4 + 2 * units(value) if isinstance(value, str) else 8
    return total


def wire(value: object) -> int:
    """Bytes on the wire: the client writes JSON in ASCII, so that a sign outside it takes six or twelve."""
    return len(json.dumps(value, default=str))


def versioned(row: Row) -> Row:
    """The row itself, or SchemaError naming the version it carries."""
    if row.get("v") != VERSION:
        raise SchemaError(f"row {row.get('RowKey')!r} has schema version {row.get('v')!r}; known is {VERSION}")
    return row


def is_newer(row: Row) -> bool:
    """Whether a later release wrote the row: it is not this one's to replace."""
    version = row.get("v")
    return isinstance(version, int) and version > VERSION


def number(value: int) -> EntityProperty:
    """An integer that may grow beyond 32 bits."""
    return EntityProperty(value, EdmType.INT64)


def integer(row: Row, name: str) -> int:
    """An integer of either width; SchemaError where it is none."""
    value = row.get(name)
    value = value[0] if isinstance(value, tuple) else value
    if not isinstance(value, int):
        raise SchemaError(f"row {row.get('RowKey')!r}: {name} is {value!r}")
    return value


def string(row: Row, name: str) -> str:
    """A text that has to be there; SchemaError where it is none."""
    value = row.get(name)
    if not isinstance(value, str):
        raise SchemaError(f"row {row.get('RowKey')!r}: {name} is {value!r}")
    return value


def moment(row: Row, name: str) -> datetime | None:
    """A time, aware and UTC, or None where the row has none (the client's own datetime type is not let out)."""
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise SchemaError(f"row {row.get('RowKey')!r}: {name} is {value!r}")
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(aware.timestamp(), UTC)


def text_of(value: object) -> str:
    """JSON as text."""
    return msgspec.json.encode(value).decode()


def read(kind: type[T], text: str, where: object) -> T:
    """JSON as a frozen type; SchemaError where it does not fit."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise SchemaError(f"row {where!r}: {error}") from error


def base(partition: str, row: str) -> Entity:
    """The start of every row."""
    return {"PartitionKey": partition, "RowKey": row, "v": VERSION}


# ---- a canary pod ------------------------------------------------------------------------------------------------


def canary_row(canary: StoredCanary) -> Entity:
    """The row of a canary pod."""
    entity = base(keys.subscription_key(canary.cluster), keys.canary(canary.cluster, canary.namespace, canary.name))
    columns = {"cluster": canary.cluster, "namespace": canary.namespace, "name": canary.name, "due": canary.due}
    return checked(entity | columns | {"attempts": canary.attempts, "reason": canary.reason[:1000]})


def read_canary(row: Row) -> StoredCanary:
    """The canary pod in a row."""
    due = moment(versioned(row), "due")
    texts = {name: row.get(name) for name in ("cluster", "namespace", "name", "reason")}
    if due is None or not all(isinstance(text, str) for text in texts.values()):
        raise SchemaError(f"row {row.get('RowKey')!r} names no canary pod")
    return StoredCanary(**{name: str(text) for name, text in texts.items()}, due=due, attempts=integer(row, "attempts"))


# ---- a cluster's state -------------------------------------------------------------------------------------------


def state_row(state: ClusterState, report: ClusterReport | None) -> Entity:
    """The state with its small columns, and the latest report cut to what still fits."""
    entity = base(keys.subscription_key(state.cluster), keys.state(state.cluster))
    subjects = text_of(state.subjects)
    registries = text_of(state.registries)
    baselines = text_of(state.baselines)
    notices = text_of(state.notices)
    entity |= {"cluster": state.cluster, "sequence": number(state.sequence), "run": state.run}
    entity |= {"updated": state.updated, "capped": state.capped, "gone_since": state.gone_since}
    entity |= {"missed": text_of(state.missed) if state.missed else None}
    entity |= {"notify": text_of(state.notify) if state.notify else None}
    entity |= small_columns(state) | chunked("subjects", subjects) | chunked("registries", registries)
    entity |= chunked("baselines", baselines) | chunked("notices", notices)
    entity |= {"region": state.region or None, "watched": state.watched}
    entity |= {"beside": text_of(state.beside) if state.beside else None}
    if state.looked is not None:
        entity |= {"looked_run": state.looked.run, "looked_at": state.looked.at}
    if report is not None:
        held = (subjects, registries, baselines, notices)
        text, cut = report_text(report, STATE_TEXT - sum(map(units, held)), STATE_WIRE - sum(map(wire, held)))
        entity |= chunked("report", text) | {"report_cut": cut}
    return checked({name: value for name, value in entity.items() if value is not None})


def small_columns(state: ClusterState) -> Entity:
    """What lists show. ``unknown`` counts subjects last seen as Unknown, whatever is held of them."""
    failing = [subject for subject in state.subjects if subject.status is Status.FAILING]
    worst = min(failing, key=lambda subject: (subject.since, subject.key), default=None)
    return {
        "failing": len(failing),
        "passing": sum(subject.status is Status.PASSING for subject in state.subjects),
        "unknown": sum(subject.last_verdict == "unknown" for subject in state.subjects),
        "worst_registry": worst.registry if worst else "",
        "worst_cause": worst.cause if worst else "",
        "failing_since": worst.since if worst else None,
        "outcome": state.outcome.value,
    }


def report_text(report: ClusterReport, budget: int, on_wire: int = STATE_WIRE) -> tuple[str, int]:
    """The report as JSON within ``budget`` UTF-16 units and ``on_wire`` bytes, and how many findings were left out.

    First the evidence goes (it can be read again), then findings from the mildest on; the rows stay while they fit.
    """

    def written(findings: Sequence[Finding]) -> str | None:
        text = text_of(msgspec.structs.replace(report, findings=tuple(findings)))
        return text if units(text) <= budget and wire(text) <= on_wire else None

    whole = written(report.findings)
    if whole is not None:
        return whole, 0
    bare = [msgspec.structs.replace(finding, evidence=()) for finding in report.findings]
    rank = {"fail": 0, "unknown": 1, "skipped": 2, "pass": 3}
    bare.sort(key=lambda finding: rank[word(finding.verdict)])
    low, high = 0, len(bare)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if written(bare[:middle]) is not None else (low, middle - 1)
    return written(bare[:low]) or text_of(ClusterReport(id=report.id)), len(bare) - low


def read_state(row: Row) -> ClusterState:
    """The state in a row."""
    where = versioned(row).get("RowKey")
    updated = moment(row, "updated")
    if updated is None:
        raise SchemaError(f"row {where!r}: no time")
    return ClusterState(
        cluster=string(row, "cluster"),
        run=string(row, "run"),
        sequence=integer(row, "sequence"),
        updated=updated,
        subjects=read(tuple[SubjectState, ...], joined(row, "subjects"), where),
        registries=read(dict[str, datetime], joined(row, "registries"), where),
        capped=integer(row, "capped"),
        missed=read(Streak, string(row, "missed"), where) if "missed" in row else None,
        gone_since=moment(row, "gone_since"),
        baselines=read(dict[str, PullTimeBaseline], joined(row, "baselines") if "baselines_n" in row else "{}", where),
        outcome=_outcome(row),
        notify=read(tuple[str, ...], string(row, "notify"), where) if "notify" in row else (),
        notices=read(dict[str, tuple[datetime, ...]], joined(row, "notices") if "notices_n" in row else "{}", where),
        region=str(row.get("region", "")),
        watched=moment(row, "watched"),
        looked=_last_look(row),
        beside=read(HeldBeside, string(row, "beside"), where) if "beside" in row else None,
    )


def _last_look(row: Row) -> LastLook | None:
    at = moment(row, "looked_at")
    return None if at is None else LastLook(string(row, "looked_run"), at)


def read_summary(row: Row) -> StateSummary:
    """The small columns of a state."""
    updated = moment(versioned(row), "updated")
    if updated is None:
        raise SchemaError(f"row {row.get('RowKey')!r}: no time")
    return StateSummary(
        cluster=string(row, "cluster"),
        sequence=integer(row, "sequence"),
        run=string(row, "run"),
        updated=updated,
        failing=integer(row, "failing"),
        unknown=integer(row, "unknown"),
        passing=integer(row, "passing"),
        capped=integer(row, "capped"),
        worst_registry=str(row.get("worst_registry", "")),
        worst_cause=str(row.get("worst_cause", "")),
        failing_since=moment(row, "failing_since"),
        gone_since=moment(row, "gone_since"),
        outcome=_outcome(row),
    )


def _outcome(row: Row) -> Outcome:
    """What the last report came to; rows of earlier versions do not say."""
    try:
        return Outcome(row.get("outcome", Outcome.UNKNOWN))
    except ValueError as error:
        raise SchemaError(f"row {row.get('RowKey')!r}: {error}") from error


def read_known(row: Row) -> KnownCluster:
    """A cluster that was seen before."""
    names = read(dict[str, datetime], joined(versioned(row), "registries"), row.get("RowKey"))
    sequence = integer(row, "sequence") if "sequence" in row else 0
    return KnownCluster(string(row, "cluster"), tuple(sorted(names)), sequence)


def sight_row(subscription: str, sight: Sight) -> Entity:
    """Whether a subscription was visible."""
    entity = base(keys.INDEX, keys.check(f"sight|{subscription}"))
    return entity | {"sequence": number(sight.sequence), "visible": sight.visible}


def read_sight(row: Row) -> Sight:
    """Whether a subscription was visible, back."""
    visible = versioned(row).get("visible")
    if not isinstance(visible, bool):
        raise SchemaError(f"row {row.get('RowKey')!r}: visible is {visible!r}")
    return Sight(integer(row, "sequence"), visible)


# ---- history and outbox ------------------------------------------------------------------------------------------


def change_row(change: Change) -> Entity:
    """One history row. Where it would not fit, the commands go first: they are in the state too."""
    entity = base(keys.subscription_key(change.cluster), keys.change(change.cluster, change.sequence))
    entity |= {"cluster": change.cluster, "sequence": number(change.sequence), "run": change.run, "at": change.at}
    text = text_of(change)
    if units(text) > STATE_TEXT:
        text = text_of(msgspec.structs.replace(change, transitions=tuple(map(_bare, change.transitions))))
    return checked(entity | chunked("change", text))


def _bare(transition: Transition) -> Transition:
    return msgspec.structs.replace(transition, fix=())


def read_change(row: Row) -> Change:
    """The change in a history row."""
    return read(Change, joined(versioned(row), "change"), row.get("RowKey"))


def pending_row(pending: Pending) -> Entity:
    """An intent to tell."""
    entity = base(pending.ref.partition, pending.ref.row)
    entity |= {"sequence": number(pending.sequence), "at": pending.at}
    if pending.change is not None:
        entity |= {"change_partition": pending.change.partition, "change_row": pending.change.row}
    if pending.summary_of:
        entity |= {"summary_of": pending.summary_of}
    return checked(entity | chunked("notice", packed(pending.notice)))


def read_pending(row: Row) -> Pending:
    """The intent in a row."""
    at = moment(versioned(row), "at")
    if at is None:
        raise SchemaError(f"row {row.get('RowKey')!r}: no time")
    target = RowRef(string(row, "change_partition"), string(row, "change_row")) if row.get("change_row") else None
    try:
        notice = unpacked(joined(row, "notice"))
    except ValueError as error:
        raise SchemaError(f"row {row.get('RowKey')!r}: {error}") from error
    return Pending(
        ref=RowRef(row["PartitionKey"], row["RowKey"]),
        sequence=integer(row, "sequence"),
        at=at,
        change=target,
        notice=notice,
        summary_of=string(row, "summary_of") if "summary_of" in row else "",
    )


def batch_rows(batch: Batch) -> list[Entity]:
    """A batch, its own row last: what is too long for that stands in rows beside it, named by what is in them."""
    text = text_of(batch)
    pieces = [text[start : start + PART_TEXT] for start in range(0, len(text), PART_TEXT)]
    beside = [
        checked(base(keys.MAIL, f"batch|{batch.id}|part|{index:04d}") | chunked("batch", piece))
        for index, piece in enumerate(pieces[1:], 1)
    ]
    own = base(keys.MAIL, f"batch|{batch.id}") | {"parts": len(beside), "since": batch.since}
    return [*beside, checked(own | chunked("batch", pieces[0]))]


def read_batch(row: Row, parts: Sequence[Row] = ()) -> Batch:
    """The batch in a row, with the rest of it in the rows beside it. SchemaError where these are not all there."""
    if integer(versioned(row), "parts") != len(parts):
        raise SchemaError(f"row {row.get('RowKey')!r}: {len(parts)} of {row.get('parts')} rows beside it are there")
    text = joined(row, "batch") + "".join(joined(versioned(part), "batch") for part in parts)
    return read(Batch, text, row.get("RowKey"))


def mail_row(mail: MailRow) -> Entity:
    """A mail that was begun. Its small columns are for lists."""
    entity = base(keys.MAIL, f"digest|{mail.id}")
    entity |= {"status": str(mail.status), "created": mail.created, "message_id": mail.message_id}
    return checked(entity | chunked("digest", text_of(mail)))


def read_mail(row: Row) -> MailRow:
    """The mail in a row."""
    return read(MailRow, joined(versioned(row), "digest"), row.get("RowKey"))


def unsent_row(unsent: Unsent) -> Entity:
    """What was last seen of unsent mail."""
    return checked(base(keys.MAIL, keys.UNSENT) | chunked("unsent", text_of(unsent)))


def read_unsent(row: Row) -> Unsent:
    """What was seen of unsent mail, out of its row."""
    return read(Unsent, joined(versioned(row), "unsent"), row.get("RowKey"))


# ---- runs --------------------------------------------------------------------------------------------------------


def run_row(run: Run) -> Entity:
    """A run. Long lists are left out: ``parts`` counts the rows beside it that hold them, ``parts_of`` names them."""
    entity = base(run.id, "run") | {"status": str(run.status), "created": run.created}
    parts = run_parts(run)
    if parts:
        entity |= {"parts": len(parts), "parts_of": parts[0]["RowKey"].split("|")[1]}
        run = _with_lists(run, RunLists())
    return checked(entity | {"sequence": number(run.sequence)} | chunked("run", text_of(run)))


def run_parts(run: Run) -> list[Entity]:
    """The rows beside a run's own that hold its lists; none where they are short enough to stand in it.

    They are named by what is in them: a run that is written again has the same, and of two plans of one run each has
    its own.
    """
    text = text_of(_lists_of(run))
    if units(text) <= RUN_LISTS:
        return []
    name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
    pieces = [text[start : start + PART_TEXT] for start in range(0, len(text), PART_TEXT)]
    return [
        checked(base(run.id, f"part|{name}|{index:04d}") | chunked("part", piece)) for index, piece in enumerate(pieces)
    ]


def parts_of(row: Row) -> str:
    """The start of the keys of the rows beside a run's own that hold its lists; "" where it has none."""
    return f"part|{string(row, 'parts_of')}" if "parts" in versioned(row) else ""


def read_run(row: Row, parts: Sequence[Row] = ()) -> Run:
    """The run in a row, with the lists in the rows beside it. SchemaError where these are not all there."""
    run = read(Run, joined(versioned(row), "run"), row.get("RowKey"))
    expected = integer(row, "parts") if "parts" in row else 0
    if expected != len(parts):
        raise SchemaError(f"row {row.get('RowKey')!r}: {len(parts)} of {expected} rows beside it are there")
    if not parts:
        return run
    return _with_lists(run, read(RunLists, "".join(joined(versioned(part), "part") for part in parts), run.id))


def _lists_of(run: Run) -> RunLists:
    return RunLists(
        subscriptions=run.scope.subscriptions,
        clusters=run.scope.clusters,
        expected=run.expected,
        results=run.subscriptions,
        baseline_subscriptions=run.baseline_subscriptions,
        opted_out=run.opted_out,
    )


def _with_lists(run: Run, lists: RunLists) -> Run:
    return msgspec.structs.replace(
        run,
        scope=RunScope(lists.subscriptions, lists.clusters, run.scope.asked),
        expected=lists.expected,
        subscriptions=lists.results,
        baseline_subscriptions=lists.baseline_subscriptions,
        opted_out=lists.opted_out,
    )


def shard_row(run_id: str, shard: Shard) -> Entity:
    """A shard of a run, as planned."""
    return checked(base(run_id, f"shard|{shard.id}") | chunked("shard", text_of(shard)))


def read_shard(row: Row) -> Shard:
    """The shard in a row."""
    return read(Shard, joined(versioned(row), "shard"), row.get("RowKey"))


def marker_row(run_id: str, marker: Marker) -> Entity:
    """A shard's own word that it ended."""
    entity = base(run_id, f"marker|{marker.shard}") | {"status": str(marker.status)}
    return checked(entity | chunked("marker", text_of(marker)))


def read_marker(row: Row) -> Marker:
    """The marker in a row."""
    return read(Marker, joined(versioned(row), "marker"), row.get("RowKey"))
