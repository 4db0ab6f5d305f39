"""What each step of the chain says: the headline, why something that fails does not count, and what is not reached."""

from __future__ import annotations

import msgspec
import pytest

from checks.catalog.check import Step
from checks.facts import ClusterFacts
from checks.findings import (
    ASKED_FOR,
    ClusterProblem,
    ClusterReport,
    Fail,
    Finding,
    Pass,
    Severity,
    Skipped,
    Subject,
    Unknown,
    word,
)
from checks.report.chain.build import chain_of, chain_of_row
from checks.report.chain.model import Chain, ChainLink
from checks.report.cluster_report import build_report, problem_report
from checks.report.registry_row import registry_row
from tests.support import access_facts, image_facts
from tests.support.access_facts import ACR_PULL, SUBSCRIPTION, authorization, held
from tests.support.chain_properties import across_tenants
from tests.support.image_facts import ACR, NO_ROLE, WEB, container, entry, pulled, secret
from tests.support.network_world import World
from tests.support.reports import CLUSTER


def chain(facts: ClusterFacts, registry: str = ACR) -> Chain:
    return chain_of(build_report(facts), registry)


def link(of: Chain, step: Step) -> ChainLink:
    return next(one for one in of.links if one.step is step)


def with_a_secret() -> dict[str, object]:
    """What changes where the only pod brings a pull secret that the registry accepts."""
    used = container(WEB, "regcred")
    (use,) = across_tenants().uses
    uses = (msgspec.structs.replace(use, images=(used,)),)
    return {"uses": uses, "workloads": image_facts.workloads(used), "pull_secrets": secret(entry())}


def words(of: Chain) -> list[str]:
    return [word(one.verdict) for one in of.links]


def test_a_missing_role_breaks_the_chain_at_the_role_and_nowhere_else() -> None:
    made = chain(image_facts.facts(container(), authorization=NO_ROLE))
    role = link(made, Step.ROLE)
    assert made.headline == "aks-1 cannot pull from acrone.azurecr.io"
    assert [one.step for one in made.broken] == [Step.ROLE]
    assert (role.cause, role.codes[0]) == ("role-missing", "PW102")
    assert role.sentence.startswith("The kubelet identity")
    assert role.fix[0].startswith("az role assignment create")
    assert made.fix[: len(role.fix)] == role.fix
    assert any(item.source == "a test" for item in role.evidence)


def test_a_pull_secret_that_holds_makes_what_fails_of_the_identity_not_needed() -> None:
    made = chain(msgspec.structs.replace(across_tenants(), **with_a_secret()))
    identity, role = link(made, Step.IDENTITY), link(made, Step.ROLE)
    assert word(role.verdict) == "pass"
    assert role.codes[0] in ("PW303", "PW304")
    assert made.broken == ()
    (note,) = identity.notes
    assert note.startswith("PW105 fails, but is not needed: ")
    assert "is of tenant 99999999-0000-4000-8000-000000000009" in note
    assert word(identity.verdict) == "pass", "PW101 passes"


def test_what_waits_for_another_repair_is_not_reached() -> None:
    made = chain(across_tenants())
    assert link(made, Step.IDENTITY).fails
    role = link(made, Step.ROLE)
    assert isinstance(role.verdict, Skipped)
    assert not role.reached


def test_nodes_that_pulled_are_the_last_step_s_proof() -> None:
    made = chain(image_facts.facts(container(), events=[pulled()]))
    nodes = link(made, Step.NODES)
    assert word(nodes.verdict) == "pass"
    assert nodes.sentence.startswith(f"A node pulled {WEB}")


def test_that_no_pod_waits_is_no_proof_where_the_role_is_missing() -> None:
    nodes = link(chain(image_facts.facts(container(), authorization=NO_ROLE)), Step.NODES)
    assert word(nodes.verdict) == "skipped"
    assert nodes.sentence == "None of 1 pods waits for an image. That no pod waits does not prove a pull."


def test_a_full_disk_fails_a_pod_and_no_answer_about_the_registry() -> None:
    waiting = container(waiting_reason="ErrImagePull", waiting_message="write /var/lib/x: no space left on device")
    made = chain(image_facts.facts(waiting, authorization={SUBSCRIPTION: authorization(held(ACR_PULL))}))
    assert made.broken == ()
    assert "fails, but no answer about this registry rests on it: 1 pod waits for" in link(made, Step.NODES).notes[0]


