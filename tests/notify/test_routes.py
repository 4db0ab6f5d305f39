"""Who is notified of a change: settings and tags of all kinds, and what each route is notified of."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import settings
from checks.changes import Change, Reason, Status, Transition
from checks.notify.incidents import items_of, mail_of
from checks.notify.items import ItemKind
from checks.notify.routes import Route, Threshold, notice_route, outside, routes_of, wanted
from checks.settings import SettingError, Settings
from tests.support.reports import CLUSTER, REGISTRY

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
GUID = CLUSTER.split("/")[2]
OTHER = "22222222-2222-4222-8222-222222222222"
TEAM = ("team@contoso.example", "lead@contoso.example")


def loaded(**more: str) -> Settings:
    environment = {"PULLWATCH_MAIL_TO": ",".join(TEAM)} | {f"PULLWATCH_{name}": value for name, value in more.items()}
    return settings.load(environment)


def change(*notify: str, cluster: str = CLUSTER, **moved: Any) -> Change:
    step = {
        "registry": REGISTRY, "facet": "pull", "before": Status.PASSING, "after": Status.FAILING,
        "reason": Reason.REGRESSED, "since": NOW, "cause": "role-missing", "alert": True,
    } | moved  # fmt: skip
    return Change(cluster=cluster, run="r", sequence=1, at=NOW, transitions=(Transition(**step),), notify=notify)


def names(routes: tuple[Route, ...]) -> dict[str, tuple[str, ...]]:
    return {route.name: route.recipients for route in routes}


def test_the_default_route_comes_first_and_is_all_that_notices_go_to() -> None:
    (route,) = routes_of(change(), loaded())
    assert route == notice_route(loaded())
    assert route == Route(name="", recipients=TEAM, at_least=Threshold.FAILING, why="PULLWATCH_MAIL_TO names you")


def test_without_anybody_named_the_sender_gets_them() -> None:
    assert notice_route(settings.load({})).recipients == ("pullwatch@localhost",)


ROUTES = f"{GUID}=a@other.example, b@other.example; {OTHER}=c@other.example"


@pytest.mark.parametrize(("cluster", "added"), [
    (CLUSTER, {f"subscription:{GUID}": ("a@other.example", "b@other.example")}),
    (CLUSTER.upper(), {f"subscription:{GUID}": ("a@other.example", "b@other.example")}),
    (CLUSTER.replace(GUID, OTHER), {f"subscription:{OTHER}": ("c@other.example",)}),
    (CLUSTER.replace(GUID, GUID.replace("1", "3")), {}),
    ("no id at all", {}),
])  # fmt: skip
def test_a_subscription_s_route_is_added(cluster: str, added: dict[str, tuple[str, ...]]) -> None:
    assert names(routes_of(change(cluster=cluster), loaded(ROUTES=ROUTES))) == {"": TEAM, **added}


@pytest.mark.parametrize(("tag", "more", "added"), [
    (("app@contoso.example",), {}, ["app@contoso.example"]),
    (("App@Contoso.Example",), {}, ["App@Contoso.Example"]),
    (("app@contoso.example", "ops@contoso.example"), {}, ["app@contoso.example", "ops@contoso.example"]),
    (("app@evil.example",), {}, []),
    (("app@sub.contoso.example",), {}, []),
    (("app@contoso.example.evil.example",), {}, []),
    (("team@contoso.example", "LEAD@contoso.example"), {}, []),
    (("app@contoso.example", "APP@contoso.example"), {}, ["app@contoso.example"]),
    (("app@contoso.example",), {"NOTIFY_DOMAINS": "none"}, []),
    (("app@contoso.example", "x@fabrikam.example"), {"NOTIFY_DOMAINS": "Fabrikam.example"}, ["x@fabrikam.example"]),
    (("a@other.example", "z@other.example"), {"NOTIFY_DOMAINS": "other.example", "ROUTES": f"{GUID}=a@other.example"},
     ["z@other.example"]),
    (tuple(f"p{number}@contoso.example" for number in range(9)), {},
     [f"p{number}@contoso.example" for number in range(5)]),
    (("no address@contoso.example", "x\r\nBcc: y@contoso.example", "@contoso.example"), {}, []),
])  # fmt: skip
def test_a_tag_s_addresses_are_added_within_the_allowed_domains(
    tag: tuple[str, ...], more: dict[str, str], added: list[str]
) -> None:
    routes = routes_of(change(*tag), loaded(**more))
    assert routes[0].recipients == TEAM
    tagged = [route for route in routes if route.name.startswith("tag:")]
    assert [(route.name, route.recipients) for route in tagged] == [(f"tag:{a.lower()}", (a,)) for a in added]
    assert all(route.why == "the tag pullwatch-notify of the cluster aks-1 names you" for route in tagged)


def test_what_a_tag_names_in_vain_is_known() -> None:
    given = change("app@contoso.example", "x@evil.example")
    assert outside(given.notify, loaded()) == ("x@evil.example",)
    assert outside(given.notify, loaded(NOTIFY_DOMAINS="none")) == given.notify


@pytest.mark.parametrize(("levels", "left"), [
    ("failing", {"": TEAM}),
    ("down", {"": TEAM}),
    ("subscriptions=down", {"": TEAM}),
    ("tags=down", {"": TEAM}),
    ("default=down", {"": TEAM, f"subscription:{GUID}": TEAM[:1], "tag:lead@contoso.example": TEAM[1:]}),
    (f"default=down,{GUID}=down", {"": TEAM, "tag:lead@contoso.example": TEAM[1:]}),
    ("default=down,tags=down", {"": TEAM, f"subscription:{GUID}": TEAM[:1]}),
])  # fmt: skip
def test_nobody_is_in_a_narrower_route_that_brings_nothing_new(levels: str, left: dict[str, tuple[str, ...]]) -> None:
    routes = f"{GUID}=team@contoso.example"
    given = change("lead@contoso.example")
    assert names(routes_of(given, loaded(ROUTES=routes, MAIL_AT_LEAST=levels))) == left


@pytest.mark.parametrize(("levels", "expected"), [
    ("failing", ["failing"] * 3),
    ("Down", ["down"] * 3),
    ("tags=down", ["failing", "failing", "down"]),
    ("subscriptions=down, default=failing", ["failing", "down", "failing"]),
    (f"{GUID}=down", ["failing", "down", "failing"]),
    (f"subscriptions=down,{GUID.upper()}=failing", ["failing", "failing", "failing"]),
])  # fmt: skip
def test_each_route_has_its_threshold(levels: str, expected: list[str]) -> None:
    made = loaded(ROUTES=f"{GUID}=a@other.example", MAIL_AT_LEAST=levels)
    assert [route.at_least.value for route in routes_of(change("app@contoso.example"), made)] == expected


@pytest.mark.parametrize("facet", ["access", "path", "pull", "images"])
@pytest.mark.parametrize(("before", "after", "reason"), [
    (Status.PASSING, Status.FAILING, Reason.REGRESSED),
    (Status.FAILING, Status.FAILING, Reason.CAUSE_CHANGED),
    (Status.FAILING, Status.PASSING, Reason.RECOVERED),
    (Status.FAILING, None, Reason.GONE),
    (Status.FAILING, Status.FAILING, Reason.BLIND),
    (Status.FAILING, Status.FAILING, Reason.SEEN_AGAIN),
])  # fmt: skip
def test_a_recovery_is_wanted_where_its_failure_was(
    facet: str, before: Status, after: Status | None, reason: Reason
) -> None:
    given = change(facet=facet, before=before, after=after, reason=reason)
    sight = reason in (Reason.BLIND, Reason.SEEN_AGAIN)
    (item,) = (item for section in mail_of(items_of([given]), "m").sections for item in section.items)
    for told in (given.transitions[0], item):
        assert wanted(told, Route(name="", recipients=TEAM))
        assert wanted(told, Route(name="", recipients=TEAM, at_least=Threshold.DOWN)) == (facet == "pull" and not sight)
    assert item.kind in ItemKind


@pytest.mark.parametrize(("name", "value", "wrong"), [
    ("ROUTES", "a@b.example", "takes <subscription id>=<addresses"),
    ("ROUTES", "team=a@b.example", "'team=a@b.example' is none"),
    ("ROUTES", f"{GUID}=", f"at least one address for each subscription; {GUID} has none"),
    ("ROUTES", f"{GUID}=a@b.example;{GUID.upper()}=c@d.example", f"{GUID} is there twice"),
    ("ROUTES", f"{GUID}=a@b.example c@d.example", "takes addresses, separated by commas"),
    ("NOTIFY_DOMAINS", "@contoso.example", "takes domains, separated by commas; '@contoso.example' is none"),
    ("NOTIFY_DOMAINS", "*.example", "is none"),
    ("MAIL_AT_LEAST", "loud", "takes failing or down, or <route>=<one of them>"),
    ("MAIL_AT_LEAST", "tags=loud", "'tags=loud' is neither"),
    ("MAIL_AT_LEAST", "everybody=down", "'everybody=down' is neither"),
    ("MAIL_AT_LEAST", f"{GUID}=down", f"names {GUID}, for which PULLWATCH_ROUTES has nobody"),
])  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused_by_name(name: str, value: str, wrong: str) -> None:
    with pytest.raises(SettingError) as error:
        loaded(**{name: value})
    assert f"PULLWATCH_{name}" in str(error.value)
    assert wrong in str(error.value)


@given(st.lists(st.text(max_size=40), max_size=8))
def test_whatever_a_tag_says_the_default_route_stays_and_nobody_outside_is_added(words: list[str]) -> None:
    routes = routes_of(change(*words, "app@contoso.example"), loaded())
    assert routes[0].recipients == TEAM
    assert all(address.lower().endswith("@contoso.example") for route in routes for address in route.recipients)
    assert len(routes) <= 6
