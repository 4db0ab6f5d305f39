"""The actions that Pullwatch reads Azure Resource Manager by, and which of them its roles lack. Pure.

They are those of the custom role in infra/scan-roles.json, where a sentence says what for. Reader has all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checks.facts import Permission
from checks.rules import wildcards

# Each with the checks that rest on it alone; "": all do, or only the number of calls does.
READER_ACTIONS = {
    "Microsoft.Authorization/denyAssignments/read": "PW102",
    "Microsoft.Authorization/roleAssignments/read": "PW102 PW103",
    "Microsoft.Authorization/roleDefinitions/read": "PW102 PW103",
    "Microsoft.Compute/virtualMachines/read": "PW101",
    "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read": "PW202",
    "Microsoft.Compute/virtualMachineScaleSets/read": "PW101 PW202",
    "Microsoft.ContainerRegistry/registries/cacheRules/read": "PW403 PW501",
    "Microsoft.ContainerRegistry/registries/credentialSets/read": "PW403",
    "Microsoft.ContainerRegistry/registries/listUsages/read": "PW402",
    "Microsoft.ContainerRegistry/registries/read": "",
    "Microsoft.ContainerRegistry/registries/replications/read": "PW401",
    "Microsoft.ContainerService/managedClusters/identityBindings/read": "PW102",
    "Microsoft.ContainerService/managedClusters/read": "",
    "Microsoft.Insights/diagnosticSettings/read": "PW308",
    "Microsoft.Insights/metrics/read": "PW307",
    "Microsoft.KeyVault/deletedVaults/read": "PW108",
    "Microsoft.KeyVault/vaults/keys/read": "PW108",
    "Microsoft.KeyVault/vaults/keys/versions/read": "PW108",
    "Microsoft.KeyVault/vaults/read": "PW108",
    "Microsoft.ManagedIdentity/userAssignedIdentities/read": "PW101 PW108",
    "Microsoft.Network/azureFirewalls/read": "PW204",
    "Microsoft.Network/dnsForwardingRulesets/forwardingRules/read": "PW204",
    "Microsoft.Network/dnsForwardingRulesets/read": "PW204",
    "Microsoft.Network/dnsForwardingRulesets/virtualNetworkLinks/read": "PW204",
    "Microsoft.Network/dnsResolvers/inboundEndpoints/read": "PW204",
    "Microsoft.Network/dnsResolvers/read": "PW204",
    "Microsoft.Network/firewallPolicies/read": "PW204",
    "Microsoft.Network/natGateways/read": "PW202",
    "Microsoft.Network/networkInterfaces/read": "PW203 PW204",
    "Microsoft.Network/networkManagerConnections/read": "PW203",
    "Microsoft.Network/networkManagers/connectivityConfigurations/read": "PW203",
    "Microsoft.Network/networkManagers/read": "PW203",
    "Microsoft.Network/networkSecurityGroups/read": "PW206",
    "Microsoft.Network/networkSecurityGroups/securityRules/read": "PW206",
    "Microsoft.Network/privateDnsZones/A/read": "PW204",
    "Microsoft.Network/privateDnsZones/CNAME/read": "PW204",
    "Microsoft.Network/privateDnsZones/read": "PW204",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks/read": "PW204",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/read": "PW204",
    "Microsoft.Network/privateEndpoints/read": "PW203",
    "Microsoft.Network/publicIPAddresses/read": "PW202",
    "Microsoft.Network/publicIPPrefixes/read": "PW202",
    "Microsoft.Network/routeTables/read": "PW202 PW206",
    "Microsoft.Network/routeTables/routes/read": "PW202 PW206",
    "Microsoft.Network/virtualHubs/hubRouteTables/read": "PW202 PW206",
    "Microsoft.Network/virtualHubs/hubVirtualNetworkConnections/read": "PW202 PW203 PW206",
    "Microsoft.Network/virtualHubs/read": "PW202 PW203 PW206",
    "Microsoft.Network/virtualHubs/routingIntent/read": "PW202 PW203 PW206",
    "Microsoft.Network/virtualNetworks/read": "PW202 PW203 PW204 PW205 PW206",
    "Microsoft.Network/virtualNetworks/subnets/read": "PW202 PW203 PW204 PW205 PW206",
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/read": "PW202 PW203 PW204 PW205 PW206",
    "Microsoft.OperationalInsights/workspaces/query/ContainerRegistryLoginEvents/read": "PW308",
    "Microsoft.OperationalInsights/workspaces/query/ContainerRegistryRepositoryEvents/read": "PW308",
    "Microsoft.OperationalInsights/workspaces/query/read": "PW308",
    "Microsoft.OperationalInsights/workspaces/read": "PW308",
    "Microsoft.ResourceGraph/resources/read": "PW108",
    "Microsoft.Resources/subscriptions/read": "",
    "Microsoft.Resources/subscriptions/resources/read": "",
}


def lacking(roles: Iterable[Permission]) -> tuple[str, ...]:
    """The actions that none of these roles certainly allows, in order."""
    held = tuple(roles)
    return tuple(
        action
        for action in READER_ACTIONS
        if not any(wildcards.leaves(role.actions, role.not_actions, action) for role in held)
    )


def checks_of(actions: Sequence[str]) -> tuple[str, ...]:
    """The codes of the checks that rest on these actions; () where all do, or none."""
    return tuple(sorted({code for action in actions for code in READER_ACTIONS.get(action, "").split()}))
