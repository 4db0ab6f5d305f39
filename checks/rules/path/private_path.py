"""The private path: endpoints that are approved and in reach (PW203), names that lead to them (PW204)."""

from __future__ import annotations

from ipaddress import IPv4Address

from checks.facts import NotSeen, NotSeenReason, Seen
from checks.facts.network import PrivateEndpoint, VirtualNetwork, Zone
from checks.findings import Fail, Pass, Severity, Unknown
from checks.rules.fixes import az_network as fix
from checks.rules.fixes import shell
from checks.rules.path.context import PathContext
from checks.rules.path.destinations import suffix_of
from checks.rules.path.dns import resolve
from checks.rules.path.names.zones import Resolution, ResolvesTo
from checks.rules.path.private_endpoints import Candidate, Reach
from checks.rules.path.unseen_zones import zones_holding
from checks.rules.results import Result, fails, for_layers, not_seen, passes, skipped, unknown

_ORDER = (Pass, Unknown, Fail)


def endpoint(context: PathContext, one: Candidate) -> Result:
    """PW203 for one endpoint: its state, then whether the nodes reach it."""
    status = (one.status or "").lower()
    if status in ("pending", "rejected", "disconnected"):
        fix_commands = (
            (fix.approve_connection(context.registry, one.connection.name),)
            if one.connection and status != "disconnected"
            else ()
        )
        again = (
            *fix.bring_private_endpoint(context.registry, context.node_subnet.network, context.node_subnet.subnet),
        )
        summary = f"The private endpoint {one.name} of {context.registry.name} is {one.status}, not Approved."
        return fails(f"endpoint-{status}", summary, *(fix_commands or again))
    if status != "approved":
        summary = f"The state of the private endpoint {one.name} is {one.status or 'not shown'}."
        return unknown("endpoint-state-unclear", summary, "the state of the private endpoint connection")
    if isinstance(one.endpoint, NotSeen):
        return not_seen(one.endpoint, f"The private endpoint {one.name}")
    return _reached(context, one, one.endpoint)


def _reached(context: PathContext, one: Candidate, private_endpoint: PrivateEndpoint) -> Result:
    home = "an unknown network" if isinstance(one.home, NotSeen) else one.home[0].name
    own_network = context.node_subnet.network.name
    if one.reach is Reach.SAME:
        return passes("endpoint-in-network", f"The private endpoint {one.name} is approved and lies in {own_network}.")
    if one.reach is Reach.PEERED:
        summary = (
            f"The private endpoint {one.name} is approved and lies in {home}, peered with {own_network} both ways."
        )
        return passes("endpoint-in-peer", summary)
    if one.reach is Reach.GROUP:
        connected = f"lies in {home}, which a network manager connects with {own_network} in a connected group"
        return passes("endpoint-in-connected-group", f"The private endpoint {one.name} is approved and {connected}.")
    if one.reach is Reach.HUB and one.hub is not None:
        connected = f"lies in {home}, which the virtual hub {one.hub.why} connects with {own_network}"
        return passes("endpoint-behind-hub", f"The private endpoint {one.name} is approved and {connected}.")
    if one.gap is not None and one.reach is not Reach.MANAGED:
        return not_seen(one.gap, f"The network managers that may connect {home} with {own_network}")
    if one.reach.blocked:
        cause = "endpoint-out-of-reach" if one.reach is Reach.NONE else "peering-not-connected"
        why = "which is not peered with" if one.reach is Reach.NONE else "whose peering is not connected both ways with"
        summary = f"The private endpoint {one.name} lies in {home}, {why} {own_network}."
        return fails(cause, summary, *_peerings(context, one))
    if isinstance(one.home, NotSeen):
        return not_seen(one.home, f"The network of the private endpoint {one.name}")
    description = {
        Reach.NO_ACCESS: "allowVirtualNetworkAccess of the peering is off, so security rules decide",
        Reach.PARTLY: "only some subnets of the two networks are peered",
        Reach.TRANSIT: "an appliance, a gateway or a hub that cannot be read may lead there",
        Reach.HUB_ROUTING: "a virtual hub decides",
        Reach.MANAGED: "no peering is listed, but a network manager's scope holds both, which may connect them",
        Reach.HIDDEN: "one of the two networks cannot be read",
    }[one.reach]
    if one.reach in (Reach.TRANSIT, Reach.HUB_ROUTING) and one.hub is not None and one.hub.why:
        description = one.hub.why
    summary = f"The private endpoint {private_endpoint.name} lies in {home}, seen from {own_network}: {description}."
    if one.gap is not None:
        summary = f"{summary} What is in effect could not be read: {one.gap.detail}"
        # The action is one more than what scans ask for: to lack it is no read that failed.
        failed = one.gap.why is not NotSeenReason.NOT_ALLOWED
        missing = one.gap.role or one.gap.detail
        return unknown("endpoint-network-manager", summary, missing, look_failed=failed, fix=one.gap.fix)
    return unknown(f"endpoint-{one.reach.value}", summary, "whether traffic gets to the endpoint's network")


