"""``images``: whether images in use can be pulled, apart from what keeps the cluster from their registry.

An image that does not exist, has no manifest for the nodes' platform or is named by a host that serves no manifests
is at fault itself: it fails neither ``access`` nor ``pull`` of its registry.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.catalog import pw301_pull_failures, pw302_images_exist, pw306_registry_names, pw308_pulls_logged
from checks.causes import RowCause
from checks.facts import NotSeen, RegistryUse
from checks.findings import Facet, Fail, Finding, Pass, Skipped, Unknown
from checks.report.fixes import fixes_of
from checks.rules import images
from checks.rules.pull.errors import PullErrorCause, affected_scope
from checks.rules.registry_names import Oddity

FAILURES = pw301_pull_failures.CHECK.code
IMAGES = pw302_images_exist.CHECK.code
NAMES = pw306_registry_names.CHECK.code
LOG = pw308_pulls_logged.CHECK.code
# Names that no registry serves images under; a regional host serves them to nodes that are new enough.
WRONG_NAMES = (frozenset(Oddity) - {Oddity.REGIONAL_HOST}) | {pw306_registry_names.NameCause.REGIONAL_NOT_SERVED}


class ImageTroubles(msgspec.Struct, frozen=True):
    """What is wrong with images of one registry: as their names and the registry show, and as nodes report.

    What the registry logged is ``explained`` where a pod waits for the image and does not tell why, else ``reported``.
    """

    explained: tuple[Finding, ...]
    reported: tuple[Finding, ...]

    @property
    def unreported(self) -> tuple[Finding, ...]:
        """The troubles that no waiting pod speaks of yet."""
        waiting = {canonical_image(f.subject.image) for f in self.reported}
        return tuple(f for f in self.explained if canonical_image(f.subject.image) not in waiting)

    @property
    def count(self) -> int:
        """How many workloads wait for such an image, and how many such images none waits for yet."""
        return len(self.reported) + sum(f.subject.image is not None for f in self.unreported)


def canonical_image(image: str | None) -> str | None:
    """The one spelling of an image, where there is one."""
    return images.one_spelling(image) if image else image


def names_at_fault(findings: Iterable[Finding]) -> dict[str | None, Finding]:
    """The findings about names that nodes cannot pull by, by image."""
    return {canonical_image(f.subject.image): f for f in findings if f.code == NAMES and f.failed}


def logged_reasons(findings: Iterable[Finding]) -> dict[str | None, Finding]:
    """What the registry logged of images that pods wait for without telling why, by image: such an event is gone."""
    about = [f for f in findings if isinstance(f.verdict, Fail) and f.subject.image is not None]
    silent = {canonical_image(f.subject.image) for f in about if f.code == FAILURES and scope_of(f) == "unsettled"}
    logged = [f for f in about if f.code == LOG and f.failed and scope_of(f) == "image"]
    return {key: f for f in logged if (key := canonical_image(f.subject.image)) in silent}


def scope_of(finding: Finding) -> str:
    """What a failed pull is about, by its cause: "image", "registry" …; "unsettled" where it does not tell why."""
    return affected_scope(PullErrorCause(finding.cause))


def troubles_of(findings: Iterable[Finding], reported: tuple[Finding, ...]) -> ImageTroubles:
    """The troubles of one registry's images; ``reported`` are the failing pulls that are the images' own."""
    own_findings = list(findings)
    shown = (f for f in own_findings if f.code == IMAGES and f.failed)
    names, logged = names_at_fault(own_findings).values(), logged_reasons(own_findings).values()
    return ImageTroubles((*names, *shown, *logged), reported)


def images_facet(findings: list[Finding], troubles: ImageTroubles, use: RegistryUse) -> Facet:
    """What nodes and the registry show of a registry's images in use; Skipped where nobody asked."""
    if troubles.explained or troubles.reported:
        return _fails(troubles)
    asked = [f for f in findings if f.code == IMAGES]
    if use.acr and use.images and isinstance(use.registry, NotSeen):
        gap = use.registry
        return Facet(Unknown(gap.role or gap.detail), f"look-{gap.why.value}", (), "The registry could not be read.")
    for kind in (Unknown, Pass):
        first = next((f for f in asked if isinstance(f.verdict, kind)), None)
        if first is not None:
            return Facet(first.verdict, first.cause, (first.code,), first.summary)
    if any(f.cause == pw302_images_exist.ImageCause.PODS_NOT_READ for f in asked):
        return _pods_not_read(findings)
    skipped = next((f for f in asked if isinstance(f.verdict, Skipped)), None)
    if skipped is not None:
        return Facet(skipped.verdict, skipped.cause, (), skipped.summary)
    because = "whether the images exist was not asked"
    return Facet(Skipped(because), RowCause.NOT_JUDGED, (), "Whether the images exist was not asked.")


def _pods_not_read(findings: list[Finding]) -> Facet:
    """The pods name the images: why they were not read is why nothing is known of these."""
    first = next(f for f in findings if f.code == FAILURES and f.subject.registry is None)
    return Facet(first.verdict, first.cause, (first.code,), first.summary)


def _fails(troubles: ImageTroubles) -> Facet:
    """What explains a trouble leads; the pods that wait for the same image are told with it."""
    every = (*troubles.explained, *troubles.reported)
    first = every[0]
    key = canonical_image(first.subject.image)
    waiting = [f for f in troubles.reported if f is not first and canonical_image(f.subject.image) == key]
    rest = troubles.count - max(1, len(waiting))
    # Before the sentences, which long names may fill: what holds them is clipped at its end.
    more = (f"{rest + 1} images cannot be pulled. The first:",) if rest > 0 else ()
    return Facet(
        Fail(),
        first.cause,
        tuple(dict.fromkeys(f.code for f in every)),
        " ".join((*more, first.summary, *(f.summary for f in waiting[:1]))),
        fixes_of(every),
    )
