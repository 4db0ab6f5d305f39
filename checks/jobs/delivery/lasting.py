"""What of a run's own notice still is so when it is sent: it may have waited for hours, and what failed recovered."""

from __future__ import annotations

import logging

import msgspec

from checks.changes import Notice, NoticeKind, NoticeLine, Status
from checks.history.errors import SchemaError
from checks.history.model import ClusterState
from checks.jobs.context import JobContext
from checks.jobs.delivery.reading import several
from checks.notify.notice_lines import keeping

LOG = logging.getLogger(__name__)

# The notices whose lines say how it is. A first summary says what was seen, with what moved since.
_OF_NOW = (NoticeKind.REMINDER, NoticeKind.SILENCE_ENDED)


async def lasting(context: JobContext, notice: Notice) -> Notice | None:
    """The notice with the lines that still fail; None where it was about nothing else. What cannot be told is left in.

    Whoever was notified of the others hears of their recovery in a mail of its own.
    """
    if notice.kind not in _OF_NOW or not notice.lines:
        return notice
    clusters = list(dict.fromkeys(line.cluster.lower() for line in notice.lines))
    states = dict(zip(clusters, await several(lambda cluster: _state(context, cluster), clusters), strict=True))
    lines = tuple(line for line in notice.lines if _fails(line, states[line.cluster.lower()]))
    count = len(notice.lines) - len(lines)
    if not count:
        return notice
    if not lines and not notice.more and notice.lines_only:
        return None
    fact = (
        f"Meanwhile {count} {'has' if count == 1 else 'have'} recovered, and {'is' if count == 1 else 'are'} left out."
    )
    return keeping(msgspec.structs.replace(notice, facts=(*notice.facts, fact)), lines)


async def _state(context: JobContext, cluster: str) -> ClusterState | None:
    try:
        stored = await context.store.load_state(cluster)
    except SchemaError as error:
        LOG.warning("whether %s still fails cannot be told, so it is said that it does: %s", cluster, error)
        return None
    return None if stored is None else stored.state


def _fails(line: NoticeLine, state: ClusterState | None) -> bool:
    """Whether any answer of the line fails, for whatever cause."""
    if state is None:
        return True
    if state.gone_since is not None:
        return False
    return any(
        subject.registry == line.registry and subject.facet in line.facets and subject.status is Status.FAILING
        for subject in state.subjects
    )
