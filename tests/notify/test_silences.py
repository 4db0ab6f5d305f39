"""Which failures a silence is of, for how long, and what of a mail or notice it keeps back: every matcher and edge."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.changes import Notice, NoticeKind, NoticeLine, Reason
from checks.notify.items import Item, ItemKind
from checks.notify.silences import (
    Matchers,
    Silence,
    SilenceKind,
    ended,
    item_silenced_by,
    silenced_by,
    without_silenced,
)
from checks.silences import LONGEST, MAX_REASON, harmless
from tests.support.reports import CLUSTER, REGISTRY

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GUID = CLUSTER.split("/")[2]


def silence(name: str = "one", kind: SilenceKind = SilenceKind.SILENCE, **more: Any) -> Silence:
    fields = {name: more.pop(name) for name in Matchers.__struct_fields__ if name in more}
    whole = {"author": "kim", "reason": "why", "created": NOW, "expires": NOW + 4 * HOUR} | more
    return Silence(id=name, kind=kind, matchers=Matchers(**fields), **whole)


def of(made: Silence, now: datetime = NOW, **more: Any) -> bool:
    """Whether it is of the failure of one registry's access, known in all respects."""
    subject = {"cluster_id": CLUSTER, "registry": REGISTRY, "facet": "access", "cause": "role-missing",
               "codes": ("PW102", "PW103")} | more  # fmt: skip
    return silenced_by([made], now=now, **subject) is not None


# Each matcher: values that match the failure, and values that do not.
MATCHING = {
    "subscription": [GUID, GUID.upper()],
    "cluster": [CLUSTER, CLUSTER.upper(), f"{CLUSTER}/", "aks-1", "AKS-1"],
    "registry": [REGISTRY, REGISTRY.upper()],
    "code": ["PW102", "pw103"],
    "cause": ["role-missing", "Role-Missing"],
}
OTHERS = {
    "subscription": [GUID.replace("1", "2"), GUID[:8], "*"],
    "cluster": [f"{CLUSTER}2", "aks", "aks-12", "ks-1", "*", CLUSTER[:-1], CLUSTER.rpartition("/")[0]],
    "registry": ["acrone", "acrone.azurecr", "acrtwo.azurecr.io", "*.azurecr.io"],
    "code": ["PW10", "PW101", "102"],
    "cause": ["role", "role-missing-2", "*"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in MATCHING for value in MATCHING[name]])
def test_a_matcher_matches_whole_values_in_any_case(name: str, value: str) -> None:
    assert of(silence(**{name: value}))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in OTHERS for value in OTHERS[name]])
def test_a_matcher_matches_nothing_else(name: str, value: str) -> None:
    assert not of(silence(**{name: value}))


@pytest.mark.parametrize("first", MATCHING)
@pytest.mark.parametrize("second", MATCHING)
def test_all_matchers_that_are_given_must_match(first: str, second: str) -> None:
    good, bad = {name: MATCHING[name][0] for name in MATCHING}, {name: OTHERS[name][0] for name in OTHERS}
    assert of(silence(**good))
    assert of(silence(**{first: good[first], second: good[second]}))
    assert not of(silence(**(good | {first: bad[first]})))
    if first != second:
        assert not of(silence(**{first: good[first], second: bad[second]}))


def test_a_silence_of_nothing_in_particular_is_of_nothing() -> None:
    assert not of(silence())
    assert not Matchers()


def test_what_is_unknown_of_a_failure_matches_no_matcher() -> None:
    for name in MATCHING:
        assert not of(silence(**{name: MATCHING[name][0]}), cluster_id="", registry="", cause="", codes=())


@pytest.mark.parametrize(("after", "more", "holds"), [
    (timedelta(0), {}, True),
    (4 * HOUR - timedelta(seconds=1), {}, True),
    (4 * HOUR, {}, False),
    (5 * HOUR, {}, False),
    # The clock of whoever made it is ahead: a little is nothing, more waits until then.
    (timedelta(0), {"created": NOW + timedelta(minutes=5)}, True),
    (timedelta(0), {"created": NOW + timedelta(minutes=6)}, False),
    (timedelta(0), {"created": NOW + timedelta(days=365), "expires": NOW + timedelta(days=366)}, False),
    # An expiry that is further ahead than any may be is void.
    (LONGEST - HOUR, {"expires": NOW + timedelta(days=3650)}, True),
    (LONGEST, {"expires": NOW + timedelta(days=3650)}, False),
    (LONGEST - HOUR, {"expires": NOW + LONGEST}, True),
    # It was ended.
    (HOUR, {"ended": NOW + 2 * HOUR}, True),
    (2 * HOUR, {"ended": NOW + 2 * HOUR}, False),
    (3 * HOUR, {"ended": NOW + 2 * HOUR}, False),
    (4 * HOUR, {"ended": NOW + 40 * HOUR}, False),
    # It expires before it was made.
    (timedelta(0), {"expires": NOW - HOUR}, False),
])  # fmt: skip
def test_it_holds_until_it_expires_or_is_ended(after: timedelta, more: dict[str, Any], holds: bool) -> None:
    made = silence(registry=REGISTRY, **more)
    assert of(made, NOW + after) == holds
    assert (ended([made], NOW + after) == (made,)) == made.is_over(NOW + after)
    assert not (holds and made.is_over(NOW + after))


