"""One scan over the wire: the real SDKs against a simulated tenant, the command line as a user types it."""

from pathlib import Path

import pytest

from simulator import running
from tests.support.cli import Scan, scan, typed
from tests.support.tenant_builder import ACR_PULL, READER, Tenant, guid, object_id

IMAGE = "acrone.azurecr.io/team/web:1"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """One cluster that pulls from one registry by AcrPull, and did so just now."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    registry = tenant.registry()
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    tenant.pulled(IMAGE)
    return tenant


def look(tenant: Tenant, *arguments: str) -> Scan:
    with running(tenant.root) as simulator:
        return scan(simulator.environment, *arguments)


def test_a_healthy_cluster_may_pull_and_did(tenant: Tenant) -> None:
    result = look(tenant)
    assert result.row()["access"]["verdict"] == "pass"
    assert result.row()["pull"]["verdict"] == "pass"
    assert result.finding("PW102")["cause"] == "role-held"
    assert result.finding("PW301")["verdict"] == "pass"


def test_a_missing_role_is_a_fail_with_the_command_that_grants_it(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    registry = tenant.registry()
    tenant.pod(IMAGE)
    result = look(tenant)
    finding = result.finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("fail", "role-missing")
    assert finding["fix"][0].startswith(f"az role assignment create --assignee-object-id {object_id('aks-1')} ")
    assert finding["fix"][0].endswith(f"--role AcrPull --scope {registry}")
    assert result.row()["access"]["decided_by"] == ["PW102"]
    assert result.row()["pull"]["verdict"] == "fail"
    assert result.code == 1


def test_a_role_at_a_management_group_reaches_the_registry(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry()
    tenant.pod(IMAGE)
    tenant.assign(object_id("aks-1"), READER, "/providers/Microsoft.Management/managementGroups/corp")
    assert look(tenant).finding("PW102")["cause"] == "role-held"


def test_a_role_that_comes_through_nested_groups_is_found_by_asking_azure(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    registry = tenant.registry()
    tenant.pod(IMAGE)
    outer, inner = guid("outer group"), guid("inner group")
    tenant.groups({outer: [inner], inner: [object_id("aks-1")]})
    tenant.assign(outer, ACR_PULL, registry, properties={"principalType": "Group"})
    finding = look(tenant).finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("pass", "role-through-group")
    assert "up to a day" in finding["summary"]


def test_an_anonymous_registry_needs_no_role(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry(properties={"anonymousPullEnabled": True})
    tenant.pod(IMAGE)
    result = look(tenant)
    assert result.finding("PW102")["verdict"] == "skipped"
    assert result.row()["access"] | {"summary": ""} == {
        "fix": [],
        "verdict": "pass",
        "cause": "anonymous-pull",
        "decided_by": ["PW304"],
        "summary": "",
    }


def test_an_absent_tag_fails_no_registry_and_is_counted_beside_it(tenant: Tenant) -> None:
    image = "acrone.azurecr.io/team/web:gone"
    text = f'Back-off pulling image "{image}": ErrImagePull: failed to resolve reference "{image}": {image}: not found'
    tenant.pod(image, waiting=("ImagePullBackOff", text))
    result = look(tenant)
    assert result.finding("PW301")["cause"] == "image_not_found"
    assert result.row()["pull"]["verdict"] == "pass"
    assert result.row()["image_troubles"] == 1
    assert result.code == 1


def test_pods_that_are_refused_fail_the_row_although_the_role_is_there(tenant: Tenant) -> None:
    text = f'failed to pull image "{IMAGE}": failed to fetch oauth token: unexpected status: 401 Unauthorized'
    tenant.pod(IMAGE, name="refused", waiting=("ErrImagePull", text))
    result = look(tenant)
    assert result.row()["pull"]["verdict"] == "fail"
    assert result.row()["pull"]["cause"] == "unauthorized"
    assert result.row()["disagreements"]


def test_a_subscription_that_refuses_is_in_the_result_and_the_others_are_scanned(tenant: Tenant) -> None:
    other = guid("other subscription")
    tenant.add_subscription(other)
    tenant.cluster("aks-2", sub=other)
    tenant.caller(denied=[{"scope": f"/subscriptions/{other}", "actions": ["*"]}])
    result = look(tenant)
    refused = next(s for s in result.answer["subscriptions"] if s["id"] == other)
    assert (refused["verdict"], refused["cause"], refused["missing"]) == ("unknown", "not-allowed", "Reader")
    assert "--role Reader" in refused["fix"][0]
    assert result.row()["access"]["verdict"] == "pass"
    assert result.code == 2


def test_role_assignments_that_may_not_be_read_are_unknown_and_never_a_missing_role(tenant: Tenant) -> None:
    action = "Microsoft.Authorization/roleAssignments/read"
    tenant.caller(denied=[{"scope": f"/subscriptions/{tenant.subscription}", "actions": [action]}])
    finding = look(tenant).finding("PW102")
    assert (finding["verdict"], finding["missing"]) == ("unknown", "Reader")


def test_an_api_server_out_of_reach_costs_the_pods_and_not_the_answer_from_arm(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(tags={"pullwatch-registries": "acrone.azurecr.io"})
    registry = tenant.registry()
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    result = look(tenant)
    assert result.row()["access"]["verdict"] == "pass"
    assert result.finding("PW301")["verdict"] == "unknown"
    assert any(line["what"] == "pods" and not line["looked"] for line in result.cluster()["coverage"])


def test_a_tag_that_names_what_can_be_no_registry_is_unknown_and_said(tenant: Tenant) -> None:
    """Whoever wrote it believes that the registry is watched."""
    tenant.cluster(tags={"pullwatch-registries": "acrone.azurecr.io foo"})
    with running(tenant.root) as simulator:
        result = scan(simulator.environment)
        screen = typed(simulator.environment, "scan")
    assert (result.code, result.row()["pull"]["verdict"]) == (2, "pass")
    said = "'foo' name no registry"
    assert any(said in line["why"] for line in result.cluster()["coverage"] if not line["looked"])
    assert "tag-unusable" in screen.stdout and said in screen.stdout


def test_whom_a_tag_names_in_vain_is_said_in_the_coverage(tenant: Tenant) -> None:
    tags = {"Pullwatch-Notify": "app@contoso.example, x@evil.example nobody"}
    tenant.cluster(tags=tags)
    with running(tenant.root) as simulator:
        notified = scan({**simulator.environment, "PULLWATCH_MAIL_TO": "team@contoso.example"})
        nobody = scan(simulator.environment)
    wrong = "no mail addresses: 'nobody'; name addresses, separated by spaces or commas"
    outside = "no mail to x@evil.example: the domains of PULLWATCH_NOTIFY_DOMAINS are contoso.example"
    assert tag_lines(notified) == [wrong, outside]
    assert tag_lines(nobody) == [wrong], "on a desk nobody is notified"


def tag_lines(result: Scan) -> list[str]:
    lines = [line for line in result.cluster()["coverage"] if line["what"] == "tag pullwatch-notify"]
    assert not any(line["looked"] for line in lines)
    return [line["why"] for line in lines]


def test_a_cluster_without_pods_is_unknown(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.reachable()
    assert look(tenant).finding("PW301")["cause"] == "no-pods"


def test_bodies_that_lack_fields_are_unknown_and_lose_nothing_else(tenant: Tenant) -> None:
    tenant.cluster("aks-2", properties=...)
    tenant.cluster("aks-3", properties={"identityProfile": "garbage", "agentPoolProfiles": 7})
    tenant.registry("acrtwo", properties={"loginServer": 5})
    result = look(tenant)
    assert result.finding("PW101", "aks-2")["verdict"] == "unknown"
    assert result.finding("PW101", "aks-3")["verdict"] == "unknown"
    assert result.row()["access"]["verdict"] == "pass"
    (subscription,) = result.answer["subscriptions"]
    assert subscription["cause"] == "bodies-unreadable"


def test_a_cluster_without_entra_id_is_not_read_by_its_admin_kubeconfig_unless_allowed(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(properties={"aadProfile": ...})
    tenant.registry()
    tenant.pod(IMAGE)
    with running(tenant.root) as simulator:
        closed = scan(simulator.environment).finding("PW301")
        opened = scan({**simulator.environment, "PULLWATCH_ALLOW_LOCAL_ACCOUNTS": "true"}).finding("PW301")
    assert (closed["cause"], closed["missing"]) == ("look-off", "PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true")
    assert opened["verdict"] == "pass"


def test_one_cluster_and_one_registry_can_be_asked_for(tenant: Tenant) -> None:
    tenant.cluster("aks-2")
    tenant.registry("acrtwo")
    result = look(tenant, "--cluster", "aks-1", "--registry", "acrtwo.azurecr.io")
    assert [c["id"].rsplit("/", 1)[-1] for c in result.answer["clusters"]] == ["aks-1"]
    assert result.row("acrtwo.azurecr.io")["access"]["cause"] == "role-missing"
    assert len(result.cluster()["registries"]) == 1


def test_the_name_of_a_registry_means_its_login_server(tenant: Tenant) -> None:
    tenant.registry("acrtwo", properties={"loginServer": "acrtwo-h4sh.azurecr.io"})
    result = look(tenant, "--cluster", "aks-1", "--registry", "ACRone", "--registry", "acrtwo")
    assert {row["registry"] for row in result.cluster()["registries"]} == {
        "acrone.azurecr.io",
        "acrtwo-h4sh.azurecr.io",
    }
    unseen = look(tenant, "--cluster", "aks-1", "--registry", "acrshop")
    assert unseen.row("acrshop.azurecr.io")["pull"]["verdict"] == "unknown"
    assert unseen.code == 2


def test_a_registry_that_was_asked_for_has_a_row_whatever_is_known_of_it(tenant: Tenant) -> None:
    result = look(tenant, "--cluster", "aks-1", "--registry", "harbor.corp.example")
    assert result.verdicts("harbor.corp.example") == ("unknown", "unknown", "unknown")
    assert result.code == 2


def test_a_registry_on_the_internet_that_was_asked_for_is_judged_as_far_as_azure_shows(tenant: Tenant) -> None:
    result = look(tenant, "--cluster", "aks-1", "--registry", "ghcr.io")
    assert result.verdicts("ghcr.io") == ("unknown", "pass", "unknown")
    assert result.code == 2


def test_a_host_that_nobody_can_judge_does_not_look_like_trouble(tenant: Tenant) -> None:
    image = "harbor.corp.example/team/web:1"
    tenant.pulled(image)
    tenant.pod("docker.io/library/nginx:1", name="hub")
    result = look(tenant)
    assert result.code == 0, "nothing fails and nothing that can be known is missing"
    assert result.verdicts("docker.io") == ("skipped", "pass", "skipped")


def test_an_image_in_trouble_is_counted_apart_from_its_registry(tenant: Tenant) -> None:
    image = "acrone.azurecr.io/team/web:gone"
    tenant.pod(image, waiting=("ErrImagePull", f'failed to resolve reference "{image}": {image}: not found'))
    assert look(tenant).answer["totals"] == {
        "clusters": 1, "passing": 0, "failing": 1, "unknown": 0,
        "can_pull": 0, "cannot_pull": 0, "at_risk": 0, "image_errors": 1, "warnings": 0,
        "rows": {"access": {"pass": 1}, "path": {"pass": 1}, "pull": {"pass": 1}, "images": {"fail": 1}},
    }  # fmt: skip


def test_without_a_cluster_those_that_do_not_use_the_registry_are_not_judged_on_it(tenant: Tenant) -> None:
    tenant.cluster("aks-2")
    tenant.reachable("aks-2")
    tenant.registry("acrtwo")
    tenant.pod("acrtwo.azurecr.io/team/web:1", cluster="aks-2")
    result = look(tenant, "--registry", "acrtwo")
    rows = {c["id"].rsplit("/", 1)[-1]: [r["registry"] for r in c["registries"]] for c in result.answer["clusters"]}
    assert rows["aks-2"] == ["acrtwo.azurecr.io"]
    assert not rows.get("aks-1"), "it does not use it, or is not known to"


def test_a_registry_that_nobody_uses_is_no_success(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.reachable()
    tenant.registry()
    result = look(tenant, "--registry", "acrone")
    assert (result.code, result.answer["clusters"]) == (2, [])
    assert "no cluster in scope uses it" in result.errors


def test_what_is_no_registry_is_refused_with_its_text(tenant: Tenant) -> None:
    refused = look(tenant, "--registry", "acr one/web")
    assert refused.code == 64
    assert "acr one/web" in refused.errors


def test_nothing_to_look_at_is_no_success(tenant: Tenant) -> None:
    result = look(tenant, "--cluster", "no-such-cluster")
    assert result.code == 2
    assert "'no-such-cluster' is not among the 1 cluster in 1 subscription" in result.errors


def test_an_opted_out_cluster_is_left_alone_unless_it_is_named(tenant: Tenant) -> None:
    tenant.cluster("aks-2", tags={"Pullwatch": "OFF"})
    with running(tenant.root) as simulator:
        everything = scan(simulator.environment)
        named = scan(simulator.environment, "--cluster", "aks-2")
    assert len(everything.answer["clusters"]) == 1
    assert len(named.answer["clusters"]) == 1


@pytest.mark.parametrize(
    ("environment", "described"),
    [
        ({"PULLWATCH_CLOUD": "AzureMoon"}, "PULLWATCH_CLOUD takes one of AzurePublic"),
        ({"PULLWATCH_SUBSCRIPTION": "x"}, "Did you mean PULLWATCH_SUBSCRIPTIONS?"),
        ({"PULLWATCH_CALL_SECONDS": "soon"}, "PULLWATCH_CALL_SECONDS takes a whole number"),
        (
            {"PULLWATCH_CONNECT_TO": "x:443=127.0.0.1:1", "WEBSITE_SITE_NAME": "app"},
            "for development and refused in Azure",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_it_takes(environment: dict[str, str], described: str) -> None:
    done = typed(environment, "scan")
    assert done.returncode == 64
    assert described in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_exits_64() -> None:
    assert typed({}, "scan", "--no-such-option").returncode == 64
    assert typed({}).returncode == 64


def test_the_table_leads_with_the_row_and_shows_hostile_names_as_text(tenant: Tenant) -> None:
    image = "acrone.azurecr.io/x:\x1b[31mred[/red]"
    tenant.pod(image, name="evil", waiting=("InvalidImageName", f"couldn't parse image {image}"))
    with running(tenant.root) as simulator:
        done = typed(simulator.environment, "scan", "--quiet")
    assert done.stdout.startswith("1 of 1 cluster has images that cannot be pulled\n")
    assert "\x1b" not in done.stdout
    assert "red[/red]" in done.stdout


def test_a_netrc_that_fits_every_host_breaks_no_request(tenant: Tenant, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    with running(tenant.root) as simulator:
        result = scan(simulator.environment | {"NETRC": str(netrc)})
    assert result.verdicts() == ("pass", "pass", "pass")
    assert result.finding("PW301")["verdict"] == "pass", "the pods were read too"
