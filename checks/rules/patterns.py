"""Names and patterns by which somebody chooses clusters and registries: ``aks-prod-*``. Pure.

``*`` matches any text, ``?`` one character, ``[ab]`` one of them; case does not matter.
"""

from __future__ import annotations

from fnmatch import fnmatchcase


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern and no plain name."""
    return any(wild in text for wild in "*?[")


def fits(pattern: str, *names: str) -> bool:
    """Whether a pattern, or a plain name, is that of one of the names."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in names)
