"""Whether network security groups let a node's TCP 443 out, or in at an endpoint: by priority, the first rule decides.

A registry's public address is in the tags Internet, AzureCloud and AzureContainerRegistry (with or without a region); a
private endpoint's is in VirtualNetwork. Rules that name an application security group never fit here.
"""

from __future__ import annotations

import ipaddress
from typing import Any

PORT = 443
PUBLIC_TAGS = ("internet", "azurecloud", "azurecontainerregistry")


def lets_out(group: dict[str, Any], source: str, destination: str) -> bool:
    """`group` is a group's properties, `source` the node's address, `destination` an address or "public"."""
    return _lets(group, "outbound", source, destination)


def lets_in(group: dict[str, Any], source: str, destination: str) -> bool:
    """The same at the other end, where a private endpoint has the address `destination`."""
    return _lets(group, "inbound", source, destination)


def _lets(group: dict[str, Any], direction: str, source: str, destination: str) -> bool:
    listed = [*_rules(group.get("securityRules")), *_rules(group.get("defaultSecurityRules"))]
    rules = [rule for rule in listed if str(rule.get("direction")).lower() == direction]
    for rule in sorted(rules, key=lambda rule: rule.get("priority", 65500)):
        if fits(rule, source, destination):
            return str(rule.get("access")).lower() == "allow"
    return not listed


def fits(rule: dict[str, Any], source: str, destination: str) -> bool:
    """Whether a rule is about TCP 443 from an address to an address, or to "public"."""
    if str(rule.get("protocol")).lower() not in ("*", "tcp"):
        return False
    if not any(_has_port(text) for text in _either(rule, "destinationPortRange", "destinationPortRanges")):
        return False
    sources = _either(rule, "sourceAddressPrefix", "sourceAddressPrefixes")
    targets = _either(rule, "destinationAddressPrefix", "destinationAddressPrefixes")
    return any(_covers(text, source) for text in sources) and any(_covers(text, destination) for text in targets)


def _covers(prefix: str, address: str) -> bool:
    text = prefix.lower()
    if text in ("*", "any", "0.0.0.0/0"):
        return True
    if address == "public":
        return text.partition(".")[0] in PUBLIC_TAGS
    if text == "virtualnetwork":
        return True  # only nodes and private endpoints, in networks that reach each other, come here
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False


def _has_port(text: str) -> bool:
    first, dash, last = text.partition("-")
    try:
        return text == "*" or int(first) <= PORT <= int(last if dash else first)
    except ValueError:
        return False


def _either(rule: dict[str, Any], one: str, many: str) -> list[str]:
    listed, single = rule.get(many), rule.get(one)
    return [str(item) for item in listed] if isinstance(listed, list) and listed else [str(single)] if single else []


def _rules(value: Any) -> list[dict[str, Any]]:
    listed = value if isinstance(value, list) else []
    bodies = [item.get("properties") for item in listed if isinstance(item, dict)]
    return [body for body in bodies if isinstance(body, dict)]
