"""The runs that are interrupted, and what has to hold after them, however often the process died."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from checks.changes import Status
from checks.history.decide.replay import fold, statuses
from checks.history.model import MailStatus, Run, RunStatus
from checks.history.table.store import Store
from tests.support.crashing import Accepted
from tests.support.overviews import overview_is_what_is_held
from tests.support.tenant_builder import SUBSCRIPTION

NAMES = ("aks-0", "aks-1", "aks-2")
BAD = "aks-1"
REPEAT = "This mail may be a repeat"
NAMED = re.compile(r"^([A-Z ]+?)  (aks-\d) <- (\S+)", re.MULTILINE)

Look = Mapping[str, str]  # what a run sees: by the name of a cluster that is there, how it fares
ALL_PASS: Look = dict.fromkeys(NAMES, "pass")
ONE_FAILS: Look = {**ALL_PASS, BAD: "fail"}
ONE_HAS_NO_PATH: Look = {**ALL_PASS, BAD: "no path"}
ONE_IS_GONE: Look = {name: "pass" for name in NAMES if name != BAD}


@dataclass(frozen=True)
class Scenario:
    """Runs that went well, the run under test, and what its mails say of the one cluster; ``summaries`` among them."""

    before: tuple[Look, ...]
    last: Look
    kind: str
    summaries: int = 0
    facets: str = "(access, pull"  # with which a mail names it


SCENARIOS = {
    "flip": Scenario((ALL_PASS,), ONE_FAILS, "FAIL"),
    "baseline": Scenario((), ONE_FAILS, "FAIL", summaries=1),
    "recovery": Scenario((ALL_PASS, ONE_FAILS), ALL_PASS, "RECOVERED"),
    "gone": Scenario((ALL_PASS, ONE_FAILS, ONE_IS_GONE), ONE_IS_GONE, "REMOVED"),
}


def cluster_id(name: str) -> str:
    """The ARM id of a cluster."""
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    )


def judge_mails(scenario: Scenario, run: Run, sent: list[Accepted]) -> None:
    """What is to be notified is, in one mail, which comes again only after a death and then says so.

    Beside it there is one mail at most: that shards did not end, where deaths kept them past the run's deadline.
    """
    named: dict[tuple[str, str], set[str]] = {}
    mails: dict[str, list[Accepted]] = {}
    for mail in sent:
        mails.setdefault(mail.message_id, []).append(mail)
        for kind, cluster, _ in NAMED.findall(mail.text):
            named.setdefault((kind, cluster), set()).add(mail.message_id)
            assert scenario.facets in mail.text
    degraded = {mail.message_id for mail in sent if "DEGRADED:" in mail.subject}
    assert len(degraded) == run.degraded
    assert named == {(scenario.kind, BAD): mails.keys() - degraded}, "lost, or something else is in a mail"
    assert len(mails) == 1 + len(degraded)
    assert len({mail.message_id for mail in sent if "baseline:" in mail.subject}) == scenario.summaries
    for same in mails.values():
        judge_repeats(same)


def judge_repeats(same: list[Accepted]) -> None:
    """What was sent of one mail: again only where the process died in between, and then it says so."""
    assert same[0].deaths or REPEAT not in same[0].text
    for before, again in pairwise(same):
        assert again.deaths > before.deaths, "nobody died in between"
        assert REPEAT in again.text
    assert len({mail.subject for mail in same}) == 1


async def is_quiet(store: Store) -> bool:
    """Whether no run is open and nothing is left to be sent."""
    pending = await store.list_pending()
    return not pending.items and not await store.has_unsent() and not await store.open_runs()


async def judged_run(scenario: Scenario, store: Store, sent: list[Accepted], given_up: Collection[str] = ()) -> Run:
    """The run, which is closed. Nothing is left to do, and the history comes to what is held.

    ``given_up``: the queues of which a message may have been.
    """
    assert await is_quiet(store)
    assert {queue for _, queue, _ in await store.list_poison()} <= set(given_up)
    run = await store.latest_run()
    assert run is not None
    assert (run.sequence, run.status) == (len(scenario.before) + 1, RunStatus.CLOSED)
    if run.missing_count:
        assert run.closed is not None
        assert run.closed >= run.deadline
    else:
        failing = sum(word == "fail" for word in scenario.last.values())
        assert (run.totals.clusters, run.totals.failing, run.degraded) == (len(scenario.last), failing, False)
        assert run.totals.late == 0
        assert await store.baseline_complete() == {SUBSCRIPTION}
    for name in NAMES:
        await judge_cluster(store, name, scenario.last.get(name))
    await overview_is_what_is_held(store, SUBSCRIPTION)
    mails = [mail for mail in await store.list_mails() if mail.message_id in {one.message_id for one in sent}]
    assert {mail.status for mail in mails} == {MailStatus.SENT}
    return run


async def judge_cluster(store: Store, name: str, word: str | None) -> None:
    """Its state is what the last look makes of it, and what its history comes to. ``word`` None: it is gone."""
    stored = await store.load_state(cluster_id(name))
    assert stored is not None
    state = stored.state
    assert fold(await store.list_changes(cluster_id(name))) == statuses(state)
    assert (state.gone_since is None) == (word is not None)
    access = [subject.status for subject in state.subjects if subject.facet == "access"]
    assert access == {"pass": [Status.PASSING], "fail": [Status.FAILING], None: []}[word]
    assert all(subject.notified == (subject.status is Status.FAILING) for subject in state.subjects)
