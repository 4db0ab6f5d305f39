"""``pull``, the answer itself: what access and path infer, what nodes say, and what proves the one or the other.

Proof outranks inference. A node that pulled proves everything for its pool; a canary's "not found" proves all but the
layers' path; a canary at a registry that lets everybody read proves the path alone. A canary that fails is proof too.
An inferred Fail against a proof is named: it stands where a cache explains it (a role was removed: a node's token
lives up to 3 hours; a registry's key: it is used for up to an hour more), where it is about another pool, or about the
layers that the canary did not ask for.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.catalog import pw301_pull_failures, pw305_canary_pull, pw308_pulls_logged
from checks.catalog.pw102_pull_permission import RoleCause
from checks.catalog.pw304_images_without_credentials import ON_VIRTUAL_NODES
from checks.causes import ReadCause, RowCause
from checks.findings import Facet, Fail, Finding, Pass, Skipped, Unknown
from checks.rules.azure import virtual_nodes
from checks.rules.customer_key.causes import KeyCause
from checks.rules.pull.canaries import PROVES_PULL, CanaryProof
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause, denied_address
from checks.rules.pull.observed_pulls import PullProof, age_in_minutes, describe_age
from checks.rules.registry_log.standing import STILL_MINUTES

FAILURES = pw301_pull_failures.CHECK.code
CANARY = pw305_canary_pull.CHECK.code
LOG = pw308_pulls_logged.CHECK.code
_LIKELY = {
    **dict.fromkeys(
        (cause.value for cause in CREDENTIALS),
        "a role, or a group's member, is seen late by the nodes' tokens: a role up to 3 hours, a group up to a day",
    ),
    PullErrorCause.FIREWALL_DENIED.value: (
        "the registry's rules changed within the last minutes, or nodes use another egress path"
    ),
    PullErrorCause.DNS.value: "a DNS server of the network's own, or the nodes' cache, answers otherwise",
}
_CONTRADICTS = "This contradicts the path as Azure Resource Manager shows it:"
_WAS_BEFORE = (
    "If the path was changed after that, this says nothing of it; else it contradicts the path as Azure Resource "
    "Manager shows it:"
)
CHANGE_MINUTES = 60  # an older pull may have been before a change, of which no time is known
_OTHERWISE = "something that Azure Resource Manager does not show is in the path"


class NodeReports(msgspec.Struct, frozen=True):
    """The findings about failed pulls from one registry, by whose fault they are.

    ``named``: what PW306 finds about the name of the first image of ``registry``, to which nodes send no credentials.
    ``refused`` are logins that the registry logged and refused, which fail no row by themselves.
    """

    registry: tuple[Finding, ...]
    image: tuple[Finding, ...]
    unsettled: tuple[Finding, ...]
    named: Finding | None = None
    refused: tuple[Finding, ...] = ()


# A node's token for a registry lives up to 3 hours. Source: "ACR authentication", refresh tokens.
TOKEN_MINUTES = 180
# How long a registry may go on with a key that was taken away.
KEY_MINUTES = 60
_KEY_CAUSES = frozenset(cause.value for cause in KeyCause)
# What may have been taken away after a node got its token.
_ROLE_CAUSES = frozenset(
    (
        RoleCause.ROLE_MISSING,
        RoleCause.ROLE_NOT_HONOURED,
        RoleCause.REPOSITORIES_LEFT_OUT,
        RoleCause.DENIED,
        RoleCause.NO_IDENTITY,
    )
)


# Pods for which not the kubelet identity pulls, and of which it is not known whether they may.
_OTHER_PULLERS = frozenset((RoleCause.IDENTITY_NOT_KNOWN, *ON_VIRTUAL_NODES))


class PullProofs(msgspec.Struct, frozen=True):
    """What nodes proved about one registry: by pods that run, and by canaries.

    ``failed`` are canaries that could not pull, ``full`` those that settle that their pool may, ``path`` those that
    prove only that there is a path. Where one failed, the others prove nothing about the cluster.
    """

    proof: PullProof | None = None
    failed: tuple[Finding, ...] = ()
    full: tuple[Finding, ...] = ()
    path: tuple[Finding, ...] = ()

    def layers(self, finding: Finding) -> bool:
        """Whether layers were pulled, not only a manifest asked for, where a finding is about."""
        pools = {f.subject.pool for f in self.full if f.cause == CanaryProof.LAYERS.value}
        asked, pool = {f.subject.pool for f in (*self.full, *self.path)}, finding.subject.pool
        if self.proof is not None and self.proof.layers and (pool is None or self._pods_ran_on(pool)):
            return True
        return bool(pools) and (pool in pools if pool is not None else asked <= pools)

    @property
    def description(self) -> str:
        """The proof in words; "" where nothing settles that nodes may pull."""
        if self.full:
            pools = sorted({f.subject.pool or "" for f in self.full})
            more = f" So did the pools {', '.join(pools[1:6])}." if len(pools) > 1 else ""
            return next(f.summary for f in self.full if (f.subject.pool or "") == pools[0]) + more
        if self.proof is None:
            return ""
        when = f" at {self.proof.when}{describe_age(self.proof)}" if self.proof.when else ""
        if self.proof.logged:
            return f"The registry logged that a node pulled {self.proof.image}{when}."
        if not self.proof.layers:
            read = f", as its pods said at {self.proof.when}," if self.proof.when else ""
            return f'A node asked for {self.proof.image}{read} and heard "not found", which only who may pull hears.'
        return f"A node pulled {self.proof.image}{when}."

    def within(self, minutes: int) -> bool:
        """Whether the proof is not older than this, as far as its time is known; a canary is of now."""
        if self.full or self.proof is None:
            return bool(self.full)
        age = age_in_minutes(self.proof)
        return age is None or age <= minutes

    @property
    def code(self) -> str:
        """The check that the proof comes from."""
        if self.full:
            return CANARY
        return LOG if self.proof is not None and self.proof.logged else FAILURES

    def covers(self, finding: Finding) -> bool:
        """Whether the proof speaks of the pool that a finding is about."""
        pool = finding.subject.pool
        if pool is None:
            return True
        return pool in {f.subject.pool for f in (*self.full, *self.path)} or self._pods_ran_on(pool)

    def _pods_ran_on(self, pool: str) -> bool:
        """Whether the pods' proof is of this pool; a pull of pods whose pool is not known is taken for any pool's."""
        proof = self.proof
        if proof is None:
            return False
        return pool in proof.pools or (proof.layers and not proof.pools)


def proofs_about(findings: Iterable[Finding], login_server: str, proof: PullProof | None) -> PullProofs:
    """What canaries and the successful pulls of pods prove about one registry."""
    own_findings = [f for f in findings if f.code == CANARY and f.subject.registry == login_server]
    failed = tuple(f for f in own_findings if f.failed)
    passed = () if failed else tuple(f for f in own_findings if isinstance(f.verdict, Pass))
    return PullProofs(
        proof,
        failed,
        tuple(f for f in passed if f.cause in PROVES_PULL),
        tuple(f for f in passed if f.cause not in PROVES_PULL),
    )


def pull_facet(
    access: Facet, path: Facet, on_path: list[Finding], reports: NodeReports, proven: PullProofs
) -> tuple[Facet, tuple[str, ...]]:
    """The facet, and the sentences that name where proof and inference differ. ``on_path``: the path's findings."""
    if proven.failed:
        return _canary_failed(access, _where_it_fails(path, on_path, proven), reports, proven)
    contradictions: tuple[str, ...] = ()
    if proven.path and not proven.description:
        path, contradictions = _path_proven(path, on_path, proven)
    failing = _failing(access, path, reports)
    if failing is None:
        if proven.description:
            return _not_seen(access, proven) or _of_others(access, proven) or _settled(on_path, proven)
        return _without_proof(access, path, reports), contradictions
    if not proven.description:
        return failing, contradictions
    if not reports.registry and not isinstance(access.verdict, Fail):
        return _of_others(access, proven) or _against_path(failing, path, on_path, proven)
    why = _why_it_stands(access, reports, proven)
    return failing, (f"{proven.description} The failure stands all the same: {why}.",) if why else ()


