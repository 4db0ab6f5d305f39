"""One rule that lets traffic through or stops it, of a network security group or of a network manager."""

from __future__ import annotations

import msgspec


class SecurityRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a network security group, or a security admin rule; singular and plural fields are one tuple here.

    ``source_groups`` and ``destination_groups``: the rule names application security groups or network groups, whose
    members are not read. ``destination_unread``: a part of where it leads could not be read.
    """

    name: str
    priority: int
    direction: str
    access: str
    protocol: str = "*"
    sources: tuple[str, ...] = ()
    source_ports: tuple[str, ...] = ("*",)
    destinations: tuple[str, ...] = ()
    destination_ports: tuple[str, ...] = ("*",)
    source_groups: bool = False
    destination_groups: bool = False
    destination_unread: bool = False
