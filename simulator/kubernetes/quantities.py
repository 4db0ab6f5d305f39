"""Kubernetes quantities: `250m`, `1`, `64Mi`, in thousandths, so that CPU stays a whole number."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<suffix>m|[kMGTPE]|[KMGTPE]i)?")
_FACTORS = {"": 1, "k": 10**3, **{letter: 10 ** (3 * n) for n, letter in enumerate("MGTPE", 2)}}
_FACTORS |= {f"{letter}i": 2 ** (10 * n) for n, letter in enumerate("KMGTPE", 1)}


def thousandths(value: Any) -> int | None:
    """A quantity in thousandths; None for what is none."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    factor = 1 if match["suffix"] == "m" else 1000 * _FACTORS[match["suffix"] or ""]
    return int(Decimal(match["number"]) * factor)


def requested(pod_spec: dict[str, Any], resource: str, kind: str = "requests") -> int:
    """What the containers of a pod request (or are limited to) in sum, in thousandths; a limit stands for a request."""
    total = 0
    for container in pod_spec.get("containers") or []:
        resources = container.get("resources") or {}
        given = resources.get(kind) or {}
        value = given.get(resource, (resources.get("limits") or {}).get(resource) if kind == "requests" else None)
        total += thousandths(value) or 0
    return total