def _not_seen(access: Facet, proven: PullProofs) -> tuple[Facet, tuple[str, ...]] | None:
    """Pods' proof where what grants the pull may not be read: it may be gone since, and tokens outlive it by hours.

    A canary was made to settle just that, and does.
    """
    hidden = isinstance(access.verdict, Unknown) and (access.verdict.look_failed or access.cause == ReadCause.NOT_FOUND)
    if proven.full or not hidden:
        return None
    sentence = f"{proven.description} Whether it still may cannot be seen: a token outlives a role by up to 3 hours."
    codes = tuple(dict.fromkeys((*access.decided_by, proven.code)))
    return Facet(access.verdict, access.cause, codes, access.summary), (sentence,)


def _of_others(access: Facet, proven: PullProofs) -> tuple[Facet, tuple[str, ...]] | None:
    """Nodes' proof where it is not known who pulls for some pods: it says nothing of those."""
    if not isinstance(access.verdict, Unknown) or access.cause not in _OTHER_PULLERS:
        return None
    sentence = f"{proven.description} That says nothing of pods for which another identity, or a virtual node, pulls."
    return Facet(access.verdict, access.cause, access.decided_by, access.summary), (sentence,)


def _why_it_stands(access: Facet, reports: NodeReports, proven: PullProofs) -> str:
    """Why a Fail stands beside a proof; "" where the proof contradicts nothing.

    A node's token outlives a role that was taken away, and a registry goes on with its key for a while, so only a
    recent pull beside such a cause is worth a word: an old one was before, and a deleted identity or another tenant is
    proven without it.
    """
    if reports.registry and all(finding.code == LOG for finding in reports.registry):
        return f"the registry refused nodes in the last {STILL_MINUTES} minutes, and logged nothing that ended it"
    if reports.registry:
        return "nodes still try and fail"
    if access.cause in _KEY_CAUSES and isinstance(access.verdict, Fail):
        return "a registry goes on for up to an hour after it lost its key" if proven.within(KEY_MINUTES) else ""
    if access.cause not in _ROLE_CAUSES or not proven.within(TOKEN_MINUTES):
        return ""
    return "a node's cached token outlives a removed role by up to 3 hours"


