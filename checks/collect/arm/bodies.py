"""ARM bodies into facts. A body may lack anything or carry wrong types: what cannot be read is None, never a guess.

Shapes: azure-mgmt-containerservice 41.8.0 (api 2026-08-01), azure-mgmt-containerregistry 15.0.0 (api 2025-11-01),
Microsoft.Authorization 2022-04-01 and, for deny assignments, 2024-07-01-preview.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from checks import facts
from checks.arm_ids import name_of as resource_name
from checks.facts import outbound
from checks.facts.encryption import AssignedIdentity, Encryption, ResourceIdentity
from checks.findings import Evidence
from checks.rules.access.rbac import role_guid
from checks.text import redacted, redacted_start

MAX_TEXT = 4096
MAX_STATED = 20_000
SHORT = 40  # of words that repeat: states, sizes, versions, GUIDs
MAX_ITEMS = 10_000


GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def get(body: Any, *path: str) -> Any:
    """What lies at a path of keys, or None where the path breaks off."""
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    return body


def text(body: Any, *path: str) -> str | None:
    """A bounded, non-empty text at a path, or None. An estate has the same few words thousands of times: each once."""
    value = get(body, *path)
    if not isinstance(value, str) or not value:
        return None
    return sys.intern(value) if len(value) <= SHORT else value[:MAX_TEXT]


def raw_text(body: Any, *path: str) -> str | None:
    """A text whose absence says something too: None only where nothing (or null) is there, never for a wrong type."""
    value = get(body, *path)
    if value is None or value == "":
        return None
    return value[:MAX_STATED] if isinstance(value, str) else f"unreadable ({type(value).__name__})"


def said(body: Any, *path: str) -> str | None:
    """A text that people are shown as it stands, or None: bounded, and without secrets."""
    value = get(body, *path)
    return redacted_start(value, MAX_TEXT) if isinstance(value, str) and value else None


def boolean(body: Any, *path: str) -> bool | None:
    """A boolean at a path, or None."""
    value = get(body, *path)
    return value if isinstance(value, bool) else None


def number(body: Any, *path: str) -> int | None:
    """A whole number at a path, or None."""
    value = get(body, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def objects(body: Any, *path: str) -> list[dict[str, Any]]:
    """The objects in a list at a path; anything else in it is passed over."""
    value = get(body, *path)
    return [item for item in value[:MAX_ITEMS] if isinstance(item, dict)] if isinstance(value, list) else []


def strings(body: Any, *path: str) -> tuple[str, ...]:
    """The texts in a list at a path."""
    value = get(body, *path)
    return tuple(w[:MAX_TEXT] for w in value[:MAX_ITEMS] if isinstance(w, str)) if isinstance(value, list) else ()


def name_of(body: Any) -> str | None:
    """A resource's name: its own, or the last segment of its id."""
    resource_id = text(body, "id")
    return text(body, "name") or (resource_name(resource_id) if resource_id else None)


def subscription(body: Any) -> facts.Subscription | None:
    """A subscription of ``GET /subscriptions``."""
    guid = text(body, "subscriptionId") or (text(body, "id") or "").removeprefix("/subscriptions/")
    if not guid:
        return None
    return facts.Subscription(
        guid.lower(), text(body, "displayName") or "", text(body, "tenantId"), text(body, "state")
    )


