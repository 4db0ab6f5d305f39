"""The limits of registry SKUs. Source: Microsoft's "Azure Container Registry SKU features and limits" (25 Mar 2026).

The maximum storage is that of docs.azure.cn (2026). ``listUsages`` returns limits itself, but its limit of "Size" is
the included storage, which is not a maximum.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from checks.facts.registry_details import Usage

GIB, TIB = 1024**3, 1024**4
NEAR = 0.9
SIZE = "size"


class SkuLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a SKU: ``counts`` by the name in ``listUsages`` (lower case); read operations per minute."""

    maximum_tib: int
    reads_per_minute: int
    reads_per_identity: int
    counts: tuple[tuple[str, int], ...]


_SMALL: Mapping[str, int] = MappingProxyType(
    {"reads_per_minute": 10_000, "reads_per_identity": 5_000, "maximum_tib": 40}
)
SKUS: Mapping[str, SkuLimits] = MappingProxyType(
    {
        "basic": SkuLimits(counts=(("webhooks", 2), ("tokens", 100), ("scopemaps", 100)), **_SMALL),
        "standard": SkuLimits(counts=(("webhooks", 10), ("tokens", 500), ("scopemaps", 500)), **_SMALL),
        "premium": SkuLimits(
            maximum_tib=100,
            reads_per_minute=20_000,
            reads_per_identity=10_000,
            counts=(
                *(("webhooks", 500), ("tokens", 50_000), ("scopemaps", 50_000)),
                *(("iprules", 200), ("vnetrules", 100), ("privateendpointconnections", 200)),
            ),
        ),
    }
)


def maximum_of(usage: Usage, sku: SkuLimits | None) -> int | None:
    """The maximum of a usage, or None if there is none (-1), it is not known, or it is 0.

    A limit of 0 means that the SKU does not have the feature, so no usage can reach it.
    """
    if usage.name.lower() == SIZE:
        return sku.maximum_tib * TIB if sku else None
    limit = usage.limit
    if limit is None and sku is not None:
        limit = dict(sku.counts).get(usage.name.lower())
    return limit if limit is not None and limit > 0 else None


def is_near_limit(usage: Usage, sku: SkuLimits | None) -> bool:
    """Whether a usage is at 90 % of its maximum or more."""
    limit = maximum_of(usage, sku)
    return limit is not None and usage.current >= NEAR * limit
