"""PW202: the addresses that nodes leave with, against a registry's public access and IP rules."""

from __future__ import annotations

from checks.catalog.check import Check, Decides
from checks.catalog.paths import ClusterPaths, path_findings
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion

CHECK = Check(
    code="PW202",
    title="Egress addresses and IP rules",
    severity=Severity.ERROR,
    why="A registry that restricts its public endpoint answers 403 to addresses that no rule allows.",
    how=(
        "Per node pool, in Azure's order: the subnet's routes, its NAT gateway, the nodes' own public addresses, "
        "the load balancer's outbound addresses. They are compared with publicNetworkAccess, defaultAction and the "
        "IP rules: all in, some in (intermittent 403), none in. Only IPv4 counts. Addresses behind a proxy, a "
        "route to an appliance or a basic load balancer are not to be seen: Unknown. Skipped where the nodes' "
        "names lead to a private endpoint."
    ),
    permissions=("Reader on the subscriptions of the cluster, of its virtual network and of its public addresses",),
    fix="Allow the addresses with `az acr network-rule add`, or bring a private endpoint into reach.",
    article=("client firewall", "public access"),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-access-selected-networks",
        "https://learn.microsoft.com/azure/nat-gateway/nat-overview",
    ),
    decides=Decides.PATH,
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.ADDRESSES, paths)
