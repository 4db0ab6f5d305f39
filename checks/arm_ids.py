"""ARM resource ids taken apart. They keep the spelling Azure gave them; compare them with ``same_id``."""

from __future__ import annotations


def same_id(one: str | None, other: str | None) -> bool:
    """Whether two ARM ids name the same resource: case is Azure's to choose, a trailing slash says nothing."""
    return one is not None and other is not None and one.rstrip("/").lower() == other.rstrip("/").lower()


def subscription_of(resource_id: str) -> str:
    """The subscription guid (lower case) in an ARM id, or "" where there is none."""
    parts = resource_id.split("/")
    return parts[2].lower() if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""


def resource_group_of(resource_id: str) -> str:
    """The resource group's name in an ARM id as it is spelt there, or ""."""
    parts = resource_id.split("/")
    return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else ""


def name_of(resource_id: str) -> str:
    """The resource's own name: the last segment of its ARM id, as it is spelt there."""
    return resource_id.rstrip("/").rsplit("/", 1)[-1]
