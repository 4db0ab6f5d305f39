"""What a chain is: its links with their verdicts, and what each verdict rests on."""

from __future__ import annotations

import msgspec

from checks.arm_ids import name_of
from checks.catalog.check import Step
from checks.findings import Evidence, Facet, Fail, Finding, Pass, Skipped, Verdict


class WeighedFinding(msgspec.Struct, frozen=True):
    """A finding of a link. ``counts``: the link's verdict rests on it, or agrees with it.

    Where it does not, ``note`` says why: "fails, but is not needed: …".
    """

    finding: Finding
    counts: bool
    note: str = ""


class ChainLink(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the chain. Its verdict agrees with the row: it fails only where an answer of the row fails.

    ``sentence`` is its headline, ``cause`` the stable id, ``codes`` the checks that the verdict rests on (none where
    nothing was judged). ``reached`` is false where it was not judged because an earlier step has to be repaired first.
    ``fix``: what repairs this step.
    """

    step: Step
    verdict: Verdict
    sentence: str
    cause: str = ""
    codes: tuple[str, ...] = ()
    findings: tuple[WeighedFinding, ...] = ()
    fix: tuple[str, ...] = ()
    reached: bool = True

    @property
    def fails(self) -> bool:
        """Whether the chain breaks here."""
        return isinstance(self.verdict, Fail)

    @property
    def skipped(self) -> bool:
        """Whether nothing was judged here."""
        return isinstance(self.verdict, Skipped)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What the step's findings were read from, each thing once; what the verdict rests on comes first."""
        ordered = sorted(
            self.findings, key=lambda weighed: (not weighed.counts, weighed.finding.code not in self.codes)
        )
        return tuple(dict.fromkeys(item for weighed in ordered for item in weighed.finding.evidence))

    @property
    def notes(self) -> tuple[str, ...]:
        """What fails or is not known here and does not count, with the reason; each once."""
        notes = (
            f"{weighed.finding.code} {weighed.note}"
            for weighed in self.findings
            if weighed.note and not isinstance(weighed.finding.verdict, Pass)
        )
        return tuple(dict.fromkeys(notes))


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of one cluster (ARM id) to one registry (login server).

    ``headline`` is the answer in a sentence, ``answer`` the facet of the row that says it. ``fix`` are all commands of
    the row, each once; ``disagreements`` the sentences that name where nodes and Azure differ; ``only_asked_for`` as in
    the row.
    """

    cluster: str
    registry: str
    headline: str
    answer: Facet
    links: tuple[ChainLink, ...]
    basis: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()
    only_asked_for: bool = False

    @property
    def name(self) -> str:
        """The cluster's own name."""
        return name_of(self.cluster)

    @property
    def broken(self) -> tuple[ChainLink, ...]:
        """The links at which it breaks, in their order."""
        return tuple(link for link in self.links if link.fails)
