"""Whose calls a registry logged: never somebody's who could not be told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from checks.facts import Seen
from checks.facts.registry_log import LogEntry, LoggedCall
from checks.rules.registry_log.callers import Callers
from tests.support.logged_calls import Place, callers, cluster_at, entry, networks, turned_away

ALONE = Place(name="aks-alone", number=1, exit="balancer")
NAT = Place(name="aks-nat", number=2, exit="nat 1")


def told(places: list[Place], logged: LogEntry, *, whole: bool = True) -> dict[str, LoggedCall]:
    calls = callers(places, whole=whole).calls_by_cluster([logged])
    names = {cluster_at(place).id.lower(): place.name for place in places}
    return {names[key]: call for key, (call,) in calls.items()}


def accused(places: list[Place], logged: LogEntry, *, whole: bool = True) -> list[str]:
    return [name for name, call in told(places, logged, whole=whole).items() if call.told_apart]


@pytest.mark.parametrize("status", [200, 401, 404])
def test_the_identity_that_aks_made_is_one_clusters(status: int) -> None:
    other = Place(name="aks-other", number=3, exit="nat 1")
    assert accused([NAT, other], entry(NAT, status)) == ["aks-nat"]
    assert accused([NAT, other], entry(NAT, status), whole=False) == ["aks-nat"]
    assert accused([NAT, other], entry(NAT, status, address="not an address")) == ["aks-nat"]
    assert accused([NAT, other], entry(NAT, status, address="fd40:8dba:2::7")) == ["aks-nat"]
    assert accused([NAT, other], entry(NAT, status, address=f"{NAT.address}:5000")) == ["aks-nat"]


@pytest.mark.parametrize(
    "address", ["99.1.1.1", "99.1.1.1:5000", "::ffff:99.1.1.1", "2a01:111::7", "2001:db8::1", "[2001:db8::1]:443"]
)
def test_from_an_address_that_no_node_has_it_may_be_somebody_else_with_the_identity(address: str) -> None:
    assert accused([ALONE], entry(ALONE, 404, address=address)) == []
    assert set(told([ALONE], entry(ALONE, 404, address=address))) == {"aks-alone"}


def test_a_client_id_in_any_case_will_do() -> None:
    kubelet = cluster_at(ALONE).kubelet
    assert kubelet is not None and kubelet.client_id is not None
    assert accused([ALONE], entry(ALONE, 404, identity=kubelet.client_id.upper())) == ["aks-alone"]


def test_a_shared_identity_takes_an_address_that_only_one_of_them_has() -> None:
    one, two = (Place(name=f"aks-{n}", number=n, exit="balancer", identity="shared") for n in (4, 5))
    assert accused([one, two], entry(one, 404)) == ["aks-4"]
    assert accused([one, two], entry(two, 404, address=two.node)) == ["aks-5"]
    assert accused([one, two], entry(one, 404), whole=False) == []
    both = told([one, two], entry(one, 404, address=""))
    assert {name: call.others for name, call in both.items()} == {"aks-4": ("aks-5",), "aks-5": ("aks-4",)}


def test_a_shared_identity_behind_a_firewall_that_azure_does_not_show_is_nobodys() -> None:
    one = Place(name="aks-4", number=4, exit="balancer", identity="shared")
    hub = Place(name="aks-hub", number=5, exit="hub", identity="shared")
    assert accused([one, hub], entry(hub, 404)) == []
    assert set(told([one, hub], entry(hub, 404))) == {"aks-hub"}, "the other one leaves by its own addresses only"
    assert accused([one, hub], entry(one, 404)) == [], "the one behind the hub may leave by any address"


def test_who_the_registrys_firewall_turned_away_is_known_by_an_address_of_ones_own() -> None:
    assert accused([ALONE, NAT], turned_away(ALONE)) == ["aks-alone"]
    assert accused([ALONE, NAT], turned_away(NAT)) == ["aks-nat"], "no other subnet is behind this NAT gateway"


@pytest.mark.parametrize("exit_", ["nat 1", "nat 1 too"])
def test_a_shared_nat_address_accuses_nobody(exit_: str) -> None:
    neighbour = Place(name="aks-next", number=3, exit="nat 1")
    places = [NAT, neighbour] if exit_ == "nat 1" else [Place(name="aks-nat", number=2, exit=exit_)]
    logged = turned_away(NAT)
    assert accused(places, logged) == []
    assert {call.others for call in told(places, logged).values()} <= {("aks-next",), ("aks-nat",), ()}
    assert told(places, logged), "but it is said that it may have been one of them"


def test_nobody_is_meant_by_an_address_alone_where_not_the_firewall_refused() -> None:
    for status in (401, 404, 429):
        assert told([ALONE], entry(ALONE, status, identity="")) == {}
        assert told([ALONE], entry(ALONE, status, identity="00000000-0000-0000-0000-000000000000")) == {}
        assert told([ALONE], entry(ALONE, status, identity="a-token-of-the-registry")) == {}


def test_who_is_let_in_matters_only_from_an_own_address_that_the_firewall_refused() -> None:
    token = entry(ALONE, 200, identity="a-token-of-the-registry")
    assert told([ALONE], token) == {}
    key = cluster_at(ALONE).id.lower()
    (_, let_in) = callers([ALONE]).calls_by_cluster([turned_away(ALONE), token])[key]
    assert (let_in.told_apart, let_in.as_another) == (True, True)
    shared = [NAT, Place(name="aks-next", number=3, exit="nat 1")]
    calls = callers(shared).calls_by_cluster([turned_away(NAT), entry(NAT, 200, identity="a-token-of-the-registry")])
    assert [[call.told_apart for call in own] for own in calls.values()] == [[False], [False]]


def test_pods_with_a_subnet_of_their_own_behind_the_same_nat_gateway_are_the_clusters() -> None:
    place = Place(name="aks-nat", number=2, exit="nat 1 too")
    cluster = cluster_at(place)
    of_pods = next(one for one in _subnet_ids(place) if "machines" in one)
    with_pods = structs.replace(cluster, pools=(structs.replace(cluster.pools[0], pod_subnet_id=of_pods.upper()),))
    for one, expected in ((cluster, False), (with_pods, True)):
        calls = Callers([one], networks([place]), whole=True).calls_by_cluster([turned_away(place)])
        assert [call.told_apart for (call,) in calls.values()] == [expected]


def _subnet_ids(place: Place) -> list[str]:
    listed = networks([place]).of(cluster_at(place).id)
    assert listed is not None and isinstance(listed.virtual_networks, Seen)
    return [subnet.id for network in listed.virtual_networks.value.values() for subnet in network.subnets]


def test_pods_in_a_subnet_that_another_cluster_has_too_are_not_its_alone() -> None:
    place = Place(name="aks-nat", number=2, exit="nat 1 too")
    of_pods = next(one for one in _subnet_ids(place) if "machines" in one)
    with_pods = structs.replace(cluster_at(place).pools[0], pod_subnet_id=of_pods)
    own = structs.replace(cluster_at(place), pools=(with_pods,))
    next_one = Place(name="aks-next", number=3, exit="balancer")
    neighbour = structs.replace(cluster_at(next_one), pools=(structs.replace(with_pods, vnet_subnet_id=None),))
    calls = Callers([own, neighbour], networks([place]), whole=True).calls_by_cluster([turned_away(place)])
    assert not any(call.told_apart for each in calls.values() for call in each)


def test_another_clusters_identity_that_is_let_in_from_ones_own_address_opens_it() -> None:
    other = Place(name="aks-other", number=5, exit="balancer")
    pulled = entry(other, 200, address=ALONE.address)
    calls = callers([ALONE, other]).calls_by_cluster([turned_away(ALONE), pulled])
    (_, let_in) = calls[cluster_at(ALONE).id.lower()]
    assert (let_in.as_another, let_in.entry) == (True, pulled)


PLACES = st.lists(
    st.tuples(
        st.sampled_from(["balancer", "nat 1", "nat 2", "nat 2 too", "hub"]),
        st.sampled_from(["", "", "shared-1", "shared-2"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
).map(
    lambda rows: [
        Place(name=f"aks-{n}", number=n, exit=way, identity=identity, seen=seen or way.startswith("nat"))
        for n, (way, identity, seen) in enumerate(rows, 1)
    ]
)


@given(PLACES, st.data())
def test_who_is_accused_made_the_call(places: list[Place], data: st.DataObject) -> None:
    """Whoever calls, and whatever of it the registry logs. Clusters that cannot be seen have exits of their own."""
    caller = data.draw(st.sampled_from(places))
    status = data.draw(st.sampled_from([200, 401, 403, 404, 429]))
    address = data.draw(st.sampled_from([caller.address, caller.node, ""]))
    identity = data.draw(st.sampled_from([caller.principal, ""]))
    over = {"address": address} if status == 403 else {"address": address, "identity": identity}
    logged = turned_away(caller, **over) if status == 403 else entry(caller, status, **over)
    assert set(accused(places, logged)) <= {caller.name}
    assert accused(places, logged, whole=False) == [] or not caller.identity


def test_machines_behind_the_same_nat_gateway_may_have_a_brought_identity_too() -> None:
    place = Place(name="aks-nat", number=2, exit="nat 1 too", identity="brought")
    assert accused([place], entry(place, 404)) == []
    assert accused([place], entry(place, 404, address=place.node)) == ["aks-nat"]


def test_an_identity_from_where_no_node_can_be_is_not_taken_for_the_clusters() -> None:
    assert accused([ALONE], entry(ALONE, 404, address="52.1.1.1")) == []
    assert told([ALONE], entry(ALONE, 404, address="52.1.1.1"))["aks-alone"].others == ()


def test_namesakes_are_told_with_their_groups() -> None:
    one, two = (Place(name="aks-4", number=n, exit="nat 1", identity="shared") for n in (4, 5))
    clusters = [cluster_at(one), structs.replace(cluster_at(two), id=cluster_at(two).id.replace("/rg/", "/other/"))]
    calls = Callers(clusters, networks([one]), whole=True).calls_by_cluster([entry(one, 404, address="")])
    assert {call.others[0].split(" of ")[0] for (call,) in calls.values()} == {"aks-4 in rg", "aks-4 in other"}


@pytest.mark.parametrize("stopped", ["count", "power"])
def test_a_cluster_that_was_stopped_just_now_may_have_called_before(stopped: str) -> None:
    neighbour = cluster_at(Place(name="aks-next", number=3, exit="nat 1"))
    pool = structs.replace(neighbour.pools[0], **({"count": 0} if stopped == "count" else {"power_state": "Stopped"}))
    places = [NAT, Place(name="aks-next", number=3, exit="nat 1")]
    clusters = [cluster_at(NAT), structs.replace(neighbour, pools=(pool,))]
    calls = Callers(clusters, networks(places), whole=True).calls_by_cluster([turned_away(NAT)])
    assert calls and not any(call.told_apart for (call,) in calls.values())


def test_behind_an_appliance_private_addresses_may_be_anybodys() -> None:
    hub = Place(name="aks-hub", number=4, exit="hub", identity="shared")
    other = Place(name="aks-5", number=5, exit="balancer", identity="shared")
    assert accused([hub, other], entry(hub, 404, address=other.node)) == []
    alone = Place(name="aks-hub", number=4, exit="hub")
    assert accused([alone], entry(alone, 404, address="10.255.0.4")) == ["aks-hub"], "the appliance's address"
