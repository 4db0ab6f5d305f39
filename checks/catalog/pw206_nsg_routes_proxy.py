"""PW206: routes, security groups and proxies on the nodes' way."""

from __future__ import annotations

from checks.catalog.check import Check, Decides
from checks.catalog.paths import ClusterPaths, path_findings
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion

CHECK = Check(
    code="PW206",
    title="What stands between",
    severity=Severity.ERROR,
    why="Security rules, routes and proxies on the way stop the login, or let it through and stop the layers.",
    how=(
        "On the way that is taken: the routes of the nodes' subnet (default routes, their halves, service tags, "
        "the next hop None), the network security groups of the subnet and of the nodes (own and default rules by "
        "priority), and the proxy. The login and the layers (storage or data endpoints) are judged apart. What "
        "certainly closes TCP 443 is a Fail that names the rule; what an appliance, a proxy or a rule of unknown "
        "reach decides is Unknown. The bypass for trusted services does not cover AKS nodes."
    ),
    permissions=("Reader on the virtual network's subscription (network security groups, route tables)",),
    fix="Add a rule or a route that lets TCP 443 through to the registry and its storage.",
    article=("client firewall", "service access"),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-firewall-access-rules",
        "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview",
    ),
    decides=Decides.PATH,
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.BETWEEN, paths)
