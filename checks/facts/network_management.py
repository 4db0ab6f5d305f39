"""What Azure Virtual Network Manager does to networks: connected groups and security admin rules.

Networks of a connected group talk as if they were peered, and no peering is listed on them. Security admin rules are
evaluated before network security groups. Both are read per network, as what is in effect there. Ids are in lower case.
Source: learn.microsoft.com/azure/virtual-network-manager (connectivity configurations, security admin rules).
"""

from __future__ import annotations

import msgspec

from checks.facts.observation import NotSeen, Seen
from checks.facts.security_rules import SecurityRule

# POST lists of a virtual network, which Reader does not allow: it holds reads only.
CONNECTIVITY_ACTION = "Microsoft.Network/virtualNetworks/listNetworkManagerEffectiveConnectivityConfigurations/action"
ADMIN_RULES_ACTION = "Microsoft.Network/virtualNetworks/listNetworkManagerEffectiveSecurityAdminRules/action"


class GroupItem(msgspec.Struct, frozen=True):
    """A network group that a configuration applies to. ``direct``: ``groupConnectivity`` is DirectlyConnected;
    ``everywhere``: ``isGlobal``, None where it is not shown."""

    id: str
    direct: bool
    everywhere: bool | None = None


class ConnectivityConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """A connectivity configuration in effect on a network. ``members`` are the groups through which it holds there.

    ``settled`` False: it, or one of these groups, is being changed or failed to be.
    """

    id: str
    mesh: bool = False
    everywhere: bool | None = None
    groups: tuple[GroupItem, ...] = ()
    members: tuple[str, ...] = ()
    settled: bool = True


class AdminRule(msgspec.Struct, frozen=True):
    """A security admin rule, the id of its network manager, and the name of its rule collection."""

    rule: SecurityRule
    manager: str
    collection: str


class AdminRules(msgspec.Struct, frozen=True):
    """The security admin rules in effect on a network. ``unreadable`` counts those that could not be understood."""

    rules: tuple[AdminRule, ...] = ()
    unreadable: int = 0


class NetworkManagement(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of network managers' work, by the network's id; what nothing asked for is absent.

    ``connections`` are the network managers of other tenants that a subscription (guid) was given to, by their ids.
    """

    connectivity: dict[str, Seen[tuple[ConnectivityConfiguration, ...]] | NotSeen] = {}
    admin_rules: dict[str, Seen[AdminRules] | NotSeen] = {}
    connections: dict[str, Seen[tuple[str, ...]] | NotSeen] = {}
