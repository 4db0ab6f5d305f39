"""What a cause means, in a sentence. Pure."""

from __future__ import annotations

from checks import catalog
from checks.causes import Cause, ReadCause, RowCause, ScanCause


def sentence_of(code: str, cause: str) -> str:
    """The sentence of a cause that a check named, or that is shared by all; "" for one that has none."""
    own = next((check.sentence_of(cause) for check in catalog.checks() if check.code == code), "")
    kinds: tuple[type[Cause], ...] = (ReadCause, RowCause, ScanCause)
    return own or next((member.sentence for kind in kinds for member in kind if member.value == cause), "")
