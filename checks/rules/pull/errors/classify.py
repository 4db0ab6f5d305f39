"""Finds the cause in the text of a pull error: the first rule that matches the first error decides."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

import msgspec

from checks.rules.pull.errors.causes import PullErrorCause
from checks.rules.pull.errors.rules import REASONS, RULES
from checks.rules.pull.errors.unwrap import MAX_NAME, MAX_TEXT, clean, first_error, hosts_of, mask_hosts

MAX_EVIDENCE = 200
_LEAD = 60
_SETTLES_NOTHING = (PullErrorCause.UNKNOWN, PullErrorCause.BACKOFF_ONLY)
_DENIED = re.compile(
    r"(?i)client\s{1,8}with\s{1,8}ip\s{1,8}['\"\\]{0,4}([0-9a-f.:]{2,45})['\"\\]{0,4}\s{1,8}is\s{1,8}not\s{1,8}allowed"
)

Scope = Literal["registry", "image", "node", "unsettled"]
_IMAGE = (
    PullErrorCause.IMAGE_NOT_FOUND,
    PullErrorCause.INVALID_REFERENCE,
    PullErrorCause.PLATFORM_MISMATCH,
    PullErrorCause.UNSUPPORTED_MANIFEST,
    PullErrorCause.POLICY,
)
_NODE = (PullErrorCause.NODE_DISK, PullErrorCause.CORRUPT_OR_INTERRUPTED)


class Classified(msgspec.Struct, frozen=True):
    """The cause, the stable id of the rule that decided, and the part of the text (or the reason) that it matched."""

    cause: PullErrorCause
    rule: str
    evidence: str


def classify(message: str, reason: str = "", image: str = "") -> Classified:
    """Finds the cause of a failed pull. Never raises; an error that no rule matches is ``unknown``, never a guess.

    ``reason`` is the waiting reason or the event's reason; it decides only if the text does not.
    """
    message, image = message[:MAX_TEXT], image[:MAX_NAME]
    text = clean(message, image)
    first = first_error(text)
    classified = _by_text(first, message, image)
    if _settles_nothing(classified) and len(first) < len(text):
        classified = _by_text(text, message, image) or classified
    if _settles_nothing(classified) and "\n" in message.strip():
        # Captured output may be wrapped at a column, in the middle of a word.
        joined = first_error(clean(message.replace("\r", "").replace("\n", ""), image))
        classified = _by_text(joined, message, image) or classified
    if _settles_nothing(classified):
        classified = _by_reason(reason.strip(), classified, bool(text)) or classified
    return classified or Classified(PullErrorCause.UNKNOWN, "none", text[:MAX_EVIDENCE])


def affected_scope(cause: PullErrorCause) -> Scope:
    """What a cause affects: every pull from the registry, one image, one node, or not known ("unsettled")."""
    if cause in _IMAGE:
        return "image"
    if cause in _NODE:
        return "node"
    return "unsettled" if cause in _SETTLES_NOTHING else "registry"


def denied_address(message: str) -> str | None:
    """The client address in a registry firewall's message, in canonical form; None if there is no valid one."""
    for denied in _DENIED.finditer(message[:MAX_TEXT]):
        try:
            return str(ipaddress.ip_address(denied[1]))
        except ValueError:
            continue
    return None


def _settles_nothing(classified: Classified | None) -> bool:
    return classified is None or classified.cause in _SETTLES_NOTHING


def _by_text(text: str, message: str, image: str) -> Classified | None:
    masked = mask_hosts(text)
    for rule in RULES:
        if (match := rule.search(masked)) and (rule.hosts is None or rule.hosts.search(hosts_of(message, image))):
            return Classified(rule.cause, rule.id, _excerpt(text, match))
    return None


def _by_reason(reason: str, by_text: Classified | None, has_text: bool) -> Classified | None:
    """The cause that the reason shows; a reason that shows none counts only if there is no text at all."""
    cause = REASONS.get(reason)
    if cause is None or (cause in _SETTLES_NOTHING and (by_text or has_text)):
        return None
    return Classified(cause, "reason", reason)


def _excerpt(text: str, match: re.Match[str]) -> str:
    """The match with some text before it (which host, which step), from the start of a word."""
    start = max(0, match.start() - _LEAD)
    if start:
        start = min(text.find(" ", start, match.start()) + 1 or match.start(), match.start())
    return text[start : start + MAX_EVIDENCE].strip()
