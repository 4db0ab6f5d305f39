"""PW206: routes, network security groups and proxies on the network path."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.paths import ClusterPaths, path_findings
from checks.causes import Cause
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion


class FilterCause(Cause):
    """Causes of PW206."""

    OPEN = "open", "No network security group, route or proxy is known to stop the login or the layers."
    NSG_CLOSES_LOGIN = "nsg-closes-login", "A network security group denies the traffic to the login server."
    NSG_CLOSES_LAYERS = "nsg-closes-layers", "A network security group denies the traffic to where layers come from."
    NSG_CLOSES_SIGN_IN = "nsg-closes-sign-in", "A network security group denies the traffic to Microsoft Entra ID."
    NSG_UNCLEAR_LOGIN = "nsg-unclear-login", "Whether a network security group allows the login is not known."
    NSG_UNCLEAR_LAYERS = "nsg-unclear-layers", "Whether a network security group allows the layers is not known."
    NSG_UNCLEAR_SIGN_IN = "nsg-unclear-sign-in", "Whether a network security group allows the sign-in is not known."
    ROUTE_DROPS_LOGIN = "route-drops-login", "A route drops the traffic to the login server."
    ROUTE_DROPS_LAYERS = "route-drops-layers", "A route drops the traffic to where layers come from."
    ROUTE_DIVERTS_LOGIN = "route-diverts-login", "A route sends the login to an appliance, which decides."
    ROUTE_DIVERTS_LAYERS = "route-diverts-layers", "A route sends the layers to an appliance, which decides."
    NO_EGRESS_LOGIN = "no-egress-login", "The node network has no outbound access to the login server."
    NO_EGRESS_LAYERS = "no-egress-layers", "The node network has no outbound access to where layers come from."
    EGRESS_UNCLEAR_LOGIN = (
        "egress-unclear-login",
        "Whether the node network has outbound access to the login server is not known.",
    )
    EGRESS_UNCLEAR_LAYERS = (
        "egress-unclear-layers",
        "Whether the node network has outbound access to where layers come from is not known.",
    )
    ROUTES_UNREADABLE_LOGIN = "routes-unreadable-login", "Some routes towards the login server could not be read."
    ROUTES_UNREADABLE_LAYERS = "routes-unreadable-layers", "Some routes towards the layers could not be read."
    ADMIN_RULES_LOGIN = "admin-rules-login", "A network manager's security admin rules may decide for the login server."
    ADMIN_RULES_LAYERS = "admin-rules-layers", "A network manager's security admin rules may decide for the layers."
    ADMIN_RULES_SIGN_IN = "admin-rules-sign-in", "A network manager's security admin rules may decide for the sign-in."
    ADMIN_RULE_DENIES_LOGIN = (
        "admin-rule-denies-login",
        "A network manager's security admin rule denies the traffic to the login server.",
    )
    ADMIN_RULE_DENIES_LAYERS = (
        "admin-rule-denies-layers",
        "A network manager's security admin rule denies the traffic to where layers come from.",
    )
    ADMIN_RULE_DENIES_SIGN_IN = (
        "admin-rule-denies-sign-in",
        "A network manager's security admin rule denies the traffic to Microsoft Entra ID.",
    )
    ADMIN_RULE_UNCLEAR_LOGIN = (
        "admin-rule-unclear-login",
        "Whether a security admin rule applies to the login is not known.",
    )
    ADMIN_RULE_UNCLEAR_LAYERS = (
        "admin-rule-unclear-layers",
        "Whether a security admin rule applies to the layers is not known.",
    )
    ADMIN_RULE_UNCLEAR_SIGN_IN = (
        "admin-rule-unclear-sign-in",
        "Whether a security admin rule applies to the sign-in is not known.",
    )
    HUB_DECIDES_LOGIN = "hub-decides-login", "A virtual hub may send the login to a firewall, which decides."
    HUB_DECIDES_LAYERS = "hub-decides-layers", "A virtual hub may send the layers to a firewall, which decides."
    HUB_DECIDES_SIGN_IN = "hub-decides-sign-in", "A virtual hub may send the sign-in to a firewall, which decides."
    PROXY_DECIDES = "proxy-decides", "The cluster's proxy decides."
    PUBLIC_ACCESS_DISABLED = "public-access-disabled", "Public network access of the registry is disabled."
    PUBLIC_CLOSED = "public-closed", "The public path is closed, and DNS may resolve to the private endpoint."
    NO_NAME = "no-name", "The login server's name does not exist for the nodes."
    NO_PATH = "no-way", "No path is taken that could be filtered."
    CLOSED = "closed", "Public access is disabled and no private endpoint is approved."
    NO_POOLS = "no-pools", "Azure Resource Manager shows no node pool of the cluster."
    POOL_WITHOUT_NODES = "pool-without-nodes", "The node pool has no nodes now."
    NOT_JUDGED = "not-judged", "Azure shows no more of the path to this registry than the nodes' own side."
    CLUSTER_DELETING = "cluster-deleting", "The cluster is being deleted."


CHECK = Check(
    code="PW206",
    title="Network security groups, routes and proxy",
    severity=Severity.ERROR,
    why="Security rules, routes and proxies on the path stop the login, or allow it and stop the layers.",
    how=(
        "On the path that is taken: the routes of the nodes' subnet (default routes, their halves, service tags, "
        "the next hop None), the security admin rules of network managers, the network security groups of the subnet "
        "and of the nodes (own and default rules by priority), the default route of a virtual hub, and the proxy. The "
        "login and the layers (storage or data endpoints) are judged apart. What certainly closes TCP 443 is a Fail "
        "that names the rule; what an appliance, a firewall in a hub, a proxy or a rule of unknown reach decides is "
        "Unknown (of a registry on the internet: not judged). The bypass for trusted services does not cover AKS nodes."
    ),
    permissions=(
        "Reader on the virtual network's subscription (network security groups, route tables)",
        "where a network manager has security admin rules: Microsoft.Network/virtualNetworks/"
        "listNetworkManagerEffectiveSecurityAdminRules/action on the nodes' network",
        "where the nodes' network is attached to a virtual hub: Reader on the hub's subscription",
    ),
    fix="Add a rule or a route that lets TCP 443 through to the registry and its storage.",
    article=("client firewall", "service access"),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-firewall-access-rules",
        "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview",
        "https://learn.microsoft.com/azure/virtual-network-manager/concept-security-admins",
    ),
    decides=Decides.PATH,
    step=Step.NETWORK,
    causes=(FilterCause,),
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.BETWEEN, paths)
