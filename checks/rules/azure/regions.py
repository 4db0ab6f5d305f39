"""Azure's region names: "West Europe" and "westeurope" are the same."""

from __future__ import annotations

import re

_REGION_HOST = re.compile(r"(?:^|\.)([a-z][a-z0-9]{2,40})\.cloudapp(?:\.azure\.com|\.net|\.chinacloudapi\.cn)$")


def normal(name: str) -> str:
    """A region's name as ARM's ids spell it: lower case, without spaces."""
    return "".join(name.lower().split())


def same(one: str | None, other: str | None) -> bool:
    """Whether two names are those of one region; an absent name is none's."""
    return one is not None and other is not None and normal(one) == normal(other)


def of_host(canonical: str | None) -> str | None:
    """The region in the name that a registry's CNAME chain ends at ("….westeurope.cloudapp.azure.com"), or None."""
    match = _REGION_HOST.search((canonical or "").lower())
    return match[1] if match else None