def _settled(on_path: list[Finding], proven: PullProofs) -> tuple[Facet, tuple[str, ...]]:
    """What a proof settles where nothing fails: all, but the path of pools and layers that it does not speak of."""
    left = _left_open(on_path, proven)
    if left is None:
        return Facet(Pass(), "pulled", (proven.code,), proven.description), ()
    about = f" of the pool {left.subject.pool}" if left.subject.pool else ""
    sentence = f"{proven.description} It leaves open what {left.code} says{about}."
    return Facet(left.verdict, left.cause, (left.code,), left.summary), (sentence,)


def _left_open(on_path: list[Finding], proven: PullProofs) -> Finding | None:
    return next((f for f in on_path if isinstance(f.verdict, Unknown) and not _speaks_of(proven, f)), None)


def _speaks_of(proven: PullProofs, finding: Finding) -> bool:
    return proven.covers(finding) and (proven.layers(finding) or not finding.about_layers)


def _against_path(
    failing: Facet, path: Facet, on_path: list[Finding], proven: PullProofs
) -> tuple[Facet, tuple[str, ...]]:
    stands = _still_fails(on_path, proven) or _too_old(proven)
    if stands:
        return failing, (f"{proven.description} The failure stands all the same: {stands}.",)
    against = _CONTRADICTS if proven.within(CHANGE_MINUTES) else _WAS_BEFORE
    contradicted = f"{proven.description} {against} {path.summary}"
    settled, left = _settled(on_path, proven)
    if left:
        return settled, (contradicted, *left)
    return msgspec.structs.replace(settled, cause=RowCause.PULLED_AGAINST_PATH), (contradicted,)


def _too_old(proven: PullProofs) -> str:
    """Why a pull that only a log tells of refutes no path: events are gone within the hour, a log is kept."""
    logged = proven.proof is not None and proven.proof.logged and not proven.full
    return "the path may have been closed after that" if logged and not proven.within(CHANGE_MINUTES) else ""


def _still_fails(on_path: list[Finding], proven: PullProofs) -> str:
    """Why a path's Fail is not refuted by a proof; "" where it is."""
    failed = [f for f in on_path if f.failed]
    others = [f for f in failed if not proven.covers(f)]
    if others:
        return f"it is about the pool {others[0].subject.pool}, of which this says nothing"
    if not all(_speaks_of(proven, f) for f in failed):
        return "it is about the layers, which come over another path that this does not prove"
    return ""


def _path_proven(path: Facet, on_path: list[Finding], proven: PullProofs) -> tuple[Facet, tuple[str, ...]]:
    """The path where a canary proved the path alone: settled, but for what the canary did not ask."""
    first = proven.path[0]
    settled = Facet(Pass(), first.cause, (CANARY,), first.summary)
    contradictions: tuple[str, ...] = ()
    if isinstance(path.verdict, Pass):
        return path, contradictions
    if isinstance(path.verdict, Fail):
        stands = _still_fails(on_path, proven)
        if stands:
            return path, (f"{first.summary} The failure stands all the same: {stands}.",)
        contradictions = (f"{first.summary} {_CONTRADICTS} {path.summary}",)
    left = _left_open(on_path, proven)
    return (Facet(left.verdict, left.cause, (left.code,), left.summary) if left else settled), contradictions


def _where_it_fails(path: Facet, on_path: list[Finding], proven: PullProofs) -> Facet:
    """The path of the pools whose canary fails: a Fail that is about other pools explains nothing of it."""
    failed = [f for f in on_path if f.failed]
    if not failed:
        return path
    pools = {f.subject.pool for f in proven.failed}
    about = next((f for f in failed if f.subject.pool is None or f.subject.pool in pools), None)
    if about is None:
        return Facet(Unknown("a path of these pools", look_failed=False), RowCause.OTHER_POOLS)
    codes = tuple(dict.fromkeys((about.code, *path.decided_by)))
    return Facet(about.verdict, about.cause, codes, about.summary)


