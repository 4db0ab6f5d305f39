"""The release date of a node image, from ``nodeImageVersion``.

Linux images contain it as yyyymm.dd (AKSUbuntu-2204gen2containerd-202503.10.0), old ones as yyyy.mm.dd
(AKSUbuntu-1604-2020.10.28), Windows images as yymmdd at their end (AKSWindows-2022-containerd-20348.1787.230614).
"""

from __future__ import annotations

import re

_LINUX = re.compile(r"aks(?!windows).*[-:](20\d\d)(\d\d)\.(\d{1,2})\.\d{1,4}", re.IGNORECASE)
_OLD = re.compile(r"aks(?!windows).*[-:](20\d\d)\.(\d\d)\.(\d\d)", re.IGNORECASE)
_WINDOWS = re.compile(r"akswindows.*\.(\d\d)(\d\d)(\d\d)", re.IGNORECASE)


def month_of(version: str | None) -> tuple[int, int] | None:
    """(year, month), or None if the version does not contain it."""
    date = date_of(version)
    return date[:2] if date else None


def date_of(version: str | None) -> tuple[int, int, int] | None:
    """(year, month, day), or None if the version does not contain it."""
    for pattern in (_LINUX, _OLD, _WINDOWS):
        match = pattern.fullmatch((version or "")[:200])
        if match is not None:
            year, month, day = int(match[1]), int(match[2]), int(match[3])
            return (year if year > 99 else 2000 + year, month, day) if 1 <= month <= 12 else None
    return None
