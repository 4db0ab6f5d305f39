"""Azure's region names: "West Europe" and "westeurope" are the same."""

from __future__ import annotations

import re

_REGION_HOST = re.compile(r"(?:^|\.)([a-z][a-z0-9]{2,40})\.cloudapp(?:\.azure\.com|\.net|\.chinacloudapi\.cn)$")


def normalize(name: str) -> str:
    """A region's name as in ARM: lower case, without spaces."""
    return "".join(name.lower().split())


def same_region(first: str | None, second: str | None) -> bool:
    """Whether two names are the same region; a missing name matches none."""
    return first is not None and second is not None and normalize(first) == normalize(second)


def region_of_host(canonical: str | None) -> str | None:
    """The region in the final name of a registry's CNAME chain ("….westeurope.cloudapp.azure.com"), or None."""
    match = _REGION_HOST.search((canonical or "").lower())
    return match[1] if match else None
