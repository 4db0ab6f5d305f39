"""Which changes are one mail, and what is left to say of them to people who know some of it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from checks.changes import Change, Reason, Status
from checks.notify.incidents import MAX_INCIDENTS, MailContext, group, items_of, mail_of
from checks.notify.items import Item
from tests.support.sample_mails import (
    ACR,
    ACR_ID,
    KNOWN,
    NOW,
    OTHER,
    SHOP,
    WEB,
    access_and_pull,
    change,
    cluster,
    fleet,
    mailed,
    moved,
)

FAILED = change(*access_and_pull(Reason.REGRESSED))
RECOVERED = change(*access_and_pull(Reason.RECOVERED, hours=0.25), sequence=8, word="pass")
KEYS = {(WEB.lower(), ACR, "access"), (WEB.lower(), ACR, "pull")}


def named(changes: Sequence[Change]) -> set[frozenset[str]]:
    """The groups by the names of their clusters."""
    return {frozenset(changes[index].cluster.rpartition("/")[2] for index in indexes) for indexes in group(changes)}


def at(name: str, *transitions: object) -> Change:
    return change(*transitions, of=cluster(name))  # type: ignore[arg-type]


def test_a_registry_that_shuts_2000_clusters_out_is_one_group() -> None:
    assert group(fleet(2000)) == (tuple(range(2000)),)


def test_two_registries_that_share_a_cause_word_are_two_groups() -> None:
    made = [at("one", moved(Reason.REGRESSED)), at("two", moved(Reason.REGRESSED, registry=OTHER))]
    assert named(made) == {frozenset({"one"}), frozenset({"two"})}


def test_two_causes_at_one_registry_are_two_groups() -> None:
    made = [at("one", moved(Reason.REGRESSED)), at("two", moved(Reason.REGRESSED, cause="denied"))]
    assert len(group(made)) == 2


@pytest.mark.parametrize("cause", ["identity-deleted", "service-principal-absent", "secret-expired", "more-registries"])
def test_what_is_wrong_with_a_clusters_own_identity_is_its_own_group(cause: str) -> None:
    made = [at(name, moved(Reason.REGRESSED, "access", cause=cause)) for name in ("one", "two")]
    assert len(group(made)) == 2


def test_a_cluster_with_a_part_in_two_incidents_joins_them_not() -> None:
    both = at("both", moved(Reason.REGRESSED), moved(Reason.REGRESSED, registry=OTHER))
    made = [at("one", moved(Reason.REGRESSED)), both, at("two", moved(Reason.REGRESSED, registry=OTHER))]
    assert len(group(made)) == 2
    assert sorted(index for indexes in group(made) for index in indexes) == [0, 1, 2]


def test_a_storm_of_clusters_with_registries_of_their_own_is_one_group_by_what_they_share() -> None:
    made = [
        at(
            f"aks-{n}",
            moved(Reason.REGRESSED, registry=f"acr{n:03d}.azurecr.io"),
            moved(Reason.REGRESSED, registry=ACR),
        )
        for n in range(100)
    ]
    assert len(group(made)) == 1


def test_a_change_goes_with_the_worst_that_is_in_it() -> None:
    mixed = at("both", moved(Reason.RECOVERED, registry=OTHER), moved(Reason.REGRESSED))
    over = at("over", moved(Reason.RECOVERED, registry=OTHER))
    assert named([mixed, over, at("bad", moved(Reason.REGRESSED))]) == {frozenset({"both", "bad"}), frozenset({"over"})}


def test_a_failure_and_its_recovery_stay_together_whatever_its_cause_was() -> None:
    later = change(moved(Reason.RECOVERED, cause="denied"), sequence=9)
    assert group([FAILED, *fleet(3), later]) == ((0, 1, 2, 3, 4),)
    assert group([change(moved(Reason.REGRESSED, registry=OTHER)), later]) == ((0, 1),)


def test_clusters_that_are_blind_for_the_same_gap_are_one_group_and_those_of_another_gap_another() -> None:
    gaps = {"one": "look-not-allowed", "two": "look-not-allowed", "three": "look-unreachable"}
    made = [at(name, moved(Reason.BLIND, gap=gap, after=Status.PASSING)) for name, gap in gaps.items()]
    assert named(made) == {frozenset({"one", "two"}), frozenset({"three"})}


def test_what_was_seen_first_comes_together() -> None:
    made = [at(f"aks-{n}", moved(Reason.BASELINE, registry=f"acr{n}.azurecr.io")) for n in range(3)]
    assert group(made) == ((0, 1, 2),)


def test_what_was_seen_first_comes_with_what_fails_for_the_same_by_now() -> None:
    made = [*(at(f"aks-{n}", moved(Reason.BASELINE)) for n in range(4)), at("known", moved(Reason.REGRESSED))]
    assert group(made) == ((0, 1, 2, 3, 4),)
    made.append(at("other", moved(Reason.BASELINE, registry=OTHER)))
    assert sorted(index for indexes in group(made) for index in indexes) == list(range(6))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from(["role-missing", "identity-deleted"]))))
def test_each_change_is_in_one_group_and_no_cluster_in_two(drawn: list[tuple[int, int, str]]) -> None:
    made = [
        at(f"aks-{name}", moved(Reason.REGRESSED, registry=f"acr{registry}.azurecr.io", cause=cause))
        for name, registry, cause in drawn
    ]
    groups = group(made)
    assert sorted(index for indexes in groups for index in indexes) == list(range(len(made)))
    owners = [{made[index].cluster for index in indexes} for indexes in groups]
    assert sum(map(len, owners)) == len(set().union(*owners))


def kinds(items: Sequence[Item]) -> list[str]:
    return [item.kind.value for item in items]


def test_a_recovery_is_for_those_who_were_notified_of_the_failure() -> None:
    assert kinds(items_of([RECOVERED], KEYS)) == ["RECOVERED"]
    assert items_of([RECOVERED], set()) == ()


def test_of_a_failure_of_two_facets_only_the_one_that_people_know_of_recovers_for_them() -> None:
    (item,) = items_of([RECOVERED], {(WEB.lower(), ACR, "pull")})
    assert (item.facets, item.keys) == (("pull",), ((WEB.lower(), ACR, "pull"),))


def test_a_failure_that_is_over_by_now_was_bad_for_those_who_did_not_know() -> None:
    assert kinds(items_of([FAILED, RECOVERED], set())) == ["WAS BAD"]
    assert kinds(items_of([FAILED, RECOVERED], KEYS)) == ["RECOVERED"], "they were notified of an earlier failure"


@pytest.mark.parametrize("reason", [Reason.CAUSE_CHANGED, Reason.MORE_FAILING])
def test_news_of_a_failure_that_nobody_knows_of_is_a_failure(reason: Reason) -> None:
    made = [change(*access_and_pull(reason, before=Status.FAILING))]
    assert kinds(items_of(made, set())) == ["FAIL"]
    assert kinds(items_of(made, KEYS)) == kinds(items_of(made)) != ["FAIL"]


def test_what_is_checked_no_more_is_for_those_who_know_that_it_failed() -> None:
    gone = change(*access_and_pull(Reason.GONE), sequence=9)
    assert kinds(items_of([gone], KEYS)) == ["REMOVED"]
    assert items_of([gone], set()) == ()
    assert kinds(items_of([FAILED, gone], set())) == ["REMOVED"]


def test_that_something_is_known_again_is_for_those_who_know_that_it_was_not() -> None:
    again = change(moved(Reason.SEEN_AGAIN, after=Status.PASSING), sequence=9)
    assert items_of([again], set()) == ()
    (item,) = items_of([again], {(WEB.lower(), ACR, "sight of pull")})
    assert (item.kind.value, item.registry, item.keys) == ("SEEN AGAIN", "", ((WEB.lower(), ACR, "sight of pull"),))


def test_only_what_ended_and_fails_no_more_is_over() -> None:
    flapping = change(moved(Reason.FLAPPING, after=Status.PASSING))
    blind_failing = change(moved(Reason.SEEN_AGAIN))
    assert [item.over for item in items_of([RECOVERED])] == [True]
    assert [item.over for made in ([FAILED], [flapping], [blind_failing]) for item in items_of(made)] == [False] * 3


def test_items_come_worst_first_and_none_is_cut() -> None:
    items = items_of([RECOVERED, *fleet(2000)])
    assert len(items) == 2001
    assert kinds(items) == ["FAIL"] * 2000 + ["RECOVERED"]
    assert [item.since for item in items[:2000]] == sorted(item.since for item in items[:2000])


def test_a_mail_knows_names_use_workloads_and_ids() -> None:
    (section,) = mail_of(items_of([FAILED]), "1-a", known=KNOWN).sections
    (item,) = section.items
    assert (item.subscription, section.used_by, section.registry_id) == ("Shop Production", 27, ACR_ID)
    assert item.waiting == ("shop/Deployment/web (3 pods)", "shop/CronJob/report (1 pod)")
    other = MailContext(waiting={(WEB.lower(), OTHER): ("x",)}, used_by={OTHER: 1}, subscriptions={SHOP[::-1]: "no"})
    (section,) = mail_of(items_of([FAILED]), "1-a", known=other).sections
    assert (section.items[0].waiting, section.items[0].subscription, section.used_by) == ((), "", 0)


def test_what_most_clusters_share_comes_first_among_the_equally_bad() -> None:
    old = at("old", moved(Reason.REGRESSED, registry=OTHER, hours=90))
    mail = mailed([old, *fleet(3)])
    assert [section.registry for section in mail.sections] == [ACR, OTHER]


def test_failure_change_of_cause_and_recovery_of_one_root_are_one_thread() -> None:
    changed = change(moved(Reason.CAUSE_CHANGED, cause="denied", before_cause="role-missing"), sequence=8)
    over = change(moved(Reason.RECOVERED, cause="denied"), sequence=9)
    threads = [mailed([one]).incidents for one in (FAILED, changed, over)]
    assert threads[0] == threads[1] == threads[2] != ()
    assert mailed([at("one", moved(Reason.REGRESSED, registry=OTHER))]).incidents != threads[0]


def test_a_cause_that_moves_to_another_root_keeps_the_old_thread_too() -> None:
    changed = change(moved(Reason.CAUSE_CHANGED, cause="identity-deleted", before_cause="role-missing"), sequence=8)
    over = change(moved(Reason.RECOVERED, cause="identity-deleted"), sequence=9)
    first, second, third = (mailed([one]).incidents for one in (FAILED, changed, over))
    assert set(first) < set(second) > set(third)
    assert second[0] == third[0]


def test_blind_and_seen_again_are_one_thread_and_threads_are_few() -> None:
    blind = at("one", moved(Reason.BLIND, gap="look-not-allowed", after=Status.PASSING))
    again = at("one", moved(Reason.SEEN_AGAIN, after=Status.PASSING))
    assert mailed([blind]).incidents == mailed([again]).incidents
    many = [at(f"a{n}", moved(Reason.REGRESSED, registry=f"acr{n}.azurecr.io")) for n in range(50)]
    assert len(mailed(many).incidents) == MAX_INCIDENTS


def test_threads_are_of_a_route() -> None:
    items = items_of([FAILED])
    assert not set(mail_of(items, "1-a", "one").incidents) & set(mail_of(items, "1-a", "two").incidents)


def test_a_repeat_of_facets_is_folded_into_one_line_with_the_longest_time() -> None:
    older = replace(moved(Reason.REGRESSED, "access"), since=NOW - timedelta(days=2))
    (item,) = items_of([change(older, moved(Reason.REGRESSED, "pull"))])
    assert (item.facets, item.since) == (("access", "pull"), NOW - timedelta(days=2))
