"""What a registry logged of those who called it (Azure Monitor Logs), and which cluster a call was made by."""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks.facts.observation import NotSeen, Seen

LOGIN = "login"
PULL = "pull"


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that a registry logged alike: ``events`` of them, from ``first`` to ``last`` (ISO 8601, UTC).

    ``kind`` is "login" or "pull". ``address`` is that of the caller as the registry saw it, ``identity`` the object or
    client id, user or token it came as; "" where the log has none. ``status`` is the HTTP status, None where neither
    column has one; ``text`` is the log's own description. ``repository``, ``tag`` and ``digest`` are those of pulls.
    """

    kind: str
    login_server: str
    first: str
    last: str
    events: int = 1
    address: str = ""
    identity: str = ""
    status: int | None = None
    text: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""


class LoggedCall(msgspec.Struct, frozen=True):
    """An entry that a cluster may have caused. ``by``: what it was known by, in words ("its kubelet identity").

    ``told_apart``: nobody else can have caused it. Where somebody can, ``others`` are the names of the clusters that
    may have; none where it is only that not everything can be seen. ``as_another``: it came from the cluster's own
    address, but as a token or as nobody: it shows that the address is let in, nothing about the nodes' identity.
    """

    entry: LogEntry
    by: str
    told_apart: bool = True
    others: tuple[str, ...] = ()
    as_another: bool = False


class RegistryLog(msgspec.Struct, frozen=True):
    """What one registry logged between ``since`` and ``until`` (ISO 8601, UTC) of calls that one cluster may have made.

    ``cut``: the query has a bound, and there was more than that; the newest are there. ``cut_before``: of failures
    until then nobody knows whether a success ended them, so they are not among the calls. ``heard``: anything of this
    registry stands in it, by whomever.
    """

    since: str
    until: str
    calls: tuple[LoggedCall, ...] = ()
    cut: bool = False
    heard: bool = True
    cut_before: str = ""

    @property
    def span(self) -> str:
        """The time in words: "in the last 3 hours"."""
        began, ended = (datetime.fromisoformat(text) for text in (self.since, self.until))
        hours = round((ended - began).total_seconds() / 3600)
        return f"in the last {hours} hours" if hours > 1 else "in the last hour"


class Logged(msgspec.Struct, frozen=True):
    """What stands in the logs of a run's registries: ``entries`` are those of all of them.

    ``logs``, by login server: whether its log was read, and how; without calls, as whose these are is another question.
    """

    entries: tuple[LogEntry, ...] = ()
    logs: dict[str, Seen[RegistryLog] | NotSeen] = {}
