"""What a check is: its metadata, what it means for a row, and the words in which its judge function answers."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from checks.causes import Cause
from checks.facts import NotSeen
from checks.findings import Basis, Evidence, Finding, Severity, Subject
from checks.rules import results
from checks.rules.results import Result


class Decides(StrEnum):
    """Which facet of a row a check's findings decide; all findings of one facet have to hold."""

    ACCESS = "access"
    PATH = "path"


class Vantage(StrEnum):
    """Whose identity and network a check looks with."""

    NODES = "nodes"
    PULLWATCH = "pullwatch"


class Step(StrEnum):
    """A link of the chain from a cluster to its images, in its order: who pulls, whether it may, whether the registry
    takes it and has the image, what its names resolve to, whether there is a way, and what nodes say."""

    IDENTITY = "identity"
    ROLE = "role"
    REGISTRY = "registry"
    DNS = "DNS"
    NETWORK = "network"
    NODES = "nodes"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check's metadata. docs/checks/ is generated from it; ``code`` is stable and never used again.

    ``severity`` is that of a Fail. ``permissions`` are what the app's identity needs, ``article`` the parts of
    Microsoft's "Verify the connection to the container registry" that it covers.

    What it means for a row and an exit code stands here and nowhere else. ``decides``: the facet its findings decide.
    ``advisory``: neither its Fail nor its Unknown says anything of whether nodes can pull. ``only_fails``: its Fail
    does, its Unknown leaves nothing open, because what it looks at works unless it is seen broken. ``vantage``: a check
    that looks from Pullwatch leaves nothing open about the nodes when it may not look. ``speaks_of_all_pods``: its Pass
    claims something of every pod, so a partial read of pods makes it Unknown. ``basis``: whose word its findings are.
    ``step``: the link of the chain that its findings are about; None where the chain holds whatever they say.
    ``causes``: the enumerations of what its findings may name as their cause, besides ``ReadCause``.
    """

    code: str
    title: str
    severity: Severity
    why: str
    how: str
    permissions: tuple[str, ...]
    fix: str
    article: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    decides: Decides | None = None
    advisory: bool = False
    only_fails: bool = False
    vantage: Vantage = Vantage.NODES
    speaks_of_all_pods: bool = False
    basis: Basis = Basis.AZURE
    step: Step | None = None
    causes: tuple[type[Cause], ...] = ()

    @property
    def settles(self) -> bool:
        """Whether an Unknown of it leaves open whether the cluster can pull."""
        return not self.advisory and not self.only_fails and self.vantage is Vantage.NODES

    def sentence_of(self, cause: str) -> str:
        """What a cause means where this check names it; "" where it does not."""
        return next((one.sentence for kind in self.causes for one in kind if one.value == cause), "")

    def finding(self, subject: Subject, result: Result) -> Finding:
        """A result as this check's finding about a subject."""
        return Finding(
            code=self.code,
            subject=subject,
            verdict=result.verdict,
            cause=str(result.cause),
            summary=result.summary,
            evidence=result.evidence,
            severity=result.severity,
            fix=result.fix,
            about_layers=result.about_layers,
        )

    def passes(self, subject: Subject, cause: str, summary: str, evidence: tuple[Evidence, ...] = ()) -> Finding:
        """It was checked and holds."""
        return self.finding(subject, results.passes(cause, summary, evidence))

    def fails(
        self,
        subject: Subject,
        cause: str,
        summary: str,
        evidence: tuple[Evidence, ...] = (),
        *,
        fix: tuple[str, ...],
        severity: Severity | None = None,
    ) -> Finding:
        """It was checked and does not hold; ``fix`` are the exact commands for this case."""
        result = results.fails(cause, summary, *fix, severity=severity or self.severity, evidence=evidence)
        return self.finding(subject, result)

    def unknown(
        self,
        subject: Subject,
        cause: str,
        summary: str,
        evidence: tuple[Evidence, ...] = (),
        *,
        missing: str,
        look_failed: bool = False,
        fix: tuple[str, ...] = (),
    ) -> Finding:
        """It is not known. ``look_failed``: a read failed; otherwise it cannot be settled from here."""
        result = results.unknown(cause, summary, missing, look_failed=look_failed, evidence=evidence, fix=fix)
        return self.finding(subject, result)

    def not_seen(self, subject: Subject, gap: NotSeen, what: str) -> Finding:
        """The Unknown that follows from a read that did not happen, naming the role or path that is missing."""
        return self.finding(subject, results.not_seen(gap, what))

    def skipped(self, subject: Subject, cause: str, because: str) -> Finding:
        """It does not matter here, because of something that is named."""
        return self.finding(subject, results.skipped(cause, because))
