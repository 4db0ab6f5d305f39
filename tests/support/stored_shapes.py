"""The shapes in which a release stores: its rows as examples, and JSON schemas of the texts in them and of messages.

`python -m tests.support.stored_shapes` writes those of this release to tests/history/stored/. They are kept: the next
release has to read them, and must write nothing that this one cannot read. The file of a version that nobody has been
given yet may be removed and made anew.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from azure.data.tables import EntityProperty

from checks.changes import Change, Notice, Reason, RowVerdicts, Status, Transition
from checks.facts.pulls import PullTimeBaseline
from checks.findings import ClusterReport
from checks.history.model import (
    Batch,
    Channel,
    ClusterState,
    MailRow,
    MailStatus,
    Marker,
    MarkerStatus,
    Pending,
    Refusal,
    RowRef,
    Run,
    RunRef,
    RunScope,
    RunStatus,
    Shard,
    StoredCanary,
    Streak,
    SubjectState,
    Totals,
)
from checks.history.table import rows, silences
from checks.history.table.silences import Ending, HeldSubject
from checks.jobs import messages
from checks.report.outcome import Outcome
from checks.silences import Matchers, Silence, SilenceKind
from tests.support.reports import CLUSTER, report

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "tests" / "history" / "stored"
AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SUBSCRIPTION = CLUSTER.split("/")[2]
HOST = "acrone.azurecr.io"

# What is stored as JSON, in rows and in messages.
TEXTS: dict[str, Any] = {
    "subjects": tuple[SubjectState, ...],
    "registries": dict[str, datetime],
    "baselines": dict[str, PullTimeBaseline],
    "notices": dict[str, tuple[datetime, ...]],
    "report": ClusterReport,
    "change": Change,
    "notice": Notice,
    "batch": Batch,
    "mail": MailRow,
    "refusal": Refusal,
    "run": Run,
    "shard": Shard,
    "marker": Marker,
    "silence": Silence,
    "held": HeldSubject,
    "ending": Ending,
    "plan message": messages.PlanMessage,
    "scan message": messages.ScanMessage,
    "close message": messages.CloseMessage,
    "deliver message": messages.DeliverMessage,
}

SUBJECT = SubjectState(
    registry=HOST,
    facet="access",
    status=Status.FAILING,
    since=AT,
    last_verdict="fail",
    last_seen=AT,
    cause="role-missing",
    bad=Streak(2, AT, AT),
    flips=(AT,),
    notified=True,
    summary="no role",
    fix=("az role assignment create",),
    basis=("azure",),
)
STATE = ClusterState(
    cluster=CLUSTER,
    run="202611-000000000007",
    sequence=7,
    updated=AT,
    subjects=(SUBJECT,),
    registries={HOST: AT},
    capped=1,
    outcome=Outcome.FAIL,
    notices={"d2f8a1c09b": (AT,)},
)
CHANGE = Change(
    cluster=CLUSTER,
    run="202611-000000000007",
    sequence=7,
    at=AT,
    transitions=(
        Transition(
            registry=HOST,
            facet="access",
            before=Status.PASSING,
            after=Status.FAILING,
            reason=Reason.REGRESSED,
            since=AT,
            cause="role-missing",
            alert=True,
        ),
    ),
    rows=(RowVerdicts(HOST, "fail", "pass", "fail"),),
)
PENDING = Pending(
    ref=RowRef(SUBSCRIPTION, "pending|x"), sequence=7, at=AT, change=RowRef(SUBSCRIPTION, "change|x"), notice="{}"
)
MAIL = MailRow(
    id="m1",
    channel=Channel("", "smtp"),
    message_id="<m1@pullwatch>",
    batches=("b1",),
    since=AT,
    created=AT,
    status=MailStatus.WAITING,
    recipients=("ops@contoso.com",),
    attempts=1,
    refused={"gone@contoso.com": "550"},
)
BATCH = Batch(id="b1", sequence=7, since=AT, pointers=(PENDING.ref,), changes=(RowRef(SUBSCRIPTION, "change|x"),))
RUN = Run(
    id="202611-000000000007",
    sequence=7,
    requested_by="timer",
    scope=RunScope((SUBSCRIPTION,)),
    created=AT,
    deadline=AT,
    expected=("0001",),
    status=RunStatus.CLOSED,
    totals=Totals(clusters=1, failing=1),
    closed=AT,
)
SHARD = Shard("0001", SUBSCRIPTION, (CLUSTER,))
MARKER = Marker(shard="0001", status=MarkerStatus.DONE, totals=Totals(clusters=1, failing=1), at=AT)
CANARY = StoredCanary(cluster=CLUSTER, namespace="pullwatch", name="pullwatch-canary-x", due=AT, reason="409")

SILENCE = Silence(
    id="0a1b2c3d",
    kind=SilenceKind.ACK,
    matchers=Matchers(cluster=CLUSTER, registry=HOST, cause="role-missing"),
    author="kim@contoso.com",
    reason="known",
    created=AT,
    expires=AT,
    ended=AT,
)
HELD = HeldSubject(
    cluster=CLUSTER,
    registry=HOST,
    facet="pull",
    since=AT,
    cause="role-missing",
    route="tag:team@contoso.example",
)
ENDING = Ending(run=RunRef("202611-000000000007", 7), at=AT, keys=(HELD.key,))


def entities() -> dict[str, rows.Entity]:
    """One row of each kind, as this release writes it."""
    return {
        "state": rows.state_row(STATE, report("fail")),
        "change": rows.change_row(CHANGE),
        "pending": rows.pending_row(PENDING),
        "batch": rows.batch_rows(BATCH)[-1],
        "mail": rows.mail_row(MAIL),
        "run": rows.run_row(RUN),
        "shard": rows.shard_row(RUN.id, SHARD),
        "marker": rows.marker_row(RUN.id, MARKER),
        "canary": rows.canary_row(CANARY),
        "silence": silences.silence_row(SILENCE),
        "held": silences.held_row(SILENCE.id, HELD),
        "ending": silences.ending_row(SILENCE.id, ENDING),
    }


READERS: dict[str, tuple[Any, Any]] = {
    "state": (rows.read_state, STATE),
    "change": (rows.read_change, CHANGE),
    "pending": (rows.read_pending, PENDING),
    "batch": (rows.read_batch, BATCH),
    "mail": (rows.read_mail, MAIL),
    "run": (rows.read_run, RUN),
    "shard": (rows.read_shard, SHARD),
    "marker": (rows.read_marker, MARKER),
    "canary": (rows.read_canary, CANARY),
    "silence": (partial(silences.read_row, Silence), SILENCE),
    "held": (partial(silences.read_row, HeldSubject), HELD),
    "ending": (partial(silences.read_row, Ending), ENDING),
}


def release() -> dict[str, Any]:
    """What is kept of this release."""
    schemas, components = msgspec.json.schema_components(TEXTS.values(), ref_template="{name}")
    return {
        "schemas": _bare(dict(zip(TEXTS, schemas, strict=True))),
        "components": _bare(components),
        "rows": {name: _frozen(entity) for name, entity in entities().items()},
    }


def thawed(row: dict[str, Any]) -> rows.Entity:
    """A kept row as the client of Table Storage gives it."""
    times = {name: datetime.fromisoformat(value["time"]) for name, value in row.items() if isinstance(value, dict)}
    return row | times


def _frozen(entity: rows.Entity) -> dict[str, Any]:
    """A row as JSON."""
    return {
        name: {"time": value.isoformat()}
        if isinstance(value, datetime)
        else value.value
        if isinstance(value, EntityProperty)
        else value
        for name, value in entity.items()
    }


def _bare(schema: Any) -> Any:
    """A schema without words and defaults: neither changes what is stored."""
    if isinstance(schema, dict):
        named = {name: value for name, value in schema.items() if name not in ("description", "title", "default")}
        if "properties" in schema:  # where "title" may be a property's name
            named["properties"] = {name: _bare(value) for name, value in schema["properties"].items()}
        return {name: value if name == "properties" else _bare(value) for name, value in named.items()}
    return [_bare(item) for item in schema] if isinstance(schema, list) else schema


def differences(reader: dict[str, Any], writer: dict[str, Any]) -> Iterator[str]:
    """What one release may write that another cannot read, each as a sentence."""
    for name, schema in writer["schemas"].items():
        if name not in reader["schemas"]:
            yield f"{name}: unknown"
            continue
        yield from _Comparison(reader["components"], writer["components"]).of(reader["schemas"][name], schema, name)


class _Comparison:
    """Of two releases' schemas, whose components refer to each other by name."""

    def __init__(self, reader: dict[str, Any], writer: dict[str, Any]) -> None:
        self._reader, self._writer = reader, writer
        self._done: set[tuple[str, str]] = set()

    def of(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        """What the reader refuses of what the writer may write."""
        names = (str(reader.get("$ref", "")), str(writer.get("$ref", "")))
        if all(names):
            if names in self._done:
                return
            self._done.add(names)
        reader = self._reader[names[0]] if names[0] else reader
        writer = self._writer[names[1]] if names[1] else writer
        for choice in writer.get("anyOf", [writer]):
            taken = [list(self._of_one(option, choice, where)) for option in reader.get("anyOf", [reader])]
            if all(taken):
                yield from min(taken, key=len)

    def _of_one(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        if "$ref" in reader or "$ref" in writer or "anyOf" in reader:
            yield from self.of(reader, writer, where)
        elif "enum" in writer and "enum" in reader:
            if more := sorted(set(map(str, writer["enum"])) - set(map(str, reader["enum"]))):
                yield f"{where}: the words {', '.join(more)}"
        elif reader.get("type", writer.get("type")) != writer.get("type", "string" if "enum" in writer else None):
            yield f"{where}: {writer.get('type')} instead of {reader.get('type')}"
        else:
            yield from self._inside(reader, writer, where)

    def _inside(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        theirs, ours = writer.get("properties", {}), reader.get("properties", {})
        for name in sorted(set(reader.get("required", [])) - set(writer.get("required", []))):
            yield f"{where}.{name}: may be missing"
        for name, schema in theirs.items():
            if name in ours:
                yield from self.of(ours[name], schema, f"{where}.{name}")
            elif reader.get("additionalProperties") is False:
                yield f"{where}.{name}: unknown"
        for key in ("items", "additionalProperties"):
            if isinstance(reader.get(key), dict) and isinstance(writer.get(key), dict):
                yield from self.of(reader[key], writer[key], f"{where}[]")
        pairs = zip(reader.get("prefixItems", []), writer.get("prefixItems", []), strict=False)
        for index, (one, other) in enumerate(pairs):
            yield from self.of(one, other, f"{where}[{index}]")


def version() -> str:
    """This release's."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def main() -> None:
    """Keeps this release's shapes."""
    file = FOLDER / f"{version()}.json"
    if file.exists():
        raise SystemExit(f"{file.relative_to(ROOT)} is there: what a release writes does not change any more")
    file.write_bytes(msgspec.json.format(msgspec.json.encode(release(), order="deterministic"), indent=1) + b"\n")
    print(f"written: {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
