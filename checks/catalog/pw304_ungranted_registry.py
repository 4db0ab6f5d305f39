"""PW304: images that come from a registry by another way than the nodes' identity, or by none."""

from __future__ import annotations

from checks.catalog.base import Check
from checks.facts import ClusterFacts, NotSeen, RegistryUse
from checks.verdicts import Finding, Severity, Subject

CHECK = Check(
    code="PW304",
    title="Registries that nothing grants",
    severity=Severity.ERROR,
    why="An image is pulled by the nodes' identity, by a pull secret or anonymously; one of the three has to hold.",
    how=(
        "Anonymous pull of an Azure registry grants every image in it. Where all pods that use a registry bring an "
        "imagePullSecret, the secret is what counts; whether it holds is not read here."
    ),
    permissions=("Reader on the registry", "Azure Kubernetes Service RBAC Reader on the cluster"),
    fix="Assign a pull role on the registry, or give the pods a pull secret.",
    article=("registry name",),
    links=("https://learn.microsoft.com/azure/container-registry/anonymous-pull-access",),
)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per Azure registry that offers, or may offer, a way beside the nodes' identity."""
    return tuple(finding for use in facts.uses if use.acr for finding in _one(facts, use))


def _one(facts: ClusterFacts, use: RegistryUse) -> tuple[Finding, ...]:
    subject = Subject(facts.cluster.id, registry=use.login_server)
    if isinstance(use.registry, NotSeen):
        return ()
    registry = use.registry.value
    if registry.anonymous_pull:
        summary = f"{registry.name} allows anonymous pull: no credential is needed."
        return (CHECK.passes(subject, "anonymous-pull", summary, (use.registry.evidence,)),)
    if use.images and all(image.pull_secrets for image in use.images):
        summary = f"Every pod that uses {registry.name} brings an imagePullSecret; whether it holds was not read."
        return (CHECK.unknown(subject, "pull-secrets-not-read", summary, missing="the pull secrets"),)
    return ()