def test_of_several_the_one_that_lasts_longest_holds_the_failure() -> None:
    short, long = silence("z", registry=REGISTRY), silence("a", cluster="aks-1", expires=NOW + 9 * HOUR)
    other = silence("b", registry="acrtwo.azurecr.io", expires=NOW + 99 * HOUR)
    found = silenced_by([short, long, other], CLUSTER, REGISTRY, "pull", "x", NOW)
    assert found == long


@pytest.mark.parametrize(("kind", "matchers", "since", "expected"), [
    (SilenceKind.ACK, {"cluster": CLUSTER}, NOW - HOUR, True),
    (SilenceKind.ACK, {"cluster": CLUSTER}, NOW + timedelta(minutes=5), True),
    (SilenceKind.ACK, {"cluster": CLUSTER}, NOW + timedelta(minutes=6), False),
    (SilenceKind.ACK, {"registry": REGISTRY}, NOW + timedelta(minutes=6), True),
    (SilenceKind.SILENCE, {"cluster": CLUSTER}, NOW + timedelta(minutes=6), True),
    (SilenceKind.ACK, {"cluster": CLUSTER}, None, True),
])  # fmt: skip
def test_what_began_after_a_cluster_s_failure_was_acknowledged_is_another_failure(
    kind: SilenceKind, matchers: dict[str, str], since: datetime | None, expected: bool
) -> None:
    assert of(silence(kind=kind, **matchers), NOW + HOUR, since=since) == expected


def item(kind: ItemKind, **more: Any) -> Item:
    fields = {"cluster": CLUSTER, "registry": REGISTRY, "facets": ("access", "pull"), "cause": "role-missing",
              "since": NOW - HOUR, "reason": Reason.REGRESSED, "codes": ("PW102",)} | more  # fmt: skip
    return Item(kind=kind, **fields)


@pytest.mark.parametrize("kind", ItemKind)
def test_failures_are_kept_back_and_recoveries_are_not(kind: ItemKind) -> None:
    ending = kind in (ItemKind.RECOVERED, ItemKind.SEEN_AGAIN, ItemKind.REMOVED)
    for matchers in ({"cluster": "aks-1"}, {"code": "PW102"}, {"cause": "role-missing", "registry": REGISTRY}):
        held = silence(**matchers)
        assert item_silenced_by([held], item(kind), NOW) == (None if ending else held)
    assert item_silenced_by([silence(code="PW101")], item(kind), NOW) is None


def test_that_nothing_is_known_is_kept_back_by_a_silence_of_the_cluster_and_of_no_registry() -> None:
    blind = item(ItemKind.BLIND, registry="", cause="not-allowed", codes=())
    assert item_silenced_by([silence(cluster="aks-1")], blind, NOW) is not None
    assert item_silenced_by([silence(registry=REGISTRY)], blind, NOW) is None


def line(cluster: str, **more: Any) -> NoticeLine:
    fields = {"registry": REGISTRY, "facets": ("pull",), "cause": "role-missing", "since": NOW, "codes": ("PW102",)}
    return NoticeLine(cluster=cluster, **(fields | more))


@pytest.mark.parametrize("kind", NoticeKind)
def test_of_notices_those_of_failures_leave_out_what_is_silenced(kind: NoticeKind) -> None:
    lines = (line(CLUSTER), line(f"{CLUSTER}2"), line(f"{CLUSTER}3", codes=("PW101",)))
    notice = Notice(kind=kind, run="r", sequence=1, at=NOW, title="t", facts=("f",), lines=lines, more=2)
    left = without_silenced(notice, [silence(cluster="aks-1"), silence(code="pw101")], NOW)
    if kind in (NoticeKind.BASELINE, NoticeKind.REMINDER):
        fact = "2 more are silenced or acknowledged, and not listed."
        assert left == msgspec.structs.replace(notice, lines=lines[1:2], facts=("f", fact))
    else:
        assert left == notice
    assert without_silenced(notice, [silence(cluster="aks-4")], NOW) == notice


@given(st.text(max_size=3000))
def test_what_somebody_wrote_is_one_bounded_line(text: str) -> None:
    kept = harmless(text, MAX_REASON)
    assert len(kept) <= MAX_REASON
    assert kept.isprintable()


def test_what_somebody_wrote_holds_no_secret() -> None:
    kept = harmless("use AccountKey=" + "Q" * 86 + "== for\r\nnow\x1b[31m", MAX_REASON)
    assert "QQQQ" not in kept
    assert kept.endswith("for  now [31m")
