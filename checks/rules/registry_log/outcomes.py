"""What a logged call came to: the cause in the words of pull errors, where it failed.

The HTTP status stands in one of two columns, and the text of a refusal is the registry's own, so what nodes hear of it
is understood by the same rules.
"""

from __future__ import annotations

from checks.facts.registry_log import PULL, LogEntry
from checks.rules.pull.errors import PullErrorCause, classify, denied_address

_TOO_MANY = 429


def succeeded(entry: LogEntry) -> bool:
    """The registry did what was asked."""
    return entry.status is not None and 200 <= entry.status < 400


def is_firewall(entry: LogEntry) -> bool:
    """The registry's firewall turned the caller away before asking who it is."""
    if entry.status not in (403, None):
        return False
    return denied_address(entry.text) is not None or _by_text(entry) is PullErrorCause.FIREWALL_DENIED


def passed_firewall(entry: LogEntry) -> bool:
    """The registry's firewall let the caller in, whatever came of it: it did what was asked, or said why not."""
    return succeeded(entry) or (entry.status in (401, 403, 404) and not is_firewall(entry))


def cause_of(entry: LogEntry) -> PullErrorCause | None:
    """Why a call failed; None where it did not, or where the log does not say."""
    if entry.status is None or succeeded(entry):
        return PullErrorCause.FIREWALL_DENIED if is_firewall(entry) else None
    if is_firewall(entry):
        return PullErrorCause.FIREWALL_DENIED
    if entry.status in (401, 403):
        return PullErrorCause.UNAUTHORIZED
    if entry.status == 404:
        return PullErrorCause.IMAGE_NOT_FOUND if entry.kind == PULL and entry.repository else None
    if entry.status == _TOO_MANY:
        return PullErrorCause.RATE_LIMITED
    return PullErrorCause.REGISTRY_ERROR if entry.status >= 500 else None


def _by_text(entry: LogEntry) -> PullErrorCause:
    return classify(entry.text).cause