@pytest.mark.parametrize(
    ("world", "step", "cause"),
    [
        (World().private(), Step.NETWORK, "public-access-disabled"),
        (World().deny("20.99.0.1"), Step.NETWORK, "ip-not-allowed"),
    ],
    ids=["closed", "firewall"],
)
def test_a_path_that_is_closed_breaks_at_the_network(world: World, step: Step, cause: str) -> None:
    made = chain(world.facts())
    assert (link(made, step).cause, link(made, step).fails) == (cause, True)
    assert word(link(made, Step.ROLE).verdict) != "fail"


def test_a_host_that_is_no_azure_registry_is_not_judged() -> None:
    used = container("quay.io/team/web:1")
    third = msgspec.structs.replace(World().facts(), uses=(image_facts.use_of("quay.io", [used]),))
    made = chain(msgspec.structs.replace(third, workloads=image_facts.workloads(used)), "quay.io")
    assert made.broken == ()
    assert made.headline == "Whether aks-1 can pull from quay.io is not judged"
    assert [word(link(made, step).verdict) for step in (Step.ROLE, Step.DNS)] == ["skipped", "skipped"]
    assert link(made, Step.ROLE).sentence == "Whether quay.io serves these images to everybody is not known from here."


def test_a_cluster_that_was_not_checked_says_so_once_and_nothing_passes() -> None:
    problem = ClusterProblem("not-looked-at", "The cluster's API did not answer.", "a run that reaches it")
    made = chain_of(problem_report(CLUSTER, (ACR,), problem), ACR)
    assert set(words(made)) == {"unknown"}
    assert [one.sentence for one in made.links].count(problem.summary) == 1


def test_a_registry_without_a_row_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"no row of acrtwo\.azurecr\.io"):
        chain_of(build_report(access_facts.facts()), "acrtwo.azurecr.io")


def test_commands_of_several_answers_are_listed_once() -> None:
    made = chain(msgspec.structs.replace(World().private().facts(), authorization=NO_ROLE))
    assert len(made.fix) == len(set(made.fix)) > 1


def test_a_row_that_fails_although_no_step_does_fails_at_the_nodes() -> None:
    waits = Finding(
        code="PW301",
        subject=Subject(CLUSTER, registry=ACR, image=WEB),
        verdict=Fail(),
        cause="connect_timeout",
        summary="1 pod waits.",
        severity=Severity.WARNING,
    )
    row = registry_row(access_facts.use(), (waits,), None)
    made = chain_of_row(ClusterReport(id=CLUSTER, registries=(row,), findings=(waits,)), row)
    assert word(row.pull.verdict) == "fail"
    assert [one.step for one in made.broken] == [Step.NODES]
    assert link(made, Step.NODES).sentence == "1 pod waits."


def test_what_is_not_known_of_another_registry_leaves_this_one_s_step_as_it_is() -> None:
    report = build_report(image_facts.facts(container(), events=[pulled()]))
    bootstrap = Finding(
        code="PW501",
        subject=Subject(report.id),
        verdict=Unknown("Reader on the bootstrap registry"),
        cause="registry-not-seen",
        summary="The bootstrap registry does not exist, or Pullwatch may not see it.",
    )
    of_registry = link(
        chain_of(msgspec.structs.replace(report, findings=(*report.findings, bootstrap)), ACR), Step.REGISTRY
    )
    assert word(of_registry.verdict) == "pass"
    assert any(note.startswith("PW501 is not known, but not of this registry: ") for note in of_registry.notes)


def test_that_names_are_well_formed_shows_nothing_of_a_registry_that_could_not_be_read() -> None:
    report = build_report(image_facts.facts(container()))
    row = report.registries[0]
    names = Finding(
        code="PW306", subject=Subject(report.id), verdict=Pass(), cause="well-formed", summary="All names are fine."
    )
    step = link(chain_of_row(msgspec.structs.replace(report, findings=(names,)), row), Step.REGISTRY)
    assert word(step.verdict) == "skipped"
    assert step.sentence == "PW306 holds, which says nothing of this registry: All names are fine."


def test_a_chain_knows_that_its_registry_was_only_asked_for() -> None:
    report = build_report(image_facts.facts(container()))
    (row,) = report.registries
    assert not chain_of_row(report, row).only_asked_for
    named = msgspec.structs.replace(row, sources=(ASKED_FOR,))
    assert chain_of_row(report, named).only_asked_for
