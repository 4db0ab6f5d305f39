"""What is in effect of network managers on a network, into facts: never an exception, no guess.

Shapes: Microsoft.Network 2024-05-01, ``EffectiveConnectivityConfiguration`` and ``EffectiveBaseSecurityAdminRule``.
Booleans are texts there ("True", "False").
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from checks.collect.arm.bodies import get, name_of, number, objects, strings, text
from checks.facts.network_management import AdminRule, AdminRules, ConnectivityConfiguration, GroupItem
from checks.facts.security_rules import SecurityRule

_BELOW_MANAGER = "/securityadminconfigurations/"
_COLLECTIONS = "rulecollections"


def configurations(items: list[Any]) -> tuple[ConnectivityConfiguration, ...] | None:
    """The connectivity configurations of an answer; None where one of them could not be read: it may be the one."""
    read = [configuration(item) for item in items]
    known = tuple(one for one in read if one is not None)
    return known if len(known) == len(read) else None


def configuration(body: Any) -> ConnectivityConfiguration | None:
    """One effective connectivity configuration."""
    resource_id, topology = text(body, "id"), text(body, "properties", "connectivityTopology")
    if not resource_id or not topology:
        return None
    groups = (_group(item) for item in objects(body, "properties", "appliesToGroups"))
    members = (text(item, "id") for item in objects(body, "configurationGroups"))
    return ConnectivityConfiguration(
        id=_key(resource_id),
        mesh=topology.lower() == "mesh",
        everywhere=_flag(body, "properties", "isGlobal"),
        groups=tuple(group for group in groups if group is not None),
        members=tuple(_key(member) for member in members if member),
        settled=all(map(_is_settled, (body, *objects(body, "configurationGroups")))),
    )


def _is_settled(body: Any) -> bool:
    state = get(body, "properties", "provisioningState")
    return state is None or str(state).lower() == "succeeded"


def _group(body: Any) -> GroupItem | None:
    resource_id = text(body, "networkGroupId")
    if not resource_id:
        return None
    direct = (text(body, "groupConnectivity") or "").lower() == "directlyconnected"
    return GroupItem(_key(resource_id), direct, _flag(body, "isGlobal"))


def admin_rules(items: list[Any]) -> AdminRules:
    """The security admin rules of an answer, those of both kinds (Custom, Default)."""
    rules = tuple(rule for item in items if (rule := _admin_rule(item)) is not None)
    return AdminRules(rules, len(items) - len(rules))


def _admin_rule(body: Any) -> AdminRule | None:
    resource_id, priority = text(body, "id"), number(body, "properties", "priority")
    direction, access = text(body, "properties", "direction"), text(body, "properties", "access")
    protocol = text(body, "properties", "protocol")
    if not resource_id or priority is None or not direction or not access or not protocol:
        return None
    rule = SecurityRule(
        name=name_of(body) or "",
        priority=priority,
        direction=direction,
        access=access,
        protocol=protocol,
        sources=_prefixes(body, "sources"),
        source_ports=strings(body, "properties", "sourcePortRanges") or ("*",),
        destinations=_prefixes(body, "destinations"),
        destination_ports=strings(body, "properties", "destinationPortRanges") or ("*",),
        source_groups=_names_groups(body, "sources") or _is_unread(body, "sources"),
        destination_groups=_names_groups(body, "destinations"),
        destination_unread=_is_unread(body, "destinations"),
    )
    return AdminRule(rule, _manager(resource_id), _collection(resource_id))


def _prefixes(body: Any, key: str) -> tuple[str, ...]:
    """Address prefixes and service tags; without any a rule is about every address."""
    if get(body, "properties", key) in (None, []):
        return ("*",)
    listed = (item for item in objects(body, "properties", key) if not _is_group(item))
    return tuple(prefix for item in listed if (prefix := text(item, "addressPrefix")))


def _names_groups(body: Any, key: str) -> bool:
    """Whether a rule names network groups, whose members are not read: networks of Azure."""
    return any(_is_group(item) for item in objects(body, "properties", key))


def _is_unread(body: Any, key: str) -> bool:
    """Whether an end of a rule could not be read in full: it may be about any address."""
    value = get(body, "properties", key)
    if value is not None and not isinstance(value, list):
        return True
    listed = objects(body, "properties", key)
    return len(listed) != len(value or ()) or any(text(item, "addressPrefix") is None for item in listed)


def _is_group(item: Any) -> bool:
    return (text(item, "addressPrefixType") or "IPPrefix").lower() not in ("ipprefix", "servicetag")


def _manager(resource_id: str) -> str:
    """The id of the network manager that a rule is below; empty where the id names none."""
    at = resource_id.lower().find(_BELOW_MANAGER)
    return resource_id[:at] if at >= 0 else ""


def _collection(resource_id: str) -> str:
    parts = resource_id.split("/")
    named = (after for part, after in pairwise(parts) if part.lower() == _COLLECTIONS)
    return next(named, "")


def connected_managers(items: list[Any]) -> tuple[str, ...]:
    """The network managers (ids) that ``networkManagerConnections`` name, whatever the state of the connection."""
    return tuple(text(item, "properties", "networkManagerId") or text(item, "id") or "" for item in items)


def _flag(body: Any, *path: str) -> bool | None:
    """A boolean, or one written as a text."""
    value = get(body, *path)
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _key(resource_id: str) -> str:
    return resource_id.rstrip("/").lower()