def _peerings(context: PathContext, one: Candidate) -> tuple[str, ...]:
    """The sides of the peering that are missing or not connected."""
    own_virtual_network = context.node_subnet.network
    if isinstance(one.home, NotSeen):
        return ()
    home = one.home[0]
    back = next(
        (p for p in home.peerings if p.remote_id.rstrip("/").lower() == own_virtual_network.id.rstrip("/").lower()),
        None,
    )
    commands: tuple[str, ...] = ()
    for near, far, side in ((own_virtual_network, home, one.peering), (home, own_virtual_network, back)):
        if side is None:
            commands += fix.create_peering(near, far.id)
        elif (side.state or "").lower() == "disconnected":
            commands += fix.create_peering(near, far.id, side.name)
    return commands


def best(context: PathContext) -> Result:
    """PW203 for the best of all endpoints; where there is none at all, that nothing private leads in."""
    if not context.endpoints:
        return fails(
            "no-private-endpoint",
            f"{context.registry.name} has no private endpoint.",
            *fix.bring_private_endpoint(context.registry, context.node_subnet.network, context.node_subnet.subnet),
        )
    answers = [endpoint(context, one) for one in context.endpoints]
    return min(answers, key=_rank)


def _rank(answer: Result) -> int:
    return next(rank for rank, kind in enumerate(_ORDER) if isinstance(answer.verdict, kind))


def owners(context: PathContext, one: IPv4Address, host: str) -> list[Candidate]:
    """The endpoints of the registry that have an address for a name."""
    return [candidate for candidate in context.endpoints if one in candidate.addresses(host)]


def taken(context: PathContext, resolution: Resolution) -> Result:
    """PW203 for the endpoints that the login server's name resolves to: all of them have to hold."""
    own_candidates = [owned for one in resolution.addresses if (owned := owners(context, one, resolution.host))]
    if not own_candidates:
        unread = next((one for one in context.endpoints if not one.readable), None)
        if unread is None:
            return skipped("record-elsewhere", "the name resolves to none of the registry's private endpoints")
        answer = endpoint(context, unread)
        if isinstance(answer.verdict, Pass):
            summary = f"The addresses of the private endpoint {unread.name} cannot be read."
            return unknown("endpoint-addresses", summary, "the endpoint's network interface")
        return answer if isinstance(answer.verdict, Unknown) else best(context)
    if _overwritten(context, resolution) is not None:
        return skipped("record-elsewhere", "the name resolves to an endpoint that is out of reach, not to one in reach")
    # Networks may share an address space: of several endpoints with one address, the one in reach counts.
    answers = [min((endpoint(context, one) for one in owned), key=_rank) for owned in own_candidates]
    return max(answers, key=_rank)


