"""PW302: images in use still exist, for the platforms of the pools they run on."""

from __future__ import annotations

import msgspec

from checks.catalog.capped import capped
from checks.catalog.check import Check, Step, Vantage
from checks.causes import Cause
from checks.facts import AgentPool, ClusterFacts, ContainerImage, NotSeen, NotSeenReason, RegistryUse, Seen
from checks.facts.pulls import Manifest
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules import images
from checks.rules.azure.node_pools import has_nodes, platform_of, pool_of
from checks.rules.fixes import az_acr
from checks.rules.pull.observed_pulls import WAITING_FOR_IMAGE
from checks.text import listed


class ImageCause(Cause):
    """Causes of PW302."""

    IMAGES_EXIST = "images-exist", "All images in use exist."
    REPOSITORY_ABSENT = "repository-absent", "The registry has no such repository."
    TAG_ABSENT = "tag-absent", "The repository has no such tag."
    DIGEST_ABSENT = "digest-absent", "The repository has no such digest."
    PLATFORM_MISSING = "platform-missing", "The image does not exist for the platform of the nodes that want it."
    QUARANTINED = "quarantined", "The image is in quarantine."
    READ_DISABLED = "read-disabled", "Reading the image is disabled."
    IMAGES_NOT_ASKED = "images-not-asked", "A setting turns the requests for manifests off."
    IMAGES_NOT_CHECKED = "images-not-checked", "Some images could not be checked."
    MORE_IMAGES = "more-images", "More images are in use than one scan asks for."
    NO_IMAGE = "no-image", "No image of the registry is in use."
    PODS_NOT_READ = "pods-not-read", "The pods were not read, so images in use are not known."


