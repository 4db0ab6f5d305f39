"""PW205: service endpoints on the nodes' subnets and the registry's virtual network rules."""

from __future__ import annotations

from checks.catalog.check import Check, Decides
from checks.catalog.paths import ClusterPaths, path_findings
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion

CHECK = Check(
    code="PW205",
    title="Service endpoints and virtual network rules",
    severity=Severity.ERROR,
    why=(
        "With the service endpoint Microsoft.ContainerRegistry on a subnet its traffic has a private source "
        "address: IP rules no longer apply to it."
    ),
    how=(
        "For each pool whose subnet has the service endpoint, a registry that restricts networks has to name the "
        "subnet in virtualNetworkRules. They are read with an api-version that shows them (2026-09-01-preview, "
        "else 2021-08-01-preview); the versions between hide them. Skipped where the registry is open to all, or "
        "the subnet has no service endpoint."
    ),
    permissions=("Reader on the registry's subscription and on the virtual network's",),
    fix="Add a virtual network rule for the subnet, or take the service endpoint off it.",
    article=("VNet access",),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-vnet",
        "https://learn.microsoft.com/azure/virtual-network/virtual-network-service-endpoints-overview",
    ),
    decides=Decides.PATH,
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.SUBNETS, paths)
