"""PW104: whether a registry takes the tokens that the nodes' credential provider asks for."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import AgentPool, ClusterFacts, NotSeen, Registry, subscription_of
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.access import identity_access
from checks.rules.azure import node_images
from checks.rules.azure.node_pools import has_nodes
from checks.rules.fixes import az_acr, az_aks
from checks.text import listed


class TokenCause(Cause):
    """Causes of PW104."""

    ARM_TOKENS_ACCEPTED = "arm-tokens-accepted", "The registry accepts tokens for Azure Resource Manager."
    ARM_TOKENS_REFUSED = (
        "arm-tokens-refused",
        "The registry refuses tokens for Azure Resource Manager, which the node images ask for.",
    )
    NODE_IMAGES_CURRENT = (
        "node-images-current",
        "The registry refuses tokens for Azure Resource Manager, but all node images ask for tokens of its own.",
    )
    NODE_IMAGE_UNCLEAR = "node-image-unclear", "The age of a node image, on which the answer depends, is not shown."
    NO_NODES = "no-nodes", "The cluster has no node pools."
    POLICY_UNKNOWN = "policy-unknown", "The registry does not show its policy for tokens of Azure Resource Manager."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."
    SERVICE_PRINCIPAL = "service-principal", "The cluster pulls with a service principal, which signs in otherwise."


CHECK = Check(
    code="PW104",
    title="Authentication as ARM",
    severity=Severity.ERROR,
    why="A registry that refuses tokens for Azure Resource Manager refuses nodes that ask for no other.",
    how=(
        "With azureADAuthenticationAsArmPolicy disabled a registry takes only tokens for "
        "https://containerregistry.azure.net. The credential provider of node images asks for these since about April "
        "2025 (cloud-provider-azure, March 2025): pools with older images fail, with newer ones pass; images of April "
        "2025 itself and dates that cannot be read are Unknown. Pools without nodes do not count."
    ),
    permissions=("Reader on the registry and the cluster",),
    fix="Upgrade the node image, or let the registry take tokens for Azure Resource Manager again.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-disable-authentication-as-arm",),
    decides=Decides.ACCESS,
    step=Step.REGISTRY,
    causes=(TokenCause,),
)

LAST_WITHOUT = (2025, 3)
FIRST_WITH = (2025, 5)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that could be read."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    if isinstance(use.registry, NotSeen):
        return CHECK.skipped(subject, TokenCause.REGISTRY_NOT_SEEN, "the registry could not be read")
    registry, evidence = use.registry.value, (use.registry.evidence,)
    policy = (registry.authentication_as_arm or "enabled").lower()
    if policy == "enabled":
        sentence = "" if registry.authentication_as_arm else " (ARM shows no policy, and that is the default)"
        summary = f"{registry.name} takes tokens for Azure Resource Manager{sentence}: every node image may sign in."
        return CHECK.passes(subject, TokenCause.ARM_TOKENS_ACCEPTED, summary, evidence)
    if policy != "disabled":
        what = f"azureADAuthenticationAsArmPolicy {registry.authentication_as_arm!r} is not known"
        return CHECK.unknown(subject, TokenCause.POLICY_UNKNOWN, f"Not settled: {what}.", evidence, missing=what)
    if identity_access.is_service_principal(facts.cluster):
        summary = f"{registry.name} takes no tokens for Azure Resource Manager; nodes sign in with a client secret."
        return CHECK.unknown(
            subject,
            TokenCause.SERVICE_PRINCIPAL,
            summary,
            evidence,
            missing="whether the registry takes a service principal's secret in this mode",
        )
    return _by_images(facts, registry, subject, evidence)


def _by_images(facts: ClusterFacts, registry: Registry, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    cluster = facts.cluster
    pools = [pool for pool in cluster.pools if has_nodes(pool)]
    if not pools:
        return CHECK.skipped(subject, TokenCause.NO_NODES, "the cluster has no nodes now")
    evidence += (cluster.evidence,) if cluster.evidence else ()
    months = {pool.name: node_images.month_of(pool.node_image_version) for pool in pools}
    old = [pool for pool in pools if (month := months[pool.name]) is not None and month <= LAST_WITHOUT]
    if old:
        return CHECK.fails(
            subject,
            TokenCause.ARM_TOKENS_REFUSED,
            f"{registry.name} takes no tokens for Azure Resource Manager, and the nodes of {_named(old)} ask for no "
            "other: their images are older than April 2025.",
            evidence,
            fix=(
                *(az_aks.upgrade_node_image(cluster, pool.name) for pool in old[:10]),
                az_acr.enable_arm_tokens(registry.name, subscription_of(registry.id)),
            ),
        )
    unclear = [pool for pool in pools if (month := months[pool.name]) is None or month < FIRST_WITH]
    if unclear:
        what = f"whether the node images of {_named(unclear)} ask for a registry's own tokens"
        summary = f"{registry.name} takes no tokens for Azure Resource Manager. Not settled: {what}."
        return CHECK.unknown(subject, TokenCause.NODE_IMAGE_UNCLEAR, summary, evidence, missing=what)
    summary = f"{registry.name} takes no tokens for Azure Resource Manager; all nodes ask for a registry's own."
    return CHECK.passes(subject, TokenCause.NODE_IMAGES_CURRENT, summary, evidence)


def _named(pools: list[AgentPool]) -> str:
    return listed([f"{p.name} ({p.node_image_version or 'no image version shown'})" for p in pools], 10)
