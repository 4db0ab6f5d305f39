"""Which network path nodes take to a registry, and what is on it: PW202 to PW206 for each pool.

Names come first: what the login server's name resolves to decides whether the private or the public path is taken. Only
that path is judged, the other is skipped. Where DNS is not known, both paths have to be closed for a Fail.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from checks.facts import AgentPool, ClusterFacts, NotSeen, Registry, RegistryUse, Seen, subscription_of
from checks.facts.network import Networks
from checks.findings import Evidence, Fail, Pass, Unknown
from checks.rules.azure.node_pools import has_nodes
from checks.rules.path import filtering, private_path, public_path, registry_firewall
from checks.rules.path.context import PathContext
from checks.rules.path.dns import resolve
from checks.rules.path.names import local_dns
from checks.rules.path.names.zones import Resolution, ResolvesTo
from checks.rules.path.node_network import subnet_of_pool
from checks.rules.path.private_endpoints import Candidate, candidates
from checks.rules.path.registry_firewall import PublicAccess
from checks.rules.registry_names import is_regional
from checks.rules.results import Result, fails, for_layers, not_seen, skipped, unknown, with_evidence


class PathQuestion(StrEnum):
    """The questions of a network path, in the order in which checks ask them."""

    ADDRESSES = "egress-addresses"
    ENDPOINT = "private-endpoint"
    NAMES = "private-dns"
    SUBNETS = "service-endpoints"
    BETWEEN = "nsg-routes-proxy"


ADDRESSES, ENDPOINT, NAMES, SUBNETS, BETWEEN = PathQuestion
AFTER_ADDRESSES = (ENDPOINT, NAMES, SUBNETS, BETWEEN)

Results = dict[PathQuestion, tuple[Result, ...]]


class PoolPath(msgspec.Struct, frozen=True):
    """The results about one pool, by question; "" names all pools where nothing depends on the pool."""

    pool: str
    results: Results


def evaluate_path(facts: ClusterFacts, use: RegistryUse) -> tuple[PoolPath, ...]:
    """The paths of a cluster's pools to a registry that it uses. Pools without nodes fail nothing."""
    cluster = facts.cluster
    if (cluster.provisioning_state or "").lower() == "deleting":
        return (_alone(skipped("cluster-deleting", "the cluster is being deleted")),)
    if isinstance(use.registry, NotSeen):
        return (_alone(not_seen(use.registry, f"The registry {use.login_server}")),)
    networks = facts.networks or Networks()
    if not cluster.pools:
        return (_alone(unknown("no-pools", "ARM shows no node pool of the cluster.", "agentPoolProfiles")),)
    some = any(has_nodes(pool) for pool in cluster.pools)
    results = []
    for pool in cluster.pools:
        answers = _evidenced(networks, facts, use.registry, _pool(networks, facts, use, use.registry.value, pool))
        results.append(PoolPath(pool.name, answers if has_nodes(pool) or not some else _empty(pool, answers)))
    return tuple(results)


def _alone(answer: Result) -> PoolPath:
    """One answer to all; what repeats an Unknown is skipped, so that it is shown once."""
    again = (
        answer
        if not isinstance(answer.verdict, Unknown)
        else skipped(answer.cause, "the check of egress addresses names what is missing")
    )
    return PoolPath("", {ADDRESSES: (answer,), **dict.fromkeys(AFTER_ADDRESSES, (again,))})


def _empty(pool: AgentPool, answers: Results) -> Results:
    """A pool without nodes fails nothing now; what its nodes would meet is shown."""
    because = f"the pool {pool.name} has no nodes now; nodes in it would meet this:"
    return {
        question: tuple(
            skipped("pool-without-nodes", f"{because} {a.summary}") if isinstance(a.verdict, Fail | Unknown) else a
            for a in results
        )
        for question, results in answers.items()
    }


def _pool(networks: Networks, facts: ClusterFacts, use: RegistryUse, registry: Registry, pool: AgentPool) -> Results:
    open_to = registry_firewall.public_access(registry)
    endpoints = candidates(networks, None, registry)
    node_subnet = subnet_of_pool(networks, facts.cluster, pool)
    if isinstance(node_subnet, NotSeen):
        return _placeless(registry, open_to, endpoints, node_subnet, pool)
    context = PathContext(
        facts=networks,
        cluster=facts.cluster,
        registry=registry,
        node_subnet=node_subnet,
        endpoints=candidates(networks, node_subnet, registry),
        regional_hosts=tuple(filter(is_regional, use.names)),
    )
    if open_to is PublicAccess.NOBODY and not any(_possible(one) for one in endpoints):
        return _shut(context)
    if context.proxied(context.login):
        return _proxied(context)
    resolution = resolve(networks, node_subnet, registry, context.login)
    judge = {
        ResolvesTo.PUBLIC: _public,
        ResolvesTo.PRIVATE: _private,
        ResolvesTo.ABSENT: _absent,
        ResolvesTo.UNSETTLED: _unsettled,
    }
    return judge[resolution.resolves_to](context, resolution)


