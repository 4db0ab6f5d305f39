"""The network path to a registry on the internet that is no Azure registry: what Azure settles of its first half.

Only the nodes' own side is known: outbound access, routes and security groups. Where these close it, it is closed;
where nothing of it is left open, it stands; what an appliance, a proxy or the registry decides nobody can judge here.
"""

from __future__ import annotations

from checks.causes import RowCause
from checks.facts import AgentPool, Cluster, ClusterFacts, NotSeen, RegistryUse
from checks.facts.network import Networks
from checks.findings import Fail, Unknown
from checks.rules.azure.node_pools import has_nodes
from checks.rules.fixes import az_acr, shell
from checks.rules.path import public_registries
from checks.rules.path.context import NodeContext
from checks.rules.path.egress import OutboundType
from checks.rules.path.evaluate import PathQuestion, PoolPath
from checks.rules.path.filtering import all_or_unsettled, public_filter
from checks.rules.path.node_network import subnet_of_pool
from checks.rules.path.public_path import egress_route
from checks.rules.results import Result, fails, for_layers, not_seen, passes, skipped

NOT_JUDGED = RowCause.NOT_JUDGED


def evaluate_internet_path(facts: ClusterFacts, use: RegistryUse) -> tuple[PoolPath, ...]:
    """The paths of the pools that have nodes; nothing where the host is not known to be on the internet.

    It passes only where nothing of any pool is left open.
    """
    host = use.login_server
    if host not in public_registries.ON_THE_INTERNET or _elsewhere(facts.cluster, host):
        return ()
    paths = tuple(_pool(facts, use, pool) for pool in facts.cluster.pools if has_nodes(pool))
    results = [result for path in paths for answers in path.results.values() for result in answers]
    open_results = sorted((r for r in results if not r.failed and _is_open(r)), key=lambda r: not _look_failed(r))
    open_result = next(iter(open_results), None)
    if open_result is None or any(result.failed for result in results):
        return tuple(_without_doubts(path) for path in paths)
    unsettled = _unsettled(open_result)
    return tuple(_path(path.pool, unsettled, unsettled) for path in paths)


def _path(pool: str, egress: Result, *filters: Result) -> PoolPath:
    return PoolPath(pool, {PathQuestion.ADDRESSES: (egress,), PathQuestion.BETWEEN: filters})


def _elsewhere(cluster: Cluster, host: str) -> bool:
    """Whether nodes ask nothing on the internet for a host: a bootstrap registry answers, or the cluster goes away."""
    cached = (cluster.artifact_source or "").lower() == "cache" and host == public_registries.MICROSOFT
    return cached or (cluster.provisioning_state or "").lower() == "deleting"


def _pool(facts: ClusterFacts, use: RegistryUse, pool: AgentPool) -> PoolPath:
    networks = facts.networks or Networks()
    node_subnet = subnet_of_pool(networks, facts.cluster, pool)
    if isinstance(node_subnet, NotSeen):
        gap = not_seen(node_subnet, f"The network of the node pool {pool.name}")
        return _path(pool.name, gap, gap)
    context = NodeContext(facts=networks, cluster=facts.cluster, node_subnet=node_subnet)
    destinations = public_registries.destinations(use.login_server)
    first, *others = zip(("login", "layers"), destinations, strict=False)
    filters = (public_filter(context, *first), *(for_layers(public_filter(context, *other)) for other in others))
    return _path(pool.name, _egress(context, use), *all_or_unsettled(filters))


def _egress(context: NodeContext, use: RegistryUse) -> Result:
    """How nodes leave for the internet; what a route drops or diverts, the filters say."""
    host = use.login_server
    if context.proxied(host):
        return skipped(NOT_JUDGED, f"nodes reach {host} through the cluster's proxy, which decides")
    route = egress_route(context, public_registries.destinations(host)[0])
    if route.gap is not None:
        return not_seen(route.gap, "The route table of the nodes' subnet")
    egress = route.egress
    assert egress is not None, "no service endpoint leads to a registry on the internet"
    if egress.exit is OutboundType.NONE:
        summary = f"The nodes have no outbound access to the internet ({egress.note}), where {host} is."
        return fails("no-egress", summary, *_fix(use))
    if egress.hub is not None and not egress.hub.filters:
        return passes("egress-open", f"Nodes leave for the internet; {host} serves every address.")
    if egress.exit in (OutboundType.NAT, OutboundType.NODE, OutboundType.BALANCER):
        return passes("egress-open", f"Nodes leave for the internet by {egress.exit}; {host} serves every address.")
    return skipped(NOT_JUDGED, f"what carries the nodes' traffic to {host} cannot be read ({egress.note})")


def _fix(use: RegistryUse) -> tuple[str, ...]:
    """Two ways out: neither opens a network that was closed on purpose."""
    notes = shell.note(
        f"Either give the cluster outbound access, or pull images of {use.login_server} through a cache:"
    )
    image = next((image.image for image in use.images), None)
    return (notes, az_acr.cache_upstream(image)) if image else (notes,)


def _is_open(result: Result) -> bool:
    return isinstance(result.verdict, Unknown) or result.cause == NOT_JUDGED


def _look_failed(result: Result) -> bool:
    return isinstance(result.verdict, Unknown) and result.verdict.look_failed


def _unsettled(result: Result) -> Result:
    """What a read would settle is Unknown; what nobody can tell from here is not judged."""
    if _look_failed(result):
        return result
    return skipped(NOT_JUDGED, result.summary)


def _without_doubts(path: PoolPath) -> PoolPath:
    """Beside a Fail, what could not be settled is not judged."""
    certain = {question: tuple(map(_certain, results)) for question, results in path.results.items()}
    failed = tuple(result for result in certain[PathQuestion.BETWEEN] if isinstance(result.verdict, Fail))
    return PoolPath(path.pool, certain | ({PathQuestion.BETWEEN: failed} if failed else {}))


def _certain(result: Result) -> Result:
    return _unsettled(result) if isinstance(result.verdict, Unknown) else result
