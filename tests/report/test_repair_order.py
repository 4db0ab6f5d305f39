"""The cause that has to be repaired first leads the row, and no command repairs what comes after it."""

from __future__ import annotations

from typing import Any

from checks.facts import ClusterFacts, IdentityResource, KubeletIdentity, KubeletResource
from checks.findings import RegistryRow, word
from checks.report.cluster_report import build_report
from tests.support import access_facts as base
from tests.support.image_facts import container, workloads

IDENTITY = f"/subscriptions/{base.SUBSCRIPTION}/resourceGroups/ids/providers/Microsoft.ManagedIdentity/"
IDENTITY += "userAssignedIdentities/kubelet"
NEW = "0a0a0a0a-0000-4000-8000-00000000000a"
OTHER = "22222222-2222-4222-8222-222222222222"
THEIRS = "99999999-0000-4000-8000-000000000009"


def facts_of(resource: IdentityResource | None, **over: Any) -> ClusterFacts:
    """A cluster whose kubelet identity's resource id leads to something else, with a pod that uses the registry."""
    kubelet = KubeletIdentity(IDENTITY, None, base.ME)
    resource_facts = KubeletResource(resource=resource, others=2, siblings=2)
    given: dict[str, Any] = {
        "cluster": base.cluster(kubelet=kubelet),
        "kubelet_resource": base.seen(resource_facts),
        "workloads": workloads(container("acrone.azurecr.io/team/web:1")),
        "uses": (base.use(None, container("acrone.azurecr.io/team/web:1")),),
    }
    return base.facts(**(given | over))


def row_of(facts: ClusterFacts) -> RegistryRow:
    (row,) = build_report(facts).registries
    return row


def commands(facts: ClusterFacts) -> str:
    return "\n".join(command for finding in build_report(facts).findings for command in finding.fix)


def test_a_replaced_identity_comes_before_the_role_that_it_lacks() -> None:
    none = {base.SUBSCRIPTION: base.authorization()}
    facts = facts_of(IdentityResource(id=IDENTITY, principal_id=NEW), authorization=none)
    assert (word(row_of(facts).access.verdict), row_of(facts).access.cause) == ("fail", "identity-replaced")
    assert base.ME not in commands(facts), "the dead object id is granted nothing"


def test_a_deleted_identity_fails_whatever_its_old_object_id_still_holds() -> None:
    facts = facts_of(None)
    assert (word(row_of(facts).access.verdict), row_of(facts).access.cause) == ("fail", "identity-deleted")
    assert (word(row_of(facts).pull.verdict), row_of(facts).pull.cause) == ("fail", "identity-deleted")


def test_another_tenant_comes_before_a_missing_role() -> None:
    registry_id = base.REGISTRY_ID.replace(base.SUBSCRIPTION, OTHER)
    use = base.use(base.seen(base.registry(id=registry_id)), container("acrone.azurecr.io/team/web:1"))
    facts = facts_of(
        IdentityResource(id=IDENTITY, principal_id=base.ME),
        uses=(use,),
        authorization={OTHER: base.authorization()},
        tenants={base.SUBSCRIPTION: base.TENANT, OTHER: THEIRS},
    )
    assert (word(row_of(facts).access.verdict), row_of(facts).access.cause) == ("fail", "tenants-differ")
    text = commands(facts)
    assert "AcrPull" not in text and "reset-service-principal" not in text
    assert "az acr token create" in text and "az acr import" in text
    assert text.index("# Either") < text.index("# or copy")


def test_what_helps_one_image_is_no_fix_of_the_registrys_pull() -> None:
    refused, gone = "acrone.azurecr.io/team/web:1", "acrone.azurecr.io/vol/v57:1"
    pods = (
        container(refused, waiting_reason="ErrImagePull", waiting_message=f"{refused}: 401 Unauthorized"),
        container(
            gone, pod="vol", waiting_reason="ErrImagePull", waiting_message=f'resolve "{gone}": {gone}: not found'
        ),
    )
    row = row_of(base.facts(workloads=workloads(*pods), uses=(base.use(None, *pods),)))
    assert word(row.pull.verdict) == word(row.images.verdict) == "fail"
    assert "vol/v57" not in " ".join(row.pull.fix) and row.fix == row.pull.fix
    assert "vol/v57" in " ".join(row.images.fix) and "check-acr" not in " ".join(row.images.fix)