def _possible(one: Candidate) -> bool:
    """Whether an endpoint may let nodes in: approved, or in a state that is not shown."""
    return (one.status or "").lower() not in ("pending", "rejected", "disconnected")


def _placeless(
    registry: Registry, open_to: PublicAccess, endpoints: tuple[Candidate, ...], gap: NotSeen, pool: AgentPool
) -> Results:
    """The nodes' network is not known; what no network can change is shown all the same."""
    if open_to is PublicAccess.NOBODY and not any(_possible(one) for one in endpoints):
        summary = f"{registry.name} has public network access disabled and no approved private endpoint."
        return {
            ADDRESSES: (fails("public-access-disabled", summary),),
            **_skipping("closed", summary, *tuple(PathQuestion)[1:]),
        }
    answer = not_seen(gap, f"The network of the node pool {pool.name}")
    return {
        **dict.fromkeys((ADDRESSES, NAMES, BETWEEN), (answer,)),
        **_skipping(answer.cause, "the nodes' network is not known", ENDPOINT, SUBNETS),
    }


def _skipping(cause: str, because: str, *questions: PathQuestion) -> Results:
    return {question: (skipped(cause, because),) for question in questions}


def _shut(context: PathContext) -> Results:
    """Public access is off and no endpoint may let anyone in, whatever names and routes do."""
    first = private_path.best(context)
    closed = skipped("public-access-disabled", "public network access is disabled; only private endpoints can be used")
    return {
        ADDRESSES: (closed if context.endpoints else public_path.closed(context),),
        ENDPOINT: (first,),
        **_skipping("no-way", "no private endpoint lets nodes in", NAMES, SUBNETS, BETWEEN),
    }


def _proxied(context: PathContext) -> Results:
    closed = registry_firewall.public_access(context.registry) is PublicAccess.NOBODY
    off = skipped("public-access-disabled", "public network access is disabled; only private endpoints can be used")
    return {
        ADDRESSES: (off if closed else public_path.addresses(context),),
        **_skipping("proxy", "the cluster's proxy looks up names and connects", ENDPOINT, NAMES, SUBNETS),
        BETWEEN: (filtering.proxy(context, (context.login,)),),
    }


def _public(context: PathContext, resolution: Resolution) -> Results:
    """Names lead to the public endpoint."""
    if registry_firewall.public_access(context.registry) is PublicAccess.NOBODY:
        return _private_wanted(context, resolution)
    by_address = public_path.addresses(context)
    names = _public_names(context)
    return {
        ADDRESSES: (by_address,),
        **_skipping(
            "public-way", f"the nodes' names resolve to the public endpoint of {context.registry.name}", ENDPOINT
        ),
        NAMES: names or _skipping("public-way", "the name resolves to the public endpoint", NAMES)[NAMES],
        SUBNETS: (public_path.subnets(context, by_address),),
        BETWEEN: filtering.public_filters(context),
    }


def _public_names(context: PathContext) -> tuple[Result, ...]:
    """Data endpoints whose names do not exist although the login server's name resolves to the public endpoint."""
    hosts = [
        host for host in context.registry.network_access.data_hosts if context.endpoints and not context.proxied(host)
    ]
    lookups = [resolve(context.facts, context.node_subnet, context.registry, host) for host in hosts]
    absent = (one for one in lookups if one.resolves_to is ResolvesTo.ABSENT)
    regional = private_path.regional(context) if context.endpoints else ()
    layers = context.layers_target().host
    by_pods = None if context.proxied(layers) else local_dns.question(context.node_subnet.pool, layers, layers)
    regional = (*regional, *((for_layers(by_pods),) if by_pods else ()))
    return (*regional, *(for_layers(private_path.absent(context, one)) for one in absent))


def _private_wanted(context: PathContext, resolution: Resolution) -> Results:
    """Public access is off, and names resolve to the public endpoint."""
    reached = private_path.best(context)
    names = _skipping("no-endpoint", "no private endpoint is in reach that a name could resolve to", NAMES)[NAMES]
    return {
        **_skipping("public-access-disabled", "public network access is disabled", ADDRESSES, SUBNETS),
        ENDPOINT: (reached,),
        NAMES: names if reached.failed else (private_path.unlinked(context, resolution),),
        **_skipping("no-way", "names do not resolve to a private endpoint", BETWEEN),
    }


