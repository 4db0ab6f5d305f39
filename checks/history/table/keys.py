"""Keys of the rows: what a name becomes in Table Storage, where ``/ \\ # ?`` and control characters are forbidden.

Rows of one subscription share a partition, so that a cluster's state, its change and the pointer to it fit one
transaction. Prefixes tell the rows of a partition apart: "}" is the sign after "|", so ``[prefix|, prefix})`` is the
range of one.
"""

from __future__ import annotations

import hashlib
import re

from checks.facts import resource_group_of, subscription_of
from checks.history.errors import LimitError
from checks.history.model import RowRef

TABLE = "pullwatch"
RUNS = "pullwatchruns"
INDEX = "index"
RUN = "run"
MAIL = "digest"  # the partition of incident mails, under its first name: stored rows have it
POISON = "poison"
ASKED = "asked"
SILENCE = "silence"
OVERVIEW = "overview"
UNSENT = "unsent"  # the row of what was last seen of unsent mail

MAX_KEY = 512
LAST = 9_223_372_036_854_775_807  # the largest sequence there can be (int64)

_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_PLAIN = re.compile(r"[\w.()\-]{1,150}")
_CLUSTER = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.containerservice/managedclusters/([^/]+)"
)
_SILENCE_ID = re.compile(r"[a-z0-9]{1,40}")
_RUN_ID = re.compile(r"(\d{6})-\d{1,19}")


def check(key: str) -> str:
    """The key itself, or LimitError where the service would refuse it."""
    if len(key.encode("utf-16-le")) // 2 > MAX_KEY or _FORBIDDEN.search(key):
        raise LimitError(f"not usable as a key: {key[:100]!r}")
    return key


def subscription_key(resource_id: str) -> str:
    """The partition of a cluster: its subscription in lower case. LimitError where the id names none."""
    subscription = subscription_of(resource_id)
    if not subscription:
        raise LimitError(f"no subscription in the id {resource_id[:100]!r}")
    return check(subscription)


def cluster_key(resource_id: str) -> str:
    """``group:name`` in lower case (readable, and unique inside a subscription); a hash for an id of another shape."""
    lowered = resource_id.rstrip("/").lower()
    shape = _CLUSTER.fullmatch(lowered)
    group = resource_group_of(lowered)
    if shape and _PLAIN.fullmatch(group) and _PLAIN.fullmatch(shape[1]):
        return f"{group}:{shape[1]}"
    return "~" + hashlib.sha256(lowered.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def order(key: str) -> bytes:
    """What the service orders keys by: their UTF-16 units."""
    return key.encode("utf-16-be", "surrogatepass")


def ascending(sequence: int) -> str:
    """19 digits: the oldest first."""
    return f"{sequence:019d}"


def descending(sequence: int) -> str:
    """19 digits: the newest first."""
    return f"{LAST - sequence:019d}"


def state(resource_id: str) -> str:
    """The row of a cluster's state."""
    return check(f"state|{cluster_key(resource_id)}")


def state_ref(resource_id: str) -> RowRef:
    """Where the state of a cluster is."""
    return RowRef(subscription_key(resource_id), state(resource_id))


def change(resource_id: str, sequence: int) -> str:
    """The row of what one run changed for a cluster."""
    return check(f"change|{cluster_key(resource_id)}|{descending(sequence)}")


def change_range(resource_id: str, after: int, through: int) -> tuple[str, str]:
    """From which key on, and before which, the changes of a cluster after one sequence and through another are."""
    prefix = check(f"change|{cluster_key(resource_id)}")
    return f"{prefix}|{descending(through)}", f"{prefix}|{descending(after)}"


def sequence_of(row: str) -> int | None:
    """The sequence that the key of a change or of a late row ends with; None where it ends with none."""
    digits = row.rpartition("|")[2]
    return LAST - int(digits) if re.fullmatch(r"[0-9]{19}", digits) else None


def checkpoint(resource_id: str) -> str:
    """The row of what a cluster's oldest changes came to."""
    return check(f"checkpoint|{cluster_key(resource_id)}")


def late(resource_id: str, sequence: int) -> str:
    """The row that records a result that came after a newer one."""
    return check(f"late|{cluster_key(resource_id)}|{descending(sequence)}")


def pending(resource_id: str, sequence: int) -> str:
    """The row of an intent to tell: the oldest first."""
    return check(f"pending|{ascending(sequence)}|{cluster_key(resource_id)}")


def notice(kind: str, sequence: int, about: str = "") -> str:
    """The row of an intent to tell a run's own notice. ``about`` tells it from another one of its kind."""
    return check(f"pending|{ascending(sequence)}|~{kind}{f'-{about}' if about else ''}")


def overview(subscription: str) -> str:
    """The row of what is shown of a subscription."""
    return check(f"subscription|{subscription.lower()}")


def unreadable(partition: str, row: str) -> str:
    """The record of a row that cannot be handled."""
    named = f"{partition}|{row}".encode("utf-8", "surrogatepass")
    return f"unreadable|{hashlib.sha256(named).hexdigest()[:40]}"


def silence_id(name: str) -> str:
    """The id of a silence, or LimitError where it is none."""
    if not _SILENCE_ID.fullmatch(name):
        raise LimitError(f"not the id of a silence: {name[:100]!r}")
    return name


def silence(name: str) -> str:
    """The row of a silence."""
    return f"silence|{silence_id(name)}"


def ending(name: str) -> str:
    """The row of what the mail about a silence's end is about."""
    return f"ending|{silence_id(name)}"


def held(name: str, subject: str) -> str:
    """The row of a subject that a silence holds."""
    return check(f"held|{silence_id(name)}|{subject}")


def canary(resource_id: str, namespace: str, name: str) -> str:
    """The row of a canary pod that may be there."""
    return check(f"canary|{cluster_key(resource_id)}|{namespace}|{name}")


def doubt(asked: tuple[str, ...]) -> str:
    """The row of what is in doubt about a scope: the subscriptions that were asked for, none for all."""
    return f"doubt|{hashlib.sha256(','.join(asked).encode()).hexdigest()[:40]}" if asked else "doubt|all"


def run_table(run_id: str) -> str:
    """The monthly table that holds a run. LimitError where the id is none of ours."""
    match = _RUN_ID.fullmatch(run_id)
    if match is None:
        raise LimitError(f"not a run id: {run_id[:100]!r}")
    return RUNS + match[1]
