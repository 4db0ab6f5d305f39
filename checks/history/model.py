"""What history keeps: the state of a cluster, runs and shards, the incident mails. Plain frozen data, no I/O.

All times are aware and UTC. ``sequence`` numbers runs and alone says which is newer; clocks only give dates.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from checks.changes import Change, Reason, Status
from checks.facts.pulls import PullTimeBaseline
from checks.findings import SubscriptionResult
from checks.report.outcome import FacetCounts, Outcome


class RowRef(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Where a row is: its partition and its row key."""

    partition: str
    row: str


class RunRef(msgspec.Struct, frozen=True):
    """Which run speaks: its id and its place in the order of runs."""

    id: str
    sequence: int


class Streak(msgspec.Struct, frozen=True, omit_defaults=True):
    """Equal looks in a row: how many were counted, since when, and when the last of them was.

    ``cause``: of looks that failed for another cause than the one that is held.
    """

    count: int
    since: datetime
    at: datetime
    cause: str = ""


class SubjectState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is held of one (registry, facet) of a cluster.

    ``since``: when ``status`` began, which is the first observation of the streak that led to it. ``bad`` and ``good``
    count Fail and Pass in a row; Unknown and Skipped move neither. ``other`` counts failed looks of another cause.
    ``unknown``: since when nothing but Unknown was seen. ``notified``: people were notified of the current failure, or
    a pending notification is stored; ``covered``: of another facet, that fails for the same cause. ``last_seen``: when
    the cluster last really used the registry (being remembered is not use). ``basis``: what a failure of ``pull`` rests
    on. ``flips``: the latest, of the last day; ``flapping_since``: since when they are damped; ``flapped_at``: when
    people were last notified of that. ``blind``: they were notified, last at ``blind_at``, that nothing is known any
    more. ``members``: of the one row that stands for many registries, those that count as failing, as digests.
    ``codes`` are the checks that decided ``cause``. ``seen_by`` and ``waiting``, of ``pull`` alone: what the
    last look's answer rests on, and how many pods waited for an image then. ``seen_cause``: why the last look failed or
    did not know, where that is not what is held; ``seen_summary`` and ``seen_command`` of one that failed, as far as
    there is room in the cluster's state.
    """

    registry: str
    facet: str
    status: Status
    since: datetime
    last_verdict: str
    last_seen: datetime
    cause: str = ""
    bad: Streak | None = None
    good: Streak | None = None
    other: Streak | None = None
    unknown: Streak | None = None
    # Stored under its first name, "told": rows written by earlier versions have it.
    notified: bool = msgspec.field(name="told", default=False)
    summary: str = ""
    fix: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    flips: tuple[datetime, ...] = ()
    flapping_since: datetime | None = None
    flapped_at: datetime | None = None
    covered: bool = False
    blind: bool = False
    blind_at: datetime | None = None
    members: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    waiting: int = 0
    seen_cause: str = ""
    seen_summary: str = ""
    seen_command: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it inside its cluster."""
        return (self.registry, self.facet)


class LastLook(msgspec.Struct, frozen=True, array_like=True):
    """The last run that could look at a cluster, and when it did."""

    run: str
    at: datetime


class HeldBeside(msgspec.Struct, frozen=True, array_like=True):
    """What the last report said of a cluster beside its rows (``checks.report.outcome.Beside``), and since when."""

    verdict: str
    cause: str
    registry: str
    since: datetime


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """All that is held of one cluster. ``cluster`` is its ARM id as ARM spelt it.

    ``sequence`` and ``run`` are of the last run that counted. ``registries`` remembers when each login server was last
    used. ``capped`` counts subjects that did not fit. ``missed``: complete inventories in a row without the cluster;
    ``gone_since``: it counts as gone since then.
    ``notify`` are the addresses that its tag named when it was last read.
    ``baselines`` are how long pulls took, by "registry|pool|unit". ``outcome`` is what the last report came to.
    ``notices``: when people were notified of each registry in the last day, also of those that are not held any more;
    registries as digests of their names, which may be long. ``region``: where it is, as far as known. ``looked``: the
    last run that could look at it, None where none could yet. ``beside``: what its last report said beside its rows.
    """

    cluster: str
    run: str
    sequence: int
    updated: datetime
    subjects: tuple[SubjectState, ...] = ()
    registries: dict[str, datetime] = {}
    capped: int = 0
    missed: Streak | None = None
    gone_since: datetime | None = None
    baselines: dict[str, PullTimeBaseline] = {}
    outcome: Outcome = Outcome.UNKNOWN
    notify: tuple[str, ...] = ()
    notices: dict[str, tuple[datetime, ...]] = {}
    region: str = ""
    watched: datetime | None = None
    looked: LastLook | None = None
    beside: HeldBeside | None = None