CHECK = Check(
    code="PW302",
    title="Images in use exist",
    severity=Severity.ERROR,
    why=(
        "A tag that was deleted, or an image without the node's platform, is noticed only when a pod moves to a node "
        "that has not cached it."
    ),
    how=(
        "The manifest of each image in use is asked for with Pullwatch's own identity (the most used first, bounded "
        "per cluster and run) at the registries that Azure Resource Manager returned: repository, tag, digest, the "
        "platforms of an index against those of the pools its pods are on, quarantine, and whether reading is switched "
        "off. A registry that denies Pullwatch or cannot be reached from where it runs is Unknown, never Fail. An "
        "image's trouble does not fail its registry's row. PULLWATCH_CHECK_IMAGES switches it off."
    ),
    permissions=("AcrPull, or Container Registry Repository Reader in ABAC mode, on the registry",),
    fix="Push the image again, or let the workload name one that exists.",
    article=("image name and tag",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-image-lock",),
    vantage=Vantage.PULLWATCH,
    step=Step.REGISTRY,
    causes=(ImageCause,),
)

MAX_PER_REGISTRY = 30
MAX_NAMED = 3


class _Image(msgspec.Struct, frozen=True):
    """One distinct image of a registry, its containers, and what was seen of it."""

    reference: images.ImageReference
    containers: tuple[ContainerImage, ...]
    seen: Seen[Manifest] | NotSeen


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """Per Azure registry whose images are in use: one finding per image in trouble, and one for the others."""
    if isinstance(facts.workloads, NotSeen):
        subject = Subject(facts.cluster.id)
        return (
            CHECK.skipped(subject, ImageCause.PODS_NOT_READ, "the cluster's pods were not read, which name the images"),
        )
    findings: list[Finding] = []
    for use in facts.uses:
        if use.acr and isinstance(use.registry, Seen):
            findings += _registry(facts, use)
    return tuple(findings)


def _registry(facts: ClusterFacts, use: RegistryUse) -> list[Finding]:
    subject = Subject(facts.cluster.id, registry=use.login_server)
    if not use.images:
        return [CHECK.skipped(subject, ImageCause.NO_IMAGE, f"no image in use comes from {use.login_server}")]
    registry = _images(facts, use)
    if not registry:
        because = f"the images of {use.login_server} were not asked for: PULLWATCH_CHECK_IMAGES is off"
        return [CHECK.skipped(subject, ImageCause.IMAGES_NOT_CHECKED, because)]
    problems, fine = [], []
    for image in registry:
        finding = _judge_image(facts, use, image)
        if finding is not None:
            problems.append(finding)
        elif isinstance(image.seen, Seen):
            fine.append(image)
    what = f"images of {subject.registry} have problems; the first {MAX_PER_REGISTRY} are shown"
    shown = capped(CHECK, problems, MAX_PER_REGISTRY, subject, ImageCause.MORE_IMAGES, what)
    return [*shown, *_gaps(subject, registry), *_fine(facts, subject, fine)]


def _images(facts: ClusterFacts, use: RegistryUse) -> list[_Image]:
    by_text: dict[str, list[ContainerImage]] = {}
    for container in use.images:
        by_text.setdefault(container.image, []).append(container)
    grouped: dict[str, tuple[images.ImageReference, list[ContainerImage]]] = {}
    for text, containers in by_text.items():
        reference = images.parse(text)
        if reference is not None:
            grouped.setdefault(images.canonical(reference), (reference, []))[1].extend(containers)
    return [
        _Image(reference, tuple(containers), facts.manifests[key])
        for key, (reference, containers) in sorted(grouped.items())
        if key in facts.manifests
    ]


def _judge_image(facts: ClusterFacts, use: RegistryUse, image: _Image) -> Finding | None:
    if isinstance(image.seen, NotSeen):
        return None
    manifest = image.seen.value
    if not manifest.present:
        cause, what = _absence(image.reference, manifest)
        return _fails(facts, use, image, cause, f"{what} does not exist in {use.login_server}")
    if (manifest.quarantine or "").lower() in (ImageCause.QUARANTINED, "failed"):
        return _fails(facts, use, image, ImageCause.QUARANTINED, f"it is in quarantine ({manifest.quarantine})")
    if manifest.read_enabled is False:
        return _fails(facts, use, image, ImageCause.READ_DISABLED, "reading it is switched off (readEnabled is false)")
    lacking = _lacking(facts, image, manifest)
    if lacking:
        named = ", ".join(f"{pool.name} ({platform_of(pool)})" for pool in lacking[:MAX_NAMED])
        why = f"it is there for {', '.join(manifest.platforms)}, not for the nodes of {named}"
        return _fails(facts, use, image, ImageCause.PLATFORM_MISSING, why)
    return None


def _absence(reference: images.ImageReference, manifest: Manifest) -> tuple[str, str]:
    if manifest.code == "NAME_UNKNOWN":
        return ImageCause.REPOSITORY_ABSENT, f"the repository {reference.repository}"
    if reference.digest is not None:
        return ImageCause.DIGEST_ABSENT, f"the digest {reference.digest}"
    return ImageCause.TAG_ABSENT, f"the tag {reference.tag}"


def _lacking(facts: ClusterFacts, image: _Image, manifest: Manifest) -> list[AgentPool]:
    """The pools whose nodes cannot run it: those its pods are on, and all of them where a waiting pod has no node.

    A pool of a platform that ARM does not tell lacks nothing; nor does one where no pod of it is, for selectors and
    taints that are not read here may keep them away.
    """
    if not manifest.platforms:
        return []
    running = [pool for pool in facts.cluster.pools if has_nodes(pool)]

    def lacks(pool: AgentPool) -> bool:
        platform = platform_of(pool)
        return platform is not None and platform not in manifest.platforms

    nodes = {container.node for container in image.containers if container.node}
    placed = {
        agent_pool.name: agent_pool for node in nodes if (agent_pool := pool_of(node, facts.cluster.pools)) is not None
    }
    lacking = [pool for name, pool in sorted(placed.items()) if lacks(pool)]
    if lacking:
        return lacking
    unplaced = [c for c in image.containers if not c.node or (c.waiting_reason in WAITING_FOR_IMAGE and not placed)]
    all_lack = bool(unplaced and running) and all(lacks(pool) for pool in running)
    return running if all_lack else []


def _fails(facts: ClusterFacts, use: RegistryUse, image: _Image, cause: str, why: str) -> Finding:
    key = images.canonical(image.reference)
    workloads = sorted({container.workload for container in image.containers})
    evidence: tuple[Evidence, ...] = (image.seen.evidence,) if isinstance(image.seen, Seen) else ()
    return CHECK.fails(
        Subject(facts.cluster.id, registry=use.login_server, image=key, workload=workloads[0]),
        cause,
        f"{key} cannot be pulled anew by {listed(workloads, MAX_NAMED)}: {why}.",
        evidence,
        fix=_fix(use, image.reference, cause),
    )


def _fix(use: RegistryUse, reference: images.ImageReference, cause: str) -> tuple[str, ...]:
    assert isinstance(use.registry, Seen)
    registry = use.registry.value
    description = images.canonical(reference).removeprefix(f"{reference.host}/")
    if cause == ImageCause.REPOSITORY_ABSENT:
        return (az_acr.list_repositories(registry),)
    if cause == ImageCause.READ_DISABLED:
        return (az_acr.enable_reading(registry, description),)
    if cause in (ImageCause.QUARANTINED, ImageCause.PLATFORM_MISSING):
        return (az_acr.show_manifest(registry, description),)
    return (az_acr.list_newest_tags(registry, reference.repository),)


def _gaps(subject: Subject, items: list[_Image]) -> list[Finding]:
    """What could not be asked: one finding per reason. Pullwatch's own way decides nothing about the nodes'."""
    gaps: dict[str, tuple[NotSeen, int]] = {}
    for image in items:
        if isinstance(image.seen, NotSeen):
            gap, count = gaps.get(image.seen.why.value, (image.seen, 0))
            gaps[image.seen.why.value] = (gap, count + 1)
    findings = []
    for why, (gap, count) in sorted(gaps.items()):
        description = f"{count} of the images in use of {subject.registry} were not read: {gap.detail}"
        if gap.why in (NotSeenReason.OFF, NotSeenReason.NOT_APPLICABLE):
            findings.append(CHECK.skipped(subject, ImageCause.IMAGES_NOT_ASKED, description))
        else:
            findings.append(
                CHECK.unknown(subject, f"look-{why}", description, missing=gap.role or gap.detail, fix=gap.fix)
            )
    return findings


def _fine(facts: ClusterFacts, subject: Subject, fine: list[_Image]) -> list[Finding]:
    if not fine:
        return []
    known = [image for image in fine if isinstance(image.seen, Seen) and image.seen.value.platforms]
    platforms = {platform_of(pool) for pool in facts.cluster.pools if has_nodes(pool)} - {None}
    description = f"{len(known)} of them show their platforms" if platforms else "the pools' platforms are not shown"
    one = len(fine) == 1
    summary = (
        f"{len(fine)} image{'' if one else 's'} in use of {subject.registry} exist{'s' if one else ''}; {description}."
    )
    first = fine[0].seen
    return [
        CHECK.passes(subject, ImageCause.IMAGES_EXIST, summary, (first.evidence,) if isinstance(first, Seen) else ())
    ]
