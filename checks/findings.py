"""The results: verdicts as types, findings, and the row per cluster and registry.

A check that could not look says ``Unknown`` and why; it never says ``Pass`` and never ``Fail``. A new ``Finding`` is
``Unknown`` until a judge says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from checks.arm_ids import name_of

# The source of a row that is there only because an earlier run saw the cluster use the registry.
# The source of a registry that the request named: it has a row whatever is known of it.
ASKED_FOR = "asked for"
SEEN_BEFORE = "seen before"


class Pass(msgspec.Struct, frozen=True, tag_field="verdict", tag="pass"):
    """It was looked at and it holds."""


class Fail(msgspec.Struct, frozen=True, tag_field="verdict", tag="fail"):
    """It was looked at and it does not hold."""


class Unknown(msgspec.Struct, frozen=True, tag_field="verdict", tag="unknown"):
    """It is not known.

    ``missing`` names what would settle it (a role, a network path, a setting). ``look_failed`` is true where the look
    itself failed (not allowed, unreachable, error): only those count towards "blind" and "degraded"; false where the
    matter cannot be settled from here.
    """

    missing: str
    look_failed: bool = True


class Skipped(msgspec.Struct, frozen=True, tag_field="verdict", tag="skipped"):
    """It does not matter here: ``because`` names the prerequisite that failed or the path that is not taken."""

    because: str


Verdict = Pass | Fail | Unknown | Skipped


def word(verdict: Verdict) -> str:
    """The verdict's stable word: "pass", "fail", "unknown" or "skipped"."""
    return str(verdict.__struct_config__.tag)


def shown(verdict: str) -> str:
    """A verdict's word as people read it in a row: what nobody can judge does not look like trouble."""
    return "not judged" if verdict == "skipped" else verdict


class Severity(StrEnum):
    """How much a finding matters to the people who run the cluster."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a finding is about: always a cluster (ARM id), and where there is one a registry, pool, image, workload."""

    cluster: str
    registry: str | None = None
    pool: str | None = None
    image: str | None = None
    workload: str | None = None
    secret: str | None = None


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was read, from where, when (ISO 8601, UTC) and, for ARM, at which api-version."""

    what: str
    source: str
    read_at: str | None = None
    api_version: str | None = None


def describe_evidence(evidence: Evidence) -> str:
    """What was read, from where and when, in a line."""
    version = f" (api-version {evidence.api_version})" if evidence.api_version else ""
    when = f", read at {evidence.read_at}" if evidence.read_at else ""
    return f"{evidence.what} - {evidence.source}{version}{when}"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check's answer about one subject. ``cause`` is a stable id, ``fix`` the exact commands (Fail only).

    ``about_layers``: it is about the hosts that layers come from, not about the login server. ``mirror``: the host that
    failed instead of the registry, because nodes ask it first.
    """

    code: str
    subject: Subject
    verdict: Verdict = Unknown("nothing was checked")
    cause: str = "not-judged"
    summary: str = "Nothing was checked."
    evidence: tuple[Evidence, ...] = ()
    severity: Severity = Severity.INFO
    fix: tuple[str, ...] = ()
    about_layers: bool = False
    mirror: str = ""

    @property
    def failed(self) -> bool:
        """It does not hold, and that is more than a warning."""
        return isinstance(self.verdict, Fail) and self.severity is Severity.ERROR


class Facet(msgspec.Struct, frozen=True):
    """One of a row's answers: its verdict, its cause, the codes of the findings that decided it, and for Fail the fix.

    Skipped: nobody can judge it here.
    """

    verdict: Verdict
    cause: str
    decided_by: tuple[str, ...] = ()
    summary: str = ""
    fix: tuple[str, ...] = ()


class Basis(StrEnum):
    """What a verdict rests on."""

    NODES = "nodes"
    AZURE = "azure"
    REGISTRY = "registry"


_BASIS = {"nodes": "nodes report", "azure": "Azure shows", "registry": "the registry logged"}


def describe_basis(basis: Iterable[str]) -> str:
    """What a verdict rests on, in words: "nodes report and Azure shows"."""
    return " and ".join(_BASIS.get(word, word) for word in basis)