class SubjectReason(msgspec.Struct, frozen=True):
    """Why one subject was decided as it was, also where nothing changed."""

    registry: str
    facet: str
    reason: Reason


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one report did to one cluster.

    ``stale``: the run was already counted or is older; the state is the previous one and ``change`` is None.
    ``keeps_report``: nothing was looked at, so that the latest report stays.
    """

    state: ClusterState
    run: RunRef
    change: Change | None = None
    reasons: tuple[SubjectReason, ...] = ()
    stale: bool = False
    keeps_report: bool = False


class StoredState(msgspec.Struct, frozen=True):
    """A state as it was read, with the ETag to write it back against."""

    state: ClusterState
    etag: str


class Committed(msgspec.Struct, frozen=True):
    """What a commit did. ``written`` is false where it was already there (a repeat) or the run was stale."""

    written: bool
    etag: str = ""


class StateSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The small columns of a cluster's state, for lists. The worst registry is the one that has failed longest."""

    cluster: str
    sequence: int
    run: str
    updated: datetime
    failing: int = 0
    unknown: int = 0
    passing: int = 0
    capped: int = 0
    worst_registry: str = ""
    worst_cause: str = ""
    failing_since: datetime | None = None
    gone_since: datetime | None = None
    outcome: Outcome = Outcome.UNKNOWN


class Unreadable(msgspec.Struct, frozen=True, order=True):
    """A row that cannot be handled, and why. ``readable``: it can be read, and what was made of it not be written."""

    ref: RowRef
    why: str
    readable: bool = False


class RecordedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a row that cannot be handled. ``since``: when its present content was met for the first time.

    ``sequence``: the place of the last run that met it; 0 where no run did.
    """

    ref: RowRef
    why: str
    since: datetime
    etag: str = ""
    sequence: int = 0


class StateList(msgspec.Struct, frozen=True):
    """The states that were found, and the rows of those that cannot be read."""

    items: tuple[StateSummary, ...]
    unreadable: tuple[Unreadable, ...] = ()


class KnownCluster(msgspec.Struct, frozen=True):
    """A cluster that earlier runs saw, with the registries it used in the last 30 days.

    ``sequence`` is of the last run that counted; 0 where its row does not say it.
    """

    id: str
    registries: tuple[str, ...] = ()
    sequence: int = 0


class RunScope(msgspec.Struct, frozen=True):
    """What a run looks at. ``clusters`` None: all of them; else ARM ids.

    ``asked``: the subscriptions that whoever asked for it named, in order; none: all in scope.
    """

    subscriptions: tuple[str, ...] = ()
    clusters: tuple[str, ...] | None = None
    asked: tuple[str, ...] = ()


class RunStatus(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    CLOSED = "closed"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What a run or a shard counted. ``clusters`` = ``passing`` + ``failing`` + ``unknown`` + ``errors``.

    ``blind``: clusters (among them) where a look failed. ``late``: results of a run older than the one counted.
    ``changes``: clusters with a history row. ``gone``: clusters missing from a complete inventory. ``rows``: rows by
    facet and verdict.
    """

    clusters: int = 0
    passing: int = 0
    failing: int = 0
    unknown: int = 0
    errors: int = 0
    blind: int = 0
    late: int = 0
    changes: int = 0
    gone: int = 0
    rows: FacetCounts = {}


MAX_MISSING = 100


