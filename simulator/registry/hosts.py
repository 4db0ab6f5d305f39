"""Which registry stands behind a host name, and what its settings and its file say."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Any

from simulator.arm.resources import Resource
from simulator.registry.encryption import lost_its_key
from simulator.tenant import Tenant

REGISTRY = "microsoft.containerregistry/registries"
BLOBS = ".blob.core.windows.net"


@dataclass(frozen=True, slots=True)
class Host:
    """`name` is the login server; `blobs` marks a host that serves layers only (a data endpoint, a storage account).
    `keyless`: it cannot use the key that it is encrypted with."""

    name: str
    azure: bool
    resource_id: str
    repositories: dict[str, dict[str, Any]]
    credentials: dict[str, str]
    anonymous: bool
    by_repository: bool  # roleAssignmentMode AbacRepositoryPermissions
    arm_tokens: bool  # azureADAuthenticationAsArmPolicy
    public: bool
    allowed: tuple[str, ...] | None  # addresses the firewall lets in; None: all
    blob_host: str
    blobs: bool = False
    keyless: bool = False

    def lets_in(self, address: str) -> bool:
        if not self.public:
            return False
        if self.allowed is None:
            return True
        return any(_contains(network, address) for network in self.allowed)


def find_host(tenant: Tenant, name: str) -> Host | None:
    """By login server, data endpoint or the storage host its layers come from; None for nobody's name."""
    wanted = name.lower()
    files = tenant.registries()
    for resource in tenant.resources().everywhere(REGISTRY):
        properties = _table(resource.body.get("properties"))
        login = str(properties.get("loginServer", "")).lower()
        if not login:
            continue
        if wanted == login or wanted in _names(properties.get("regionalEndpointHostNames")):
            host = _azure_host(resource, login, properties, files.get(login, {}))
            return replace(host, keyless=lost_its_key(tenant, resource))
        if wanted in _names(properties.get("dataEndpointHostNames")) or wanted == _blob_host(login, properties):
            return replace(_azure_host(resource, login, properties, files.get(login, {})), blobs=True)
    return _other_host(wanted, files[wanted]) if wanted in files else None


def _azure_host(resource: Resource, login: str, properties: dict[str, Any], file: dict[str, Any]) -> Host:
    rules = properties.get("networkRuleSet")
    policies = _table(properties.get("policies"))
    as_arm = _table(policies.get("azureADAuthenticationAsArmPolicy"))
    return Host(
        name=login,
        azure=True,
        resource_id=resource.id,
        repositories=_repositories(file),
        credentials=_strings(file.get("credentials")),
        anonymous=properties.get("anonymousPullEnabled") is True,
        by_repository=str(properties.get("roleAssignmentMode")).lower() == "abacrepositorypermissions",
        arm_tokens=str(as_arm.get("status", "enabled")).lower() != "disabled",
        public=str(properties.get("publicNetworkAccess", "Enabled")).lower() != "disabled",
        allowed=_allowed(rules) if isinstance(rules, dict) else None,
        blob_host=_blob_host(login, properties),
    )


def _blob_host(login: str, properties: dict[str, Any]) -> str:
    data = _names(properties.get("dataEndpointHostNames")) if properties.get("dataEndpointEnabled") is True else []
    return data[0] if data else f"{login.split('.')[0]}managed{BLOBS}"


def _other_host(name: str, file: dict[str, Any]) -> Host:
    return Host(
        name=name,
        azure=False,
        resource_id="",
        repositories=_repositories(file),
        credentials=_strings(file.get("credentials")),
        anonymous=file.get("anonymous", True) is True,
        by_repository=False,
        arm_tokens=False,
        public=True,
        allowed=None,
        blob_host=name,
    )


def _allowed(rules: dict[str, Any]) -> tuple[str, ...] | None:
    if str(rules.get("defaultAction", "Allow")).lower() != "deny":
        return None
    listed = rules.get("ipRules")
    items = listed if isinstance(listed, list) else []
    return tuple(str(rule.get("value")) for rule in items if isinstance(rule, dict))


def _contains(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _repositories(file: dict[str, Any]) -> dict[str, dict[str, Any]]:
    listed = _table(file.get("repositories"))
    return {str(name): tags for name, tags in listed.items() if isinstance(tags, dict)}


def _names(value: Any) -> list[str]:
    return [str(item).lower() for item in value] if isinstance(value, list) else []


def _strings(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in _table(value).items()}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
