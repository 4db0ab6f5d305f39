"""Finds the cause of a failed pull in its error text. Pure: no clock, no I/O."""

from __future__ import annotations

from checks.rules.pull.errors.causes import CREDENTIALS, PullErrorCause
from checks.rules.pull.errors.classify import Classified, Scope, affected_scope, classify, denied_address
from checks.rules.pull.errors.other_events import OtherEvent, OtherEventCause, classify_event, tells_of_a_pull
from checks.rules.pull.errors.pull_signs import has_sign_of_a_pull
from checks.rules.pull.errors.rules import REASONS, RULES, Rule

__all__ = [
    "CREDENTIALS",
    "REASONS",
    "RULES",
    "Classified",
    "OtherEvent",
    "OtherEventCause",
    "PullErrorCause",
    "Rule",
    "Scope",
    "affected_scope",
    "classify",
    "classify_event",
    "denied_address",
    "has_sign_of_a_pull",
    "tells_of_a_pull",
]