def record(context: PathContext, resolution: Resolution) -> Result:
    """PW204 for one name that a linked zone answers: it leads to an address of one of the registry's endpoints."""
    wrong = [one for one in resolution.addresses if not owners(context, one, resolution.host)]
    near = _overwritten(context, resolution)
    if not wrong and near is not None:
        return _names_the_other(context, resolution, near)
    what = "login" if resolution.host == context.login else "data"
    zone = resolution.zone.name if resolution.zone else "a private DNS zone"
    zone += f" of {_view(context, resolution).name}" if resolution.through else ""
    if not wrong:
        summary = f"{resolution.host} resolves to {_list(resolution.addresses)} by the zone {zone}{_way(resolution)}."
        return passes("names-lead-in", summary)
    gap = next((one for one in context.endpoints if not one.readable), None)
    summary = f"In {zone}{_way(resolution)}, {resolution.host} resolves to {_list(tuple(wrong))}"
    if gap is not None:
        if isinstance(gap.endpoint, NotSeen):
            return not_seen(gap.endpoint, f"The private endpoint {gap.name}, whose address {resolution.host} may have,")
        question = f"{summary}; whether the private endpoint {gap.name} has that address cannot be read."
        return unknown("endpoint-addresses", question, "the endpoint's network interface")
    right = _right(context, resolution.host)
    if set(resolution.addresses) - set(wrong):
        return _one_of_several(what, resolution, summary, wrong)
    expected = f"; the endpoint has {_list(right)}" if right else "; no endpoint of the registry has that address"
    fix_commands = _fix_record(resolution.zone, resolution.host, wrong, right) if resolution.zone else ()
    return fails(f"{what}-record-wrong", f"{summary}{expected}.{_older(resolution)}", *fix_commands)


def _one_of_several(what: str, resolution: Resolution, summary: str, wrong: list[IPv4Address]) -> Result:
    """A right address stands beside wrong ones: it stays, the others go."""
    beside = ", ".join(str(one) for one in resolution.addresses if one not in wrong)
    fix_commands = _fix_record(resolution.zone, resolution.host, wrong, ()) if resolution.zone else ()
    return fails(f"{what}-record-wrong", f"{summary} beside {beside}, which is the endpoint's.", *fix_commands)


def _overwritten(context: PathContext, resolution: Resolution) -> Candidate | None:
    """An endpoint in reach that a name should resolve to, where the record names only endpoints out of reach.

    Two endpoints of one registry that share a zone overwrite each other's record. Source: "Azure Private Endpoint
    private DNS zone values", second caution.
    """
    owned = [c for one in resolution.addresses for c in owners(context, one, resolution.host)]
    if not owned or not all(candidate.reach.blocked for candidate in owned):
        return None
    approved = (one for one in context.endpoints if one.approved and one.reach.certain)
    return next((one for one in approved if one.addresses(resolution.host)), None)


def _names_the_other(context: PathContext, resolution: Resolution, near: Candidate) -> Result:
    """The record is another endpoint's: it is changed only where no other network needs it as it is."""
    what = "login" if resolution.host == context.login else "data"
    zone, right = resolution.zone, near.addresses(resolution.host)
    summary = (
        f"{resolution.host} resolves to {_list(resolution.addresses)}, a private endpoint of the registry that is out "
        f"of reach; the endpoint {near.name}, which is in reach, has {_list(right)}."
    )
    links = len(zone.links.value) if zone is not None and isinstance(zone.links, Seen) else 0
    if zone is None or links != 1 or zone.link_count not in (None, 1):
        own = context.node_subnet.network.name
        apart = shell.note(f"Other networks use this record. Give {own} a zone of its own with those of {near.name}.")
        return fails(f"{what}-record-wrong", summary, apart)
    fix_commands = _fix_record(zone, resolution.host, list(resolution.addresses), right)
    return fails(f"{what}-record-wrong", summary, *fix_commands)


def _right(context: PathContext, host: str) -> tuple[IPv4Address, ...]:
    """The addresses a name should have: those of an approved endpoint in reach, else of any approved one."""
    approved = [one for one in context.endpoints if one.approved]
    near = [one for one in approved if one.reach.certain] or approved
    return near[0].addresses(host) if near else ()


def _fix_record(zone: Zone, host: str, wrong: list[IPv4Address], right: tuple[IPv4Address, ...]) -> tuple[str, ...]:
    name = relative(zone, host)
    gone = tuple(fix.change_record("remove-record", zone, name, str(one)) for one in wrong)
    return (*gone, *(fix.change_record("add-record", zone, name, str(one)) for one in right))