class RunLists(msgspec.Struct, frozen=True, kw_only=True):
    """What grows with the tenant in a run, fixed when it is planned: kept in rows beside the run's where it is long."""

    subscriptions: tuple[str, ...] = ()
    clusters: tuple[str, ...] | None = None
    expected: tuple[str, ...] = ()
    results: tuple[SubscriptionResult, ...] = ()
    baseline_subscriptions: tuple[str, ...] = ()
    opted_out: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run over a scope. ``id`` is ``new_run_id``'s; ``expected`` are the ids of its shards.

    ``missing`` names at most ``MAX_MISSING`` shards that did not end, ``missing_shards`` counts all of them (0 in rows
    of release 0.1.0, which named every one).
    ``baseline_subscriptions`` had no complete look yet when it was planned; ``baseline``: there are any.
    ``inventory_complete``: every listing of the plan was read to its end. ``opted_out``: clusters whose tag asks that
    they are not checked.
    """

    id: str
    sequence: int
    requested_by: str
    scope: RunScope
    created: datetime
    deadline: datetime
    expected: tuple[str, ...] = ()
    subscriptions: tuple[SubscriptionResult, ...] = ()
    status: RunStatus = RunStatus.PLANNED
    baseline: bool = False
    baseline_subscriptions: tuple[str, ...] = ()
    opted_out: tuple[str, ...] = ()
    inventory_complete: bool = False
    totals: Totals = Totals()
    missing: tuple[str, ...] = ()
    missing_shards: int = 0
    degraded: bool = False
    closed: datetime | None = None

    @property
    def ref(self) -> RunRef:
        """The run as decide wants it."""
        return RunRef(self.id, self.sequence)

    @property
    def hung(self) -> bool:
        """Whether it was closed although none of its shards had ended."""
        return bool(self.expected) and self.missing_count == len(self.expected)

    @property
    def missing_count(self) -> int:
        """How many of its shards did not end."""
        return max(self.missing_shards, len(self.missing))

    def is_baseline(self, subscription: str) -> bool:
        """Whether that subscription had no complete look yet when this run was planned."""
        return subscription.lower() in {name.lower() for name in self.baseline_subscriptions}


class Doubt(msgspec.Struct, frozen=True):
    """Whether the checker is in doubt about a scope, as of the run with that place in the order.

    ``calm``: how many runs in a row lost little since.
    """

    sequence: int = 0
    degraded: bool = False
    calm: int = 0


class Sight(msgspec.Struct, frozen=True):
    """Whether the identity could see a subscription, as of the run with that place in the order."""

    sequence: int = 0
    visible: bool = True


class StoredRun(msgspec.Struct, frozen=True):
    """A run as it was read, with its ETag."""

    run: Run
    etag: str


class Ticket(msgspec.Struct, frozen=True):
    """A place in the order of runs: the sequence and the run id made from it."""

    sequence: int
    run_id: str


class Shard(msgspec.Struct, frozen=True):
    """A piece of a run: at most 20 clusters (ARM ids) of one subscription. Messages carry only ``id``."""

    id: str
    subscription: str
    clusters: tuple[str, ...] = ()


class MarkerStatus(StrEnum):
    """How a shard ended."""

    DONE = "done"
    FAILED = "failed"


class FailedCluster(msgspec.Struct, frozen=True):
    """A cluster at which Pullwatch itself failed, and why.

    ``lasting``: trying again does not help. ``unreadable``: its state cannot be read.
    """

    cluster: str
    reason: str
    lasting: bool = False
    unreadable: bool = False


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """A shard's own row that says it ended. ``reason`` for a failed one; ``failed`` are clusters of it."""

    shard: str
    status: MarkerStatus
    totals: Totals = Totals()
    reason: str = ""
    failed: tuple[FailedCluster, ...] = ()
    at: datetime


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An intent to tell. ``change`` points to the history row; None where ``notice`` holds a run's notice as JSON.

    ``summary_of``: the run whose summary it belongs into; it waits until that run is closed.
    """

    ref: RowRef
    sequence: int
    at: datetime
    change: RowRef | None = None
    notice: str = ""
    summary_of: str = ""


class PendingList(msgspec.Struct, frozen=True):
    """The intents that were found, and the rows of those that cannot be read (they stay where they are)."""

    items: tuple[Pending, ...]
    unreadable: tuple[Unreadable, ...] = ()


class StoredCanary(msgspec.Struct, frozen=True, kw_only=True):
    """A canary pod that was to be made and is not known to be gone. ``cluster`` is its cluster's ARM id.

    ``due``: when it is to be deleted, if its look did not; later after each try that failed (``attempts``), which
    ``reason`` names.
    """

    cluster: str
    namespace: str
    name: str
    due: datetime
    attempts: int = 0
    reason: str = ""


class CanaryList(msgspec.Struct, frozen=True):
    """The canary pods that were found, and why others could not be read (they stay where they are)."""

    items: tuple[StoredCanary, ...]
    unreadable: tuple[str, ...] = ()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken out of the pointers to be notified of together: changes of one root cause, or a run's notice.

    ``pointers`` are removed once it is written. ``changes`` are the history rows they point to. ``since``: when the
    oldest of them was written. Its ``id`` follows from its pointers.
    """

    id: str
    sequence: int
    since: datetime
    pointers: tuple[RowRef, ...]
    changes: tuple[RowRef, ...] = ()
    notice: str = ""


class Channel(msgspec.Struct, frozen=True, order=True):
    """A way to somebody: the route's name and the transport's."""

    route: str
    transport: str


class MailStatus(StrEnum):
    """Where a mail stands.

    ``SENDING``: it may have gone out already. ``EMPTY``: nothing was left to say when it was to be sent. ``MERGED``:
    another mail says what it would have said. ``REFUSED``: by every recipient, for good.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    EMPTY = "empty"
    MERGED = "merged"
    REFUSED = "refused"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be sent."""
        return self in (MailStatus.WAITING, MailStatus.SENDING)


class MailRow(msgspec.Struct, frozen=True, kw_only=True):
    """One mail by one channel. What it says is made from its ``batches`` when it is sent.

    ``recipients``: those it is still to be sent to; empty: all of the route, as it is then. ``refused``: who refused it
    for good, and why. ``accepted``: anybody took it. ``after``: mails that are to be finished before it.
    ``held_back``: how many mails it stands for that the hourly limit kept back. ``since``: when the oldest of what it
    says was decided.
    """

    id: str
    channel: Channel
    message_id: str
    batches: tuple[str, ...]
    since: datetime
    created: datetime
    status: MailStatus = MailStatus.WAITING
    recipients: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    attempts: int = 0
    next_try: datetime | None = None
    reason: str = ""
    refused: dict[str, str] = {}
    accepted: bool = False
    held_back: int = 0
    finished: datetime | None = None


class StoredMail(msgspec.Struct, frozen=True):
    """A mail as it was read, with its ETag."""

    mail: MailRow
    etag: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient who refused a mail for good, last at that time."""

    recipient: str
    transport: str
    reason: str
    at: datetime


def new_run_id(sequence: int, created: datetime) -> str:
    """The id of a run: ``YYYYMM-<sequence>``. Its month names the table that holds it."""
    return f"{created:%Y%m}-{sequence:012d}"