def _canary_failed(
    access: Facet, path: Facet, reports: NodeReports, proven: PullProofs
) -> tuple[Facet, tuple[str, ...]]:
    """A canary that fails is a pull that fails, now. What Azure Resource Manager shows is the reason or contradicts."""
    first = proven.failed[0]
    inferred = access if first.cause in CREDENTIALS or _is_key(access, path, first) else path
    codes = (*dict.fromkeys(f.code for f in reports.registry[:1]), CANARY)
    sentences = _against_azure(access, path, proven.failed)
    pools = _pools(proven.failed)
    if proven.description:
        stands = f"{proven.description} The failure stands all the same: the canary fails now (pools: {pools})."
        sentences = (stands, *sentences)
    if isinstance(inferred.verdict, Fail):
        decided = tuple(dict.fromkeys((*inferred.decided_by, *codes)))
        summary = f"{inferred.summary} The canary fails too (pools: {pools})."
        return Facet(Fail(), inferred.cause, decided, summary), sentences
    return Facet(Fail(), first.cause, codes, first.summary), sentences


def _against_azure(access: Facet, path: Facet, failed: Iterable[Finding]) -> tuple[str, ...]:
    """What Azure Resource Manager shows against canaries that fail: pools may fail for different reasons."""
    refused = [f for f in failed if f.cause in CREDENTIALS]
    stopped = [f for f in failed if f.cause not in CREDENTIALS]
    return tuple(
        f"The canary fails (pools: {_pools(heard)}) although Azure Resource Manager shows that nodes {what}: "
        f"{_LIKELY.get(heard[0].cause, _OTHERWISE)}."
        for inferred, what, heard in ((access, "may pull", refused), (path, "have a network path", stopped))
        if heard and isinstance(inferred.verdict, Pass)
    )


def _pools(findings: Iterable[Finding]) -> str:
    return ", ".join(sorted({f.subject.pool or "" for f in findings})[:5])


def _failing(access: Facet, path: Facet, reports: NodeReports) -> Facet | None:
    agree = [f for f in (access, path) if isinstance(f.verdict, Fail)]
    inferred = tuple(code for facet in agree for code in facet.decided_by)
    if not reports.registry:
        if not agree:
            return None
        logged = (LOG,) if reports.refused and access in agree else ()
        return msgspec.structs.replace(agree[0], decided_by=tuple(dict.fromkeys((*inferred, *logged))))
    first = reports.registry[0]
    codes = tuple(dict.fromkeys((*inferred, first.code)))
    by_node = not first.mirror and first.subject.pool != virtual_nodes.POOL
    explained = _is_key(access, path, first) or (first.cause in CREDENTIALS and access.cause not in _KEY_CAUSES)
    if isinstance(access.verdict, Fail) and explained and by_node:
        return Facet(Fail(), access.cause, codes, access.summary)
    if reports.named is not None and first.cause in CREDENTIALS:
        named = reports.named
        return Facet(Fail(), named.cause, (named.code, *codes), f"{named.summary} {first.summary}")
    return Facet(Fail(), first.cause, codes, first.summary)


def _is_key(access: Facet, path: Facet, failed: Finding) -> bool:
    """Whether a pull fails as it does where the registry lost its key: 403, without the firewall's words, which name an
    address, and with no path that fails."""
    if access.cause not in _KEY_CAUSES or isinstance(path.verdict, Fail):
        return False
    named = any(denied_address(evidence.what) for evidence in failed.evidence)
    refused = failed.cause == PullErrorCause.FIREWALL_DENIED or (failed.code == LOG and failed.cause in CREDENTIALS)
    return refused and isinstance(access.verdict, Fail) and not named


def _without_proof(access: Facet, path: Facet, reports: NodeReports) -> Facet:
    if reports.unsettled:
        first = reports.unsettled[0]
        missing = "the cause of the failing pulls"
        return Facet(Unknown(missing, look_failed=False), first.cause, (first.code,), first.summary)
    codes = tuple(dict.fromkeys((*access.decided_by, *path.decided_by)))
    for kind in (Unknown, Skipped):  # what a read would settle comes before what nobody can judge
        facet = next((facet for facet in (access, path) if isinstance(facet.verdict, kind)), None)
        if facet is not None:
            return Facet(facet.verdict, facet.cause, facet.decided_by, facet.summary)
    return Facet(Pass(), access.cause, codes, "The nodes may pull and have a network path to the registry.")