def relative(zone: Zone, host: str) -> str:
    """A host's name in a zone: the domain itself, ``privatelink.*``, or a region's ``*.data.privatelink.*``."""
    above, private, suffix = zone.name.rpartition("privatelink.")
    name = f"{host.removesuffix(f'.{suffix}')}.privatelink.{suffix}" if private and above else host
    below = zone.name if above else zone.name.removeprefix("privatelink.")
    return name.removesuffix(f".{below}") if name != below else "@"


def absent(context: PathContext, resolution: Resolution, *, severity: Severity = Severity.ERROR) -> Result:
    """PW204 for a name that the linked zone lacks: it does not exist for the nodes."""
    what = "login" if resolution.host == context.login else "data"
    zone, link = resolution.zone, resolution.link
    if resolution.loops:
        return _looping(context, resolution, severity)
    add = _missing_records(context, resolution) if what == "login" else _added(context, resolution)
    redirect = (fix.enable_public_fallback(zone, link),) if zone and link and not add else ()
    effect = "the name does not exist for the nodes" if what == "login" else "the login works, the layers time out"
    linked = f"The zone {zone.name if zone else ''} is linked to {_view(context, resolution).name}{_way(resolution)},"
    summary = f"{linked} and has no record of {resolution.host}"
    whole = f"{summary}: {effect}.{_older(resolution)}"
    return fails(f"{what}-record-missing", whole, *(add or redirect), severity=severity)


def _missing_records(context: PathContext, login: Resolution) -> tuple[str, ...]:
    """The login server's record, and those of the data endpoints that the same zone lacks: layers fail next."""
    lookups = (resolve(context.facts, context.node_subnet, context.registry, host) for host in context.data_hosts())
    data = [one for one in lookups if one.resolves_to is ResolvesTo.ABSENT and one.zone == login.zone]
    return tuple(command for one in (login, *data) for command in _added(context, one))


def _looping(context: PathContext, resolution: Resolution, severity: Severity) -> Result:
    """A ruleset is linked to the very network in which its target answers: the name goes round. A zone would end it."""
    view = _view(context, resolution)
    summary = (
        f"{resolution.host} is sent in a circle: {resolution.through[-1]}, sends it to a server that answers as "
        f"{view.name} does, and no zone linked to {view.name} answers it, so the name does not exist for the nodes."
        f"{_older(resolution)}"
    )
    apart = shell.note(f"Or unlink the ruleset from {view.name}, in which its own target answers.")
    return fails("resolution-loop", summary, *_link_zone(context, view), apart, severity=severity)


def unlinked(context: PathContext, resolution: Resolution) -> Result:
    """PW204 where public access is off and no zone that is linked where names are answered knows the registry."""
    zone, network = f"privatelink.{suffix_of(context.registry)}", _view(context, resolution)
    where = f", which answers the nodes{_way(resolution)}" if resolution.through else ""
    if resolution.redirected and resolution.zone is not None:
        summary = (
            f"The zone {resolution.zone.name} is linked to {network.name}{where} and has no record of {context.login}, "
            f"which resolves to the public endpoint then (NxDomainRedirect), which is closed.{_older(resolution)}"
        )
        return fails("login-record-missing", summary, *_missing_records(context, resolution))
    summary = (
        f"No private DNS zone {zone} is linked to {network.name}{where}: {context.login} resolves to the public "
        f"endpoint, which is closed.{_older(resolution)}"
    )
    return fails("zone-not-linked", summary, *_link_zone(context, network))


def _link_zone(context: PathContext, network: VirtualNetwork) -> tuple[str, ...]:
    """Only a zone that holds this registry's records: to link another one would hide the right one from the network."""
    holding = zones_holding(context.facts, context.registry)[:1]
    return tuple(fix.link_dns_zone(one.id, network) for one in holding)


def _view(context: PathContext, resolution: Resolution) -> VirtualNetwork:
    """The network whose zones answer the nodes."""
    return resolution.view or context.node_subnet.network