def cluster(body: Any, evidence: Evidence) -> facts.Cluster | None:
    """A managed cluster, or None where the body does not even say which it is."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name or not facts.subscription_of(resource_id):
        return None
    client_id = text(body, "properties", "servicePrincipalProfile", "clientId")
    tags = get(body, "tags")
    return facts.Cluster(
        id=resource_id,
        name=name,
        location=text(body, "location"),
        provisioning_state=text(body, "properties", "provisioningState"),
        power_state=text(body, "properties", "powerState", "code"),
        has_identity=(text(body, "identity", "type") or "None").lower() != "none",
        api_hosts=tuple(
            host.lower() for name in ("fqdn", "privateFQDN") if (host := text(body, "properties", name)) is not None
        ),
        user_assigned="userassigned" in (text(body, "identity", "type") or "").lower(),
        tenant_id=text(body, "identity", "tenantId"),
        kubelet=_kubelet(get(body, "properties", "identityProfile", "kubeletidentity")),
        service_principal_client_id=None if (client_id or "msi").lower() == "msi" else client_id,
        node_resource_group=text(body, "properties", "nodeResourceGroup"),
        entra=isinstance(get(body, "properties", "aadProfile"), dict),
        azure_rbac=bool(boolean(body, "properties", "aadProfile", "enableAzureRBAC")),
        private=bool(boolean(body, "properties", "apiServerAccessProfile", "enablePrivateCluster")),
        run_command_disabled=bool(boolean(body, "properties", "apiServerAccessProfile", "disableRunCommand")),
        outbound=_cluster_outbound(get(body, "properties")),
        artifact_source=text(body, "properties", "bootstrapProfile", "artifactSource"),
        node_provisioning=(text(body, "properties", "nodeProvisioningProfile", "mode") or "").lower() == "auto",
        bootstrap_registry_id=text(body, "properties", "bootstrapProfile", "containerRegistryId"),
        pools=tuple(pool for p in objects(body, "properties", "agentPoolProfiles") if (pool := _pool(p))),
        tags={k: v[:MAX_TEXT] for k, v in tags.items() if isinstance(v, str)} if isinstance(tags, dict) else {},
        evidence=evidence,
    )


def _kubelet(body: Any) -> facts.KubeletIdentity | None:
    if not isinstance(body, dict):
        return None
    return facts.KubeletIdentity(text(body, "resourceId"), text(body, "clientId"), text(body, "objectId"))


def _pool(body: Any) -> facts.AgentPool | None:
    name = text(body, "name")
    if not name:
        return None
    return facts.AgentPool(
        name=name,
        mode=text(body, "mode"),
        type=text(body, "type"),
        os_type=text(body, "osType"),
        vm_size=text(body, "vmSize"),
        count=number(body, "count"),
        max_pods=number(body, "maxPods"),
        power_state=text(body, "powerState", "code"),
        node_image_version=text(body, "nodeImageVersion"),
        os_disk_type=text(body, "osDiskType"),
        os_disk_size_gb=number(body, "osDiskSizeGB"),
        vnet_subnet_id=text(body, "vnetSubnetID"),
        pod_subnet_id=text(body, "podSubnetID"),
        outbound=outbound.PoolOutbound(
            enable_node_public_ip=bool(boolean(body, "enableNodePublicIP")),
            node_public_ip_prefix_id=text(body, "nodePublicIPPrefixID"),
        ),
        core_dns_zones=_core_dns_zones(get(body, "localDNSProfile")),
    )


def _core_dns_zones(profile: Any) -> tuple[str, ...]:
    """The domains for which a node's LocalDNS asks CoreDNS. Its ``mode`` is a wish: what counts is ``state``.

    Source: learn.microsoft.com/azure/aks/localdns-custom.
    """
    overrides = get(profile, "vnetDNSOverrides")
    if (text(profile, "state") or "").lower() != "enabled" or not isinstance(overrides, dict):
        return ()
    to = ((zone, text(override, "forwardDestination") or "") for zone, override in list(overrides.items())[:MAX_ITEMS])
    return tuple(zone[:MAX_TEXT].lower().rstrip(".") for zone, given in to if given.lower() == "clustercoredns")


def registry(body: Any, evidence: Evidence) -> facts.Registry | None:
    """A container registry, or None where the body says neither which it is nor its login server."""
    resource_id, name, login = text(body, "id"), name_of(body), text(body, "properties", "loginServer")
    if not resource_id or not name or not login or not facts.subscription_of(resource_id):
        return None
    return facts.Registry(
        id=resource_id,
        name=name,
        login_server=login.lower(),
        regional_endpoints=text(body, "properties", "regionalEndpoints"),
        location=text(body, "location"),
        sku=text(body, "sku", "name"),
        provisioning_state=text(body, "properties", "provisioningState"),
        role_assignment_mode=_stated(body, "properties", "roleAssignmentMode"),
        anonymous_pull=boolean(body, "properties", "anonymousPullEnabled"),
        admin_user_enabled=boolean(body, "properties", "adminUserEnabled"),
        authentication_as_arm=_stated(body, "properties", "policies", "azureADAuthenticationAsArmPolicy", "status"),
        network_access=_network_access(get(body, "properties")),
        encryption=_encryption(get(body, "properties", "encryption")),
        identity=_resource_identity(get(body, "identity")),
        evidence=evidence,
    )


def _encryption(body: Any) -> Encryption | None:
    """Encryption with a customer-managed key; None where the body says that there is none, or nothing of it."""
    status, key = get(body, "status"), get(body, "keyVaultProperties")
    nothing = body is None or (isinstance(body, dict) and status is None and key is None)
    if nothing or (isinstance(status, str) and status.lower() == "disabled"):
        return None
    identity = get(body, "keyVaultProperties", "identity")
    return Encryption(
        key=said(body, "keyVaultProperties", "keyIdentifier"),
        versioned_key=said(body, "keyVaultProperties", "versionedKeyIdentifier"),
        identity="" if identity in (None, "") else said(body, "keyVaultProperties", "identity"),
    )


def _resource_identity(body: Any) -> ResourceIdentity | None:
    """The identities of a resource; None where one of them was not understood, so that none is missed."""
    assigned = get(body, "userAssignedIdentities")
    if not isinstance(body, dict | None) or not isinstance(assigned, dict | None):
        return None
    carried = list((assigned or {}).items())
    if len(carried) > MAX_ITEMS or not all(isinstance(item, dict | None) for _, item in carried):
        return None
    of_system = "systemassigned" in (text(body, "type") or "").lower().replace(" ", "")
    return ResourceIdentity(
        system_principal=text(body, "principalId") if of_system else None,
        assigned=tuple(
            AssignedIdentity(
                id=str(key)[:MAX_TEXT], principal_id=text(item, "principalId"), client_id=text(item, "clientId")
            )
            for key, item in carried
        ),
    )


def role_assignment(body: Any) -> facts.RoleAssignment | None:
    """A role assignment; one without scope, principal or role says nothing and is None."""
    scope, principal = text(body, "properties", "scope"), text(body, "properties", "principalId")
    role = text(body, "properties", "roleDefinitionId")
    if not scope or not principal or not role:
        return None
    return facts.RoleAssignment(
        id=text(body, "id") or "",
        scope=scope,
        principal_id=principal,
        role_definition_id=role,
        principal_type=text(body, "properties", "principalType"),
        condition=raw_text(body, "properties", "condition"),
        condition_version=raw_text(body, "properties", "conditionVersion"),
    )


def role_definition(body: Any) -> facts.RoleDefinition | None:
    """A role definition with its raw permissions: the SDK's model would drop their conditions.

    The documentation and the CLI show a role without its ``properties`` envelope: taken likewise. None where its
    permissions cannot be read whole: half of a role would grant what its other half takes away.
    """
    key = text(body, "id") or text(body, "name")
    body = body if isinstance(get(body, "properties"), dict) else {"properties": body}
    permissions = _permissions(body)
    if not key or permissions is None:
        return None
    name = text(body, "properties", "roleName") or role_guid(key)
    return facts.RoleDefinition(role_guid(key), name, permissions)


def _permissions(body: Any) -> tuple[facts.Permission, ...] | None:
    permissions = get(body, "properties", "permissions")
    if not isinstance(permissions, list) or not all(_is_permission(item) for item in permissions):
        return None
    return tuple(
        facts.Permission(
            strings(p, "actions"),
            strings(p, "notActions"),
            strings(p, "dataActions"),
            strings(p, "notDataActions"),
            raw_text(p, "condition"),
        )
        for p in permissions
    )


def _is_permission(body: Any) -> bool:
    lists = [get(body, key) for key in ("actions", "notActions", "dataActions", "notDataActions")]
    texts = (isinstance(v, list) and all(isinstance(item, str) for item in v) for v in lists if v is not None)
    return isinstance(body, dict) and all(texts)


def deny_assignment(body: Any) -> facts.DenyAssignment | None:
    """A deny assignment (2024-07-01-preview shows whether it is enforced or audited); None if half unreadable."""
    scope, permissions = text(body, "properties", "scope"), _permissions(body)
    if not scope or permissions is None or not (_has_ids(body, "principals") and _has_ids(body, "excludePrincipals")):
        return None
    return facts.DenyAssignment(
        id=text(body, "id") or "",
        name=text(body, "properties", "denyAssignmentName") or name_of(body) or "",
        scope=scope,
        permissions=permissions,
        principals=_ids(body, "principals"),
        exclude_principals=_ids(body, "excludePrincipals"),
        may_be_groups=_may_be_groups(body),
        not_child_scopes=bool(boolean(body, "properties", "doNotApplyToChildScopes")),
        condition=raw_text(body, "properties", "condition"),
        effect=raw_text(body, "properties", "denyAssignmentEffect"),
    )


def _may_be_groups(body: Any) -> tuple[str, ...]:
    """Principals and excluded ones that are groups or may be: no user, service principal or "everyone"."""
    listed = (*objects(body, "properties", "principals"), *objects(body, "properties", "excludePrincipals"))
    single = ("user", "serviceprincipal", "systemdefined")
    return tuple(i.lower() for p in listed if (i := text(p, "id")) and (text(p, "type") or "").lower() not in single)


def _has_ids(body: Any, key: str) -> bool:
    identities = get(body, "properties", key)
    return identities is None or (isinstance(identities, list) and all(text(item, "id") for item in identities))


def _ids(body: Any, key: str) -> tuple[str, ...]:
    return tuple(entry_id for p in objects(body, "properties", key) if (entry_id := text(p, "id")))


def identity_resource(body: Any) -> facts.IdentityResource | None:
    """A user-assigned managed identity (Microsoft.ManagedIdentity 2023-01-31)."""
    resource_id = text(body, "id")
    if not resource_id:
        return None
    principal, client = text(body, "properties", "principalId"), text(body, "properties", "clientId")
    return facts.IdentityResource(id=resource_id, principal_id=principal, client_id=client)


# The tag that Karpenter's provider for Azure writes on its machines (pkg/providers/launchtemplate/tags.go).
PROVISIONED_BY = "karpenter.azure.com_cluster"


def node_machines(body: Any) -> facts.NodeMachines | None:
    """A scale set or a virtual machine (Microsoft.Compute 2024-07-01) with the ids of the identities it carries."""
    resource_id, name = text(body, "id"), name_of(body)
    if not resource_id or not name:
        return None
    identity, carried = get(body, "identity"), get(body, "identity", "userAssignedIdentities")
    if not isinstance(identity, dict | None) or not isinstance(carried, dict | None):
        return None  # what it carries was not understood, so nothing of it may be missed
    pool = text(body, "tags", "aks-managed-poolName") or text(body, "tags", "poolName")
    return facts.NodeMachines(
        id=resource_id,
        name=name,
        pool=pool,
        identities=tuple(str(key).lower() for key in carried) if isinstance(carried, dict) else (),
        provisioned=text(body, "tags", PROVISIONED_BY) is not None,
        made_for=text(body, "tags", PROVISIONED_BY) or "",
    )


def _stated(body: Any, *path: str) -> str | None:
    """As ``raw_text``, for people: without secrets."""
    value = raw_text(body, *path)
    return redacted(value) if value else value


def client_secret(body: Any) -> facts.ClientSecret:
    """One of Graph's ``passwordCredentials``. Its name is free text: people paste the secret itself there too."""
    return facts.ClientSecret(text(body, "endDateTime"), said(body, "displayName"))