def _private(context: PathContext, resolution: Resolution) -> Results:
    """Names lead to private addresses."""
    because = "the nodes' names resolve to a private endpoint, which the public firewall says nothing about"
    login, reached = private_path.record(context, resolution), private_path.taken(context, resolution)
    shut = registry_firewall.public_access(context.registry) is PublicAccess.NOBODY
    data = private_path.data(context, None if shut else public_path.addresses(context))
    hosts = {h: resolve(context.facts, context.node_subnet, context.registry, h) for h in context.data_hosts()}
    private = {
        h: one.addresses for h, one in hosts.items() if one.resolves_to is ResolvesTo.PRIVATE and not context.proxied(h)
    }
    public = not hosts or any(one.resolves_to is ResolvesTo.PUBLIC for one in hosts.values())
    regional = private_path.regional(context)
    names = tuple(answer for answer in (login, *regional, *data) if not isinstance(answer.verdict, Pass))
    between = filtering.private_filters(context, resolution.addresses, private, layers_public=public and not shut)
    standing = isinstance(login.verdict, Pass) and not reached.failed
    return {
        **_skipping("private-way", because, ADDRESSES, SUBNETS),
        ENDPOINT: (reached,),
        NAMES: names or (_all_right(login, data),),
        BETWEEN: between
        if standing
        else _skipping("no-way", "names do not resolve to an endpoint in reach", BETWEEN)[BETWEEN],
    }


def _all_right(login: Result, data: tuple[Result, ...]) -> Result:
    summaries = " ".join(answer.summary for answer in (login, *data))
    return msgspec.structs.replace(login, summary=summaries)


def _absent(context: PathContext, resolution: Resolution) -> Results:
    """The login server's name does not exist for the nodes: neither path is taken."""
    reached = private_path.best(context)
    shut = registry_firewall.public_access(context.registry) is PublicAccess.NOBODY
    endpoint = (
        (reached,) if shut else _skipping("no-name", "the login server's name does not exist here", ENDPOINT)[ENDPOINT]
    )
    return {
        ENDPOINT: endpoint,
        NAMES: (private_path.absent(context, resolution),),
        **_skipping("no-name", "the login server's name does not exist for the nodes", ADDRESSES, SUBNETS, BETWEEN),
    }


def _unsettled(context: PathContext, resolution: Resolution) -> Results:
    """Where DNS resolves to is not known: a path that is closed matters only where the other one is closed too."""
    shut = registry_firewall.public_access(context.registry) is PublicAccess.NOBODY
    reached = private_path.best(context)
    public = {} if shut else _public(context, resolution)
    judged = [answer for question in (ADDRESSES, SUBNETS, BETWEEN) for answer in public.get(question, ())]
    public_closed = shut or any(answer.failed for answer in judged)
    if public_closed and reached.failed:
        off = _skipping("public-access-disabled", "public network access is disabled", ADDRESSES, SUBNETS, BETWEEN)
        none = _skipping("both-closed", "wherever names lead, both paths are closed", NAMES)
        return {**(off if shut else public), ENDPOINT: (reached,), **none}
    assert resolution.question is not None, "where DNS is not certain, PW204 says why"
    elsewhere = _skipping(
        "public-closed", "this path is closed; names may resolve to the private endpoint", *PathQuestion
    )
    return {
        **{asked: elsewhere[asked] if public_closed else public[asked] for asked in (ADDRESSES, SUBNETS, BETWEEN)},
        ENDPOINT: _skipping("no-endpoint", f"no path in: {reached.summary}", ENDPOINT)[ENDPOINT]
        if reached.failed
        else (reached,),
        NAMES: (resolution.question,),
    }


def _evidenced(networks: Networks, facts: ClusterFacts, registry: Seen[Registry], answers: Results) -> Results:
    """The answers with what they were read from."""
    lists: dict[PathQuestion, tuple[str, ...]] = {
        ADDRESSES: ("virtual_networks", "route_tables", "addresses"),
        ENDPOINT: ("endpoints", "virtual_networks"),
        NAMES: ("zones", "endpoints"),
        SUBNETS: ("virtual_networks", "registry_rules"),
        BETWEEN: ("security_groups", "route_tables"),
    }
    followed = networks.name_servers
    on_the_way = [*followed.rules.values(), *followed.resolvers.values(), *followed.firewalls.values()]
    asked = {NAMES: [*on_the_way, *followed.policies.values(), *followed.linked.values()]}
    key = (facts.cluster.id, registry.value.id)
    near = [n for guid in dict.fromkeys(subscription_of(i) for i in key) if (n := networks.by_subscription.get(guid))]
    return {
        question: tuple(
            with_evidence(
                answer,
                registry.evidence,
                *(_read(getattr(network, kind)) for network in near for kind in lists[question]),
                *(_read(part) for part in asked.get(question, ())),
            )
            for answer in results
        )
        for question, results in answers.items()
    }


def _read(part: object) -> Evidence | None:
    return part.evidence if isinstance(part, Seen) else None
