"""What can be read of a subscription, in parts: a run reads all of it, a check of one cluster what refers to it."""

from __future__ import annotations

from enum import Enum, auto


class Part(Enum):
    """A list, or what goes with it. AUTHORIZATION are role assignments, their definitions and deny assignments."""

    CLUSTERS = auto()
    REGISTRIES = auto()
    AUTHORIZATION = auto()
    NETWORKS = auto()
    SECURITY_GROUPS = auto()
    ROUTES = auto()
    NAT_GATEWAYS = auto()
    ADDRESSES = auto()
    PREFIXES = auto()
    NODE_ADDRESSES = auto()
    ENDPOINTS = auto()
    ZONES = auto()
    RULESETS = auto()
    MANAGERS = auto()
    REGISTRY_RULES = auto()


ALL = frozenset(Part)
OF_REGISTRIES = frozenset({Part.REGISTRIES, Part.AUTHORIZATION})