def _cluster_outbound(properties: Any) -> outbound.ClusterOutbound:
    balancer = get(properties, "networkProfile", "loadBalancerProfile")
    return outbound.ClusterOutbound(
        outbound_type=text(properties, "networkProfile", "outboundType"),
        balancer_ids=_item_ids(balancer, "effectiveOutboundIPs"),
        balancer_prefix_ids=_item_ids(get(balancer, "outboundIPPrefixes"), "publicIPPrefixes"),
        nat_ids=_item_ids(get(properties, "networkProfile", "natGatewayProfile"), "effectiveOutboundIPs"),
        proxy=_proxy(get(properties, "httpProxyConfig")),
    )


def _proxy(body: Any) -> outbound.HttpProxy | None:
    """A proxy that HTTPS goes through; older api-versions have no ``enabled``, which then means yes."""
    through = text(body, "httpsProxy")
    if not through or boolean(body, "enabled") is False:
        return None
    return outbound.HttpProxy(no_proxy=(*strings(body, "noProxy"), *strings(body, "effectiveNoProxy")))


def _network_access(properties: Any) -> outbound.NetworkAccess:
    access, rules = get(properties, "publicNetworkAccess"), get(properties, "networkRuleSet")
    return outbound.NetworkAccess(
        public_network_access="Enabled" if access is None else said(properties, "publicNetworkAccess"),
        default_action="Allow" if rules is None else said(rules, "defaultAction"),
        ip_rules=tuple(value for rule in objects(rules, "ipRules") if (value := _allowed(rule))),
        data_endpoint_enabled=boolean(properties, "dataEndpointEnabled"),
        data_hosts=tuple(host.lower().rstrip(".") for host in strings(properties, "dataEndpointHostNames")),
        connections=tuple(c for item in objects(properties, "privateEndpointConnections") if (c := _connection(item))),
        bypass=text(properties, "networkRuleBypassOptions"),
    )


def _allowed(rule: Any) -> str | None:
    return text(rule, "value") if (text(rule, "action") or "Allow").lower() == "allow" else None


def _connection(body: Any) -> outbound.EndpointConnection | None:
    name = name_of(body)
    if not name:
        return None
    return outbound.EndpointConnection(
        name=name,
        endpoint_id=text(body, "properties", "privateEndpoint", "id"),
        status=text(body, "properties", "privateLinkServiceConnectionState", "status"),
    )


def _item_ids(body: Any, key: str) -> tuple[str, ...]:
    return tuple(item_id for item in objects(body, key) if (item_id := text(item, "id")))
