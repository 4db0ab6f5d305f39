"""Causes: the stable ids that say why a verdict is what it is, each with a sentence for whoever reads one in a mail.

Every check names its causes as enumerations (``Check.causes``); docs/causes.md and the checks' pages are generated from
them. An id is stored and alerted on, so it never changes its spelling.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Cause(StrEnum):
    """The base of enumerations of causes: ``ROLE_HELD = "role-held", "The kubelet identity holds a role …"``."""

    sentence: str

    def __new__(cls, value: str, sentence: str = "") -> Self:
        """A member with its id and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class ReadCause(Cause):
    """Why something that a check needs was not read. Any check may answer with one of these."""

    NOT_ALLOWED = "look-not-allowed", "Pullwatch's identity lacks a role or permission, which the finding names."
    UNREACHABLE = "look-unreachable", "What has to be read could not be reached over the network."
    THROTTLED = "look-throttled", "The service answered that there are too many requests."
    NOT_FOUND = "look-not-found", "The service was asked and has no such thing."
    ERROR = "look-error", "The read failed for another reason, which the finding names."
    OFF = "look-off", "A setting turns this read off, or nobody asked for it."
    LIMIT = "look-limit", "There are more of these than one scan reads; the finding says how many."
    NOT_APPLICABLE = "look-not-applicable", "There is nothing of this kind to read."
    NOT_ASKED = "look-not-asked", "A check of one cluster did not need it, and left it out."
    PARTIAL_PODS = (
        "pods-read-in-part",
        "Not all pods of the cluster could be read, so nothing is claimed of all of them.",
    )


class RowCause(Cause):
    """Causes of a row that no single check names: what follows from several of them."""

    PULLED_AGAINST_PATH = "pulled-against-path", "Nodes pulled although Azure shows no open path: the pull is proof."
    NOT_JUDGED = "not-judged", "No check judged this."
    OTHER_POOLS = "other-pools", "What is known of the path is about other node pools."
    MORE_REGISTRIES = "more-registries", "More registries fail than are followed one by one; the mail counts them."


class ScanCause(Cause):
    """Causes of a scan, cluster or subscription that could not be checked, or was."""

    NOT_LISTED = "not-listed", "The cluster was known before and is not listed now, though its list may be incomplete."
    NOT_VISIBLE = "not-visible", "The subscription was asked for and is not one that Pullwatch's identity can see."
    EXCLUDED = "excluded", "The subscription was asked for, and a setting of Pullwatch excludes it."
    NOT_LOOKED_AT = "not-looked-at", "The cluster was not checked in this run."
    CHECKER_ERROR = "checker-error", "Pullwatch itself failed on this cluster: a defect of Pullwatch."
    NOT_ALLOWED = "not-allowed", "Pullwatch's identity may not list the subscription's clusters or registries."
    BODIES_UNREADABLE = "bodies-unreadable", "Some of the subscription's resources could not be understood."
    LOOKED_AT = "looked-at", "The subscription was checked."
    NOT_SIGNED_IN = "not-signed-in", "Nobody is signed in to Azure, or the sign-in is not valid any more."
    NO_SUCH_SUBSCRIPTION = "no-such-subscription", "No subscription that can be seen has the id or name asked for."
    NO_SUCH_CLUSTER = "no-such-cluster", "No cluster that was listed has the name or id asked for."
    NO_SUCH_REGISTRY = "no-such-registry", "No registry that was listed or used has the name asked for."
    REGISTRY_NOT_USED = "registry-not-used", "The registry exists, and no cluster in scope uses it."
    NOTHING_FOUND = "nothing-found", "No subscription in scope has a cluster that is to be checked."
    OPTED_OUT = "opted-out", "A pattern matches clusters whose tag pullwatch=off asks not to be checked; they were not."


# Ids that stored findings may still carry, and the one that says the same today.
RENAMED = {"registry-not-known": "registry-not-seen"}
