"""A chain never says another thing than its row: over reports of judged facts, and over rows of made-up findings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks import catalog
from checks.catalog.check import Step, Vantage
from checks.findings import ClusterReport, Fail, Finding, Pass, Severity, Skipped, Subject, Unknown, Verdict
from checks.report.cluster_report import build_report
from checks.report.registry_row import registry_row
from checks.rules.pull.errors import PullErrorCause
from checks.rules.pull.observed_pulls import PullProof
from tests.support import access_facts, image_facts
from tests.support.access_facts import ACR_PULL, OWNER, READER, SUBSCRIPTION, authorization, held, seen, use
from tests.support.chain_properties import across_tenants, agreeing_chain
from tests.support.image_facts import ACR, NO_ROLE, REFUSED_ROLES, WEB, container, entry, pulled, secret
from tests.support.network_world import HOST, World
from tests.support.reports import CLUSTER
from tests.support.sample_chains import unlinked_zone

OLD_IMAGE = "AKSUbuntu-2204gen2containerd-202401.06.0"
CODES = [check.code for check in catalog.checks()]
verdicts: st.SearchStrategy[Verdict] = st.sampled_from(
    [Pass(), Fail(), Unknown("Reader"), Unknown("a pod", look_failed=False), Skipped("another way is taken")]
)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    code = draw(st.sampled_from(CODES))
    of_check = [
        cause.value for check in catalog.checks() if check.code == code for kind in check.causes for cause in kind
    ]
    if code == "PW302":  # it never says this but beside a finding that says why
        of_check.remove("pods-not-read")
    nodes_failures = code in ("PW301", "PW308")  # what both say of a failure is a pull error
    cause = draw(st.sampled_from([one.value for one in PullErrorCause] if nodes_failures else of_check))
    return Finding(
        code=code,
        subject=Subject(
            CLUSTER,
            registry=draw(st.sampled_from([ACR, ACR, ACR, None])),
            pool=draw(st.sampled_from([None, "system"])),
            image=WEB if nodes_failures else draw(st.sampled_from([None, WEB])),
        ),
        verdict=draw(verdicts),
        cause=cause,
        summary=f"{code} says {cause}.",
        severity=draw(st.sampled_from([Severity.ERROR, Severity.ERROR, Severity.WARNING])),
    )


proofs = st.none() | st.builds(
    PullProof,
    host=st.just(ACR),
    image=st.just(WEB),
    when=st.just("2026-11-24T11:59:00Z"),
    pools=st.just(frozenset({"system"})),
)


@settings(max_examples=400)
@given(st.lists(findings(), max_size=12), proofs, st.booleans())
def test_a_row_of_any_findings_has_a_chain_that_agrees_with_it(
    made: list[Finding], proof: PullProof | None, acr: bool
) -> None:
    row = registry_row(use(None, acr=acr), made, proof)
    agreeing_chain(ClusterReport(id=CLUSTER, registries=(row,), findings=tuple(made)), row)


def access_worlds() -> list[object]:
    """Clusters that may pull or not, by a role, a secret or nobody."""
    expired = secret(entry(accepted=False))
    return [
        access_facts.facts(),
        access_facts.facts(authorization=NO_ROLE),
        access_facts.facts(authorization=REFUSED_ROLES),
        access_facts.facts(authorization={SUBSCRIPTION: authorization(held(OWNER), held(READER))}),
        access_facts.facts(cluster=access_facts.cluster(kubelet=None, has_identity=True)),
        across_tenants(),
        access_facts.facts(
            cluster=access_facts.cluster(pools=(access_facts.pool(node_image_version=OLD_IMAGE),)),
            uses=(use(seen(access_facts.registry(authentication_as_arm="disabled"))),),
        ),
        access_facts.facts(uses=(use(access_facts.REFUSED),)),
        image_facts.facts(container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets=secret(entry())),
        image_facts.facts(container(WEB, "regcred"), authorization=NO_ROLE, pull_secrets=expired),
        image_facts.facts(container(), events=[pulled()], authorization={SUBSCRIPTION: authorization(held(ACR_PULL))}),
        image_facts.facts(container(), events=[pulled()], authorization=NO_ROLE),
        image_facts.facts(
            container(waiting_reason="ErrImagePull", waiting_message=f"{WEB}: not found"), container("nginx:1")
        ),
        image_facts.facts(container(waiting_reason="ErrImagePull", waiting_message="no space left on device")),
        image_facts.facts(
            container(), uses=(use(seen(access_facts.registry(anonymous_pull=True))),), authorization=NO_ROLE
        ),
    ]


def path_worlds() -> list[object]:
    """Networks that lead to the registry or not."""
    return [
        world.facts()
        for world in (
            World(),
            World().healthy_private(),
            World().private(),
            World().deny("20.99.0.1"),
            World().dns("10.0.0.53"),
            unlinked_zone(),
        )
    ]


@pytest.mark.parametrize("facts", [*access_worlds(), *path_worlds()], ids=lambda _: "facts")
def test_the_chain_of_judged_facts_agrees_with_each_row(facts: object) -> None:
    report = build_report(facts)  # type: ignore[arg-type]
    assert report.registries
    for row in report.registries:
        agreeing_chain(report, row)


def test_every_check_that_decides_a_facet_or_leaves_something_open_is_a_step() -> None:
    for check in catalog.checks():
        if check.decides is not None or check.settles:
            assert check.step is not None, check.code
        if check.advisory:
            assert check.step is None, f"{check.code} only advises: the chain holds whatever it says"
    from_here = {check.code for check in catalog.checks() if check.vantage is Vantage.PULLWATCH}
    assert from_here == {"PW201", "PW302", "PW308"}


def test_the_worlds_of_this_module_break_the_chain_at_each_step() -> None:
    broken = set()
    for facts in (*access_worlds(), *path_worlds()):
        report = build_report(facts)  # type: ignore[arg-type]
        broken |= {link.step.value for row in report.registries for link in agreeing_chain(report, row).broken}
    assert broken == {step.value for step in Step}
    assert HOST == ACR