class RegistryRow(msgspec.Struct, frozen=True, kw_only=True):
    """The answer per cluster and registry.

    ``registry`` is the login server, ``names`` the other hosts of it that were named. ``access``: may it pull;
    ``path``: is there a network path, as Azure shows it; ``pull``: the answer, and ``basis`` what it rests on (pulls
    that nodes reported, Azure Resource Manager, the registry's own log; empty where it is not judged). ``images``: can
    the images in use be pulled, apart from that; ``image_troubles`` counts the workloads whose own image is at fault
    (absent tag, wrong platform). ``waiting`` counts the pods that wait for an image of it. ``disagreements`` are
    sentences that name where proof and inference differ.
    """

    registry: str
    access: Facet
    path: Facet
    pull: Facet
    images: Facet = Facet(Skipped("no image was looked at"), "not-judged")
    basis: tuple[Basis, ...] = ()
    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    image_troubles: int = 0
    disagreements: tuple[str, ...] = ()
    waiting: int = 0

    @property
    def used(self) -> bool:
        """Whether the cluster uses the registry now, or it is only remembered."""
        return not self.sources or any(source != SEEN_BEFORE for source in self.sources)

    @property
    def only_asked_for(self) -> bool:
        """Whether it is judged because somebody named the registry, and nothing that was read shows that it is used."""
        return set(self.sources) == {ASKED_FOR}

    @property
    def fix(self) -> tuple[str, ...]:
        """What makes the pull work again."""
        return self.pull.fix

    def facets(self) -> tuple[tuple[str, Facet], ...]:
        """The facets with their names, in the order in which they are shown."""
        return (("access", self.access), ("path", self.path), ("pull", self.pull), ("images", self.images))


class Coverage(msgspec.Struct, frozen=True):
    """One thing that was to be read for a cluster: whether it was, why not, and the commands that would show it.

    ``reason``: why not, in a word ("not-allowed", "unreachable", "off", …), "" where none fits. ``role`` is what would
    allow it. ``subscription``: the id of the one that it is about, "" where it is about the cluster itself.
    """

    what: str
    looked: bool
    why: str = ""
    fix: tuple[str, ...] = ()
    reason: str = ""
    role: str = ""
    subscription: str = ""


class PullTime(msgspec.Struct, frozen=True):
    """How long one scan's pulls from a registry to a pool took, for the baseline that the next scans compare with.

    ``key`` is "registry|pool|unit"; ``median`` is of ``samples`` pulls, the newest of them at ``latest`` (ISO 8601).
    """

    key: str
    median: float
    samples: int
    latest: str


# The cause of a cluster whose checks raised: a defect of Pullwatch, not of the cluster.
CHECKER_ERROR = "checker-error"


class ClusterProblem(msgspec.Struct, frozen=True):
    """Why a cluster could not be checked at all: a stable cause, a sentence, and what would settle it."""

    cause: str
    summary: str
    missing: str


class ClusterReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one scan says about one cluster. ``id`` is the ARM resource id as ARM spelt it.

    Where ``problem`` is there, no check ran: there are no findings, and the rows are those of earlier runs, Unknown.
    ``notify`` are the addresses that its tag names. ``region`` is Azure's name of it, "" where it is not known.
    """

    id: str
    coverage: tuple[Coverage, ...] = ()
    registries: tuple[RegistryRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    pull_times: tuple[PullTime, ...] = ()
    problem: ClusterProblem | None = None
    notify: tuple[str, ...] = ()
    region: str = ""

    @property
    def name(self) -> str:
        """The cluster's own name: the last segment of its id."""
        return name_of(self.id)


class SubscriptionResult(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription has a result too: looked at (and how many clusters it holds), or not and why.

    ``name`` is its display name, where it can be seen. ``lacking``: actions of Pullwatch Reader that Pullwatch's own
    roles there do not allow; ``lacking_more`` counts those that are not named.
    """

    id: str
    name: str = ""
    clusters: int = 0
    verdict: Verdict = Unknown("nothing was checked")
    cause: str = "not-judged"
    summary: str = "Nothing was checked."
    fix: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    lacking_more: int = 0


class ScanError(msgspec.Struct, frozen=True):
    """Why a scan could not look at what it was asked for: a stable cause, a sentence, and what helps."""

    cause: str
    summary: str
    fix: tuple[str, ...] = ()


class ScanReport(msgspec.Struct, frozen=True, kw_only=True):
    """One scan of any scope. ``arm_calls`` counts requests to ARM per subscription ("" for tenant-level ones).

    ``errors``: nobody is signed in, or what was named is not there.
    """

    errors: tuple[ScanError, ...] = ()
    subscriptions: tuple[SubscriptionResult, ...] = ()
    clusters: tuple[ClusterReport, ...] = ()
    arm_calls: dict[str, int] = {}