def _way(resolution: Resolution) -> str:
    """Who asked where the answer came from, as the end of a clause; empty where it is the nodes' own network."""
    return f" (through {'; then '.join(resolution.through)})" if resolution.through else ""


def _older(resolution: Resolution) -> str:
    """Running nodes keep the DNS servers that they began with. Source: "Configure LocalDNS in AKS"."""
    return " Nodes made before these DNS servers were set still ask the former ones." if resolution.custom else ""


def regional(context: PathContext) -> tuple[Result, ...]:
    """PW204 for the regional endpoints that images name: only those that do not lead where the login server leads."""
    hosts = [host for host in context.regional_hosts if not context.proxied(host)]
    lookups = (resolve(context.facts, context.node_subnet, context.registry, host) for host in hosts)
    answers = []
    for one in lookups:
        if one.loops:
            answers.append(_looping(context, one, Severity.ERROR))
        elif one.resolves_to is ResolvesTo.ABSENT:
            summary = f"The zone {one.zone.name if one.zone else ''} has no record of {one.host}, which images name."
            answers.append(fails("regional-record-missing", summary, *_added(context, one)))
        elif one.question is not None:
            answers.append(one.question)
    return tuple(answers)


def data(context: PathContext, public: Result | None) -> tuple[Result, ...]:
    """PW204 for the data endpoints. ``public`` is what PW202 says where a name leads there; None: it is closed.

    The replica that serves a pull sends nodes to its own data endpoint: a record that another replica lacks is a
    warning, it bites when traffic is rerouted.
    """
    hosts = context.data_hosts()
    lookups = [resolve(context.facts, context.node_subnet, context.registry, host) for host in hosts]
    answers = [(resolution.host, _data_name(context, resolution, public)) for resolution in lookups]
    serving = [host for host in hosts if host.split(".")[1:2] == [_region(context)]] or (
        hosts if len(hosts) == 1 else ()
    )
    broken = [host for host, answer in answers if answer.failed]
    whole = len(broken) == len(hosts)
    return tuple(for_layers(_weighed(host, answer, serving, all_broken=whole)) for host, answer in answers)


def _region(context: PathContext) -> str:
    return (context.cluster.location or "").lower().replace(" ", "")


def _weighed(host: str, answer: Result, serving: tuple[str, ...] | list[str], *, all_broken: bool) -> Result:
    if not answer.failed or host in serving or all_broken:
        return answer
    if serving:
        summary = f"{answer.summary} Another replica serves this region, so it bites when traffic is rerouted."
        return fails(f"replica-{answer.cause}", summary, *answer.fix, severity=Severity.WARNING)
    summary = f"{answer.summary} Which replica serves these nodes cannot be read."
    return unknown(f"replica-{answer.cause}", summary, "the replica that serves the nodes")


def _data_name(context: PathContext, resolution: Resolution, public: Result | None) -> Result:
    if context.proxied(resolution.host):
        summary = f"Nodes reach {resolution.host} through the cluster's proxy, which looks up the name."
        return unknown("proxy-decides-layers", summary, "what the proxy lets through")
    if resolution.resolves_to is ResolvesTo.PRIVATE:
        answer = record(context, resolution)
        if not isinstance(answer.verdict, Pass):
            return answer
        far = taken(context, resolution)
        return answer if isinstance(far.verdict, Pass) else far
    if resolution.resolves_to is ResolvesTo.ABSENT:
        return absent(context, resolution)
    if resolution.question is not None:
        return resolution.question
    if public is None or public.failed:
        summary = (
            f"{resolution.host} resolves to the public endpoint, which refuses the nodes: the login works, layers fail."
        )
        return fails("data-record-missing", summary, *_added(context, resolution))
    return passes("data-public", f"{resolution.host} resolves to the public endpoint, which lets the nodes in.")


def _added(context: PathContext, resolution: Resolution) -> tuple[str, ...]:
    zone, right = resolution.zone, _right(context, resolution.host)
    return (
        tuple(fix.change_record("add-record", zone, relative(zone, resolution.host), str(one)) for one in right)
        if zone
        else ()
    )


def _list(addresses: tuple[IPv4Address, ...]) -> str:
    return ", ".join(str(one) for one in addresses)
