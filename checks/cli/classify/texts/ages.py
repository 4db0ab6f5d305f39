"""Ages as kubectl prints them: "7h3m", "60s (x4 over 2m)"."""

from __future__ import annotations

import re

_ONE = r"(?:(?:\d{1,9}(?:ms|[smhdy])){1,4}|<unknown>|<invalid>|<nil>)"
AGE = rf"{_ONE}(?: ?\(x\d{{1,9}} over {_ONE}\))?"
_PART = re.compile(r"(\d{1,9})(ms|[smhdy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "y": 365 * 86400.0}
_UNKNOWN = 1e12


def before(age: str) -> float:
    """The age below zero, in seconds, so that what is newer is greater; what has no age is older than all."""
    parts = _PART.findall(age.partition("(")[0])
    return -sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else -_UNKNOWN
