"""PW308 over the wire: clusters whose Kubernetes API nobody reaches, and what their registries logged of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator import RequestRecord, running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.cli import Scan, scan, typed
from tests.support.logged_tenants import (
    LOGINS,
    PULLS,
    add_workspace,
    customer_id,
    running_pod,
    send_to,
    waiting_pod,
)
from tests.support.tenant_builder import ACR_PULL, Tenant, guid, object_id

HOST = "acrone.azurecr.io"
IMAGE = f"{HOST}/team/web:1"
WORKSPACES = "Microsoft.OperationalInsights/workspaces"
MINUTES_AGO = 40


class Estate(Tenant):
    """Clusters that pull from one registry whose log goes to a workspace, and whose own API is out of reach."""

    def __init__(self, root: Path, clusters: int = 3) -> None:
        super().__init__(root)
        self.registry_id, self.roles = self.registry(), dict[str, str]()
        self.write("registries", {"repositories": {"team/web": {"1": {}}}}, HOST)
        send_to(self, self.registry_id, add_workspace(self, "logs-1"))
        for name in (f"aks-{n}" for n in range(1, clusters + 1)):
            self.cluster(name)
            self.roles[name] = self.assign(object_id(name), ACR_PULL, self.registry_id)
            running_pod(self, IMAGE, minutes=MINUTES_AGO, cluster=name, name="web-runs")
        self.write(".", [{"service": "kubernetes", "path": "*", "effect": {"close": True}}], "faults")


def waits(estate: Estate, cluster: str, image: str = IMAGE) -> None:
    """A pod that has been trying for half an hour."""
    waiting_pod(estate, image, minutes=30, cluster=cluster, name="web-waits")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path / "tenant")


def look(estate: Estate, *arguments: str, **environment: str) -> tuple[Scan, list[RequestRecord]]:
    with running(estate.root) as simulator:
        result = scan({**simulator.environment, "PULLWATCH_PROBE": "false", **environment}, *arguments)
    return result, list(simulator.requests)


def verdicts(result: Scan, facet: str) -> dict[str, tuple[str, str]]:
    rows = {name: result.row(cluster=name)[facet] for name in ("aks-1", "aks-2", "aks-3")}
    return {name: (row["verdict"], row["cause"]) for name, row in rows.items()}


def test_pulls_that_the_registry_logged_prove_what_nobody_else_can_tell(estate: Estate) -> None:
    result, requests = look(estate)
    assert {verdict for verdict, _ in verdicts(result, "pull").values()} == {"pass"}
    assert all(result.row(cluster=name)["basis"] == ["registry"] for name in ("aks-1", "aks-2", "aks-3"))
    assert "the cluster pulled acrone.azurecr.io/team/web:1" in result.finding("PW308", "aks-1")["summary"]
    queries = [one for one in requests if one.service == "logs"]
    assert [one.status for one in queries] == [200], "one query for three clusters"
    assert sum(one.path.lower().endswith("/diagnosticsettings") for one in requests) == 1
    assert sum("/workspaces/logs-1" in one.path and one.service == "arm" for one in requests) == 1


def test_a_proven_pull_is_told_of_a_cluster_whose_other_registries_nobody_knows(estate: Estate) -> None:
    with running(estate.root) as simulator:
        page = typed({**simulator.environment, "PULLWATCH_PROBE": "false"}, "scan").stdout
    assert "3 clusters are unknown" in page and "PW301 look-unreachable  3" in page
    assert "pulls proven all the same  3" in page
    assert f"aks-1 <- acrone: The registry logged that a node pulled {IMAGE} at " in page


def test_a_removed_role_is_found_with_its_cluster(estate: Estate) -> None:
    estate.unassign(estate.roles["aks-2"])
    waits(estate, "aks-2")
    result, _ = look(estate)
    pulls = verdicts(result, "pull")
    assert (pulls["aks-1"][0], pulls["aks-2"][0], pulls["aks-3"][0]) == ("pass", "fail", "pass")
    assert pulls["aks-2"][1] == "role-missing"
    assert set(result.row(cluster="aks-2")["basis"]) == {"azure", "registry"}
    finding = result.finding("PW308", "aks-2")
    assert (finding["verdict"], finding["cause"], finding["severity"]) == ("fail", "unauthorized", "error")


def test_a_closed_firewall_is_found_with_its_cluster(estate: Estate) -> None:
    """The one whose address has no rule."""
    own = [f"20.71.0.{n}" for n in (1, 2, 3)]
    for n, address in enumerate(own, 1):
        estate.cluster(f"aks-{n}", **leaving_by(estate, f"aks-{n}", address))
    estate.registry(properties={"networkRuleSet": {"defaultAction": "Deny", "ipRules": [
        {"action": "Allow", "value": address} for address in (own[0], own[2])
    ]}})  # fmt: skip
    waits(estate, "aks-2")
    result, _ = look(estate)
    pulls = verdicts(result, "pull")
    assert (pulls["aks-1"][0], pulls["aks-2"][0], pulls["aks-3"][0]) == ("pass", "fail", "pass")
    finding = result.finding("PW308", "aks-2")
    assert (finding["verdict"], finding["cause"]) == ("fail", "firewall_denied")
    assert "20.71.0.2" in finding["summary"]
    assert {"azure", "registry"} >= set(result.row(cluster="aks-2")["basis"]) >= {"registry"}


def test_a_deleted_tag_is_found_with_its_cluster_and_image(estate: Estate) -> None:
    waits(estate, "aks-3", f"{HOST}/team/web:gone")
    result, _ = look(estate)
    assert {name: verdict for name, (verdict, _) in verdicts(result, "images").items()}["aks-3"] == "fail"
    images = result.row(cluster="aks-3")["images"]
    assert images["cause"] == "image_not_found" and "team/web:gone" in images["summary"]
    assert any("az acr" in command for command in images["fix"])
    assert {name: cause for name, (_, cause) in verdicts(result, "images").items()}["aks-1"] != "image_not_found"


def test_a_deleted_tag_is_told_once_where_the_pods_event_is_gone(estate: Estate) -> None:
    """The pods are read, the image's registry may not be asked, and only the log tells why the pod waits."""
    estate.write(".", [], "faults")
    estate.reachable("aks-3")
    waits(estate, "aks-3", f"{HOST}/team/web:gone")
    result, _ = look(estate)
    row = result.row(cluster="aks-3")
    assert [f["cause"] for f in result.findings("PW302", "aks-3")] == ["look-not-allowed"]
    assert (row["images"]["verdict"], row["images"]["cause"]) == ("fail", "image_not_found")
    assert (row["images"]["decided_by"], row["image_troubles"]) == (["PW308", "PW301"], 1)
    with running(estate.root) as simulator:
        environment = {**simulator.environment, "PULLWATCH_PROBE": "false"}
        page = typed(environment, "scan", "--cluster", "aks-3").stdout
    assert page.count("cannot pull some images") == 1
    assert "other checks say the same: PW301" in page


def test_a_tag_that_was_pushed_since_only_warns(estate: Estate) -> None:
    """The registry is asked whether what it did not have is there now."""
    estate.write("registries", {"repositories": {"team/web": {"1": {}, "2": {}}}}, HOST)
    estate.assign(DEFAULT_PRINCIPAL, ACR_PULL, estate.registry_id)
    row = {"Type": "ContainerRegistryRepositoryEvents", "TimeGenerated": "-6m", "LoginServer": HOST, "Tag": "2",
           "OperationName": "Pull", "Repository": "team/web", "ResultType": "404", "Identity": object_id("aks-1"),
           "CallerIpAddress": "20.1.2.3"}  # fmt: skip
    estate.write("logs", [row], "logs-1")
    result, _ = look(estate)
    (finding,) = [f for f in result.findings("PW308", "aks-1") if f["cause"] == "image_not_found"]
    assert (finding["severity"], finding["subject"]["image"]) == ("warning", f"{HOST}/team/web:2")
    assert "It is there now." in finding["summary"]
    assert result.row(cluster="aks-1")["images"]["verdict"] != "fail"


def test_a_shared_nat_address_accuses_no_cluster(estate: Estate) -> None:
    """Both pulled before the firewall was closed, which says nothing of now."""
    for n in (1, 2):
        estate.cluster(f"aks-{n}", **leaving_by(estate, "shared", "20.72.0.9"))
    estate.registry(properties={"networkRuleSet": {"defaultAction": "Deny", "ipRules": [
        {"action": "Allow", "value": "198.51.100.1"},
    ]}})  # fmt: skip
    waits(estate, "aks-1")
    result, _ = look(estate)
    for name, other in (("aks-1", "aks-2"), ("aks-2", "aks-1")):
        found = {f["cause"]: f for f in result.findings("PW308", name)}
        assert {cause: f["verdict"] for cause, f in found.items()} == {
            "logged-pull": "pass", "not-told-apart": "unknown"}  # fmt: skip
        assert other in found["not-told-apart"]["summary"]
    near, _ = look(estate, "--cluster", "aks-2")
    assert {f["cause"] for f in near.findings("PW308", "aks-2")} >= {"not-told-apart"}


def test_a_check_of_one_cluster_says_what_a_whole_scan_says(estate: Estate) -> None:
    """The refused one's neighbour lies in a subscription that its own check has no reason to read."""
    other = guid("another subscription")
    estate.add_subscription(other)
    estate.cluster("aks-far", sub=other)
    for n in (1, 2, 3):
        estate.cluster(f"aks-{n}", **leaving_by(estate, f"aks-{n}", f"20.71.0.{n}"))
    estate.registry(properties={"networkRuleSet": {"defaultAction": "Deny", "ipRules": [
        {"action": "Allow", "value": "20.71.0.1"},
    ]}})  # fmt: skip
    waits(estate, "aks-2")
    whole, near = look(estate)[0], look(estate, "--cluster", "aks-2")[0]
    pulls = [{key: one.row(cluster="aks-2")["pull"][key] for key in ("verdict", "cause")} for one in (whole, near)]
    assert pulls[0] == pulls[1] == {"verdict": "fail", "cause": "firewall_denied"}


@pytest.mark.parametrize(("setting", "asked"), [("off", 0), ("named", 0), ("auto", 1)])
def test_where_the_logs_are_is_a_setting(estate: Estate, setting: str, asked: int) -> None:
    workspace = f"{estate.group()}/providers/{WORKSPACES}/logs-1"
    value = workspace if setting == "named" else setting
    result, requests = look(estate, PULLWATCH_REGISTRY_LOGS=value)
    assert sum(one.path.lower().endswith("/diagnosticsettings") for one in requests) == asked
    assert bool([one for one in requests if one.service == "logs"]) == (setting != "off")
    assert bool(result.findings("PW308")) == (setting != "off")


def test_one_query_a_workspace_however_many_registries_log_to_it(tmp_path: Path) -> None:
    estate = Estate(tmp_path / "tenant", clusters=2)
    for number in range(2, 12):
        registry = estate.registry(f"acr{number}", properties={"loginServer": f"acr{number}.azurecr.io"})
        send_to(estate, registry, f"{estate.group()}/providers/{WORKSPACES}/logs-{number % 2}")
    add_workspace(estate, "logs-0")
    _, requests = look(estate)
    assert sorted(one.path for one in requests if one.service == "logs") == sorted(
        f"/v1/workspaces/{customer_id(name)}/query" for name in ("logs-0", "logs-1")
    )
    settings = [one.path.lower() for one in requests if one.path.lower().endswith("/diagnosticsettings")]
    assert len(settings) == len(set(settings)) == 11


@pytest.mark.parametrize("action", [
    "Microsoft.Insights/diagnosticSettings/read", "Microsoft.OperationalInsights/workspaces/read",
    "Microsoft.OperationalInsights/workspaces/query/read",
])  # fmt: skip
def test_a_log_that_may_not_be_read_names_the_role_and_costs_nothing_else(estate: Estate, action: str) -> None:
    without, _ = look(estate, PULLWATCH_REGISTRY_LOGS="off")
    estate.caller(denied=[{"scope": f"/subscriptions/{estate.subscription}", "actions": [action]}])
    result, _ = look(estate)
    finding = result.finding("PW308", "aks-1")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")
    assert "Reader" in finding["missing"]
    assert result.row(cluster="aks-1")["pull"] == without.row(cluster="aks-1")["pull"]


@pytest.mark.parametrize("effect", [
    {"status": 429, "retry_after": 30}, {"status": 500}, {"garbage": True}, {"close": True},
    {"status": 200, "body": {"tables": [], "error": {"code": "PartialError", "message": "too much"}}},
])  # fmt: skip
def test_a_log_that_cannot_be_had_is_no_answer(estate: Estate, effect: dict[str, Any]) -> None:
    rules = [{"service": "kubernetes", "path": "*", "effect": {"close": True}}]
    estate.write(".", [*rules, {"service": "logs", "path": "*", "effect": effect}], "faults")
    result, _ = look(estate)
    assert result.finding("PW308", "aks-1")["verdict"] == "unknown"
    assert result.row(cluster="aks-1")["basis"] != ["registry"]


def named(estate: Estate, *workspaces: str) -> str:
    """The setting that names workspaces."""
    return ",".join(f"{estate.group()}/providers/{WORKSPACES}/{name}" for name in workspaces)


def failing(estate: Estate, workspace: str, status: int) -> None:
    """Queries of one workspace get a status; the clusters stay out of reach."""
    rules = [{"service": "kubernetes", "path": "*", "effect": {"close": True}},
             {"service": "logs", "path": f"*{customer_id(workspace)}*", "effect": {"status": status}}]  # fmt: skip
    estate.write(".", rules, "faults")


def pull(status: str, at: str, **over: str) -> dict[str, str]:
    """A row of what a registry logged of a pull by aks-1."""
    return {"Type": PULLS, "TimeGenerated": at, "LoginServer": HOST, "OperationName": "Pull", "Repository": "team/web",
            "Tag": "2", "ResultType": status, "Identity": object_id("aks-1"), "CallerIpAddress": "20.1.2.3",
            **over}  # fmt: skip


def by_others(at: str, count: int = 10_500, **over: str) -> list[dict[str, str]]:
    """Pulls of others, more than a query takes."""
    return [pull("200", at, Identity=guid("a pipeline"), Tag=f"build-{n}", **over) for n in range(count)]


@pytest.mark.parametrize(("status", "missing"), [
    (403, "Log Analytics Reader"), (404, "an answer of Log Analytics for"), (500, "an answer of Log Analytics for"),
])  # fmt: skip
def test_a_named_workspace_that_was_not_read_is_no_empty_log(estate: Estate, status: int, missing: str) -> None:
    """The log is in that one; another could be read."""
    add_workspace(estate, "logs-0")
    estate.write("logs", [{"Type": "Heartbeat", "TimeGenerated": "-3m"}], "logs-0")
    failing(estate, "logs-1", status)
    result, _ = look(estate, PULLWATCH_REGISTRY_LOGS=named(estate, "logs-0", "logs-1"))
    finding = result.finding("PW308", "aks-1")
    assert finding["verdict"] == "unknown" and finding["missing"].startswith(missing)
    assert any("logs-1" in command for command in finding["fix"]) == (status == 403)


def test_a_registry_that_was_heard_needs_no_other_workspace(estate: Estate) -> None:
    add_workspace(estate, "logs-0")
    failing(estate, "logs-0", 403)
    result, _ = look(estate, PULLWATCH_REGISTRY_LOGS=named(estate, "logs-0", "logs-1"))
    assert verdicts(result, "pull")["aks-1"][0] == result.finding("PW308", "aks-1")["verdict"] == "pass"


def test_a_workspace_to_which_nothing_was_ever_sent_is_an_empty_log(estate: Estate) -> None:
    add_workspace(estate, "logs-0")
    result, _ = look(estate, PULLWATCH_REGISTRY_LOGS=named(estate, "logs-0"))
    finding = result.finding("PW308", "aks-1")
    assert (finding["verdict"], finding["cause"]) == ("skipped", "not-logged")
    assert finding["summary"].startswith("Nothing stands in the log that was read of acrone.azurecr.io")


def test_a_workspaces_id_may_end_in_a_slash(estate: Estate) -> None:
    result, _ = look(estate, PULLWATCH_REGISTRY_LOGS=f"{named(estate, 'logs-1')}/")
    assert result.finding("PW308", "aks-1")["verdict"] == "pass"


@pytest.mark.parametrize(("logins", "expected"), [
    ("logs-1", "The registry logged that the cluster pulled"),
    ("logs-0", f"{LOGINS} and {PULLS} of acrone go to different workspaces"),
    ("", f"No diagnostic setting of acrone sends {LOGINS} to a workspace"),
])  # fmt: skip
def test_two_settings_with_a_category_each_have_to_lead_to_one_workspace(
    estate: Estate, logins: str, expected: str
) -> None:
    send_to(estate, estate.registry_id, f"{estate.group()}/providers/{WORKSPACES}/logs-1", PULLS)
    if logins:
        send_to(estate, estate.registry_id, add_workspace(estate, logins), LOGINS, name="too")
    result, _ = look(estate)
    assert result.finding("PW308", "aks-1")["summary"].startswith(expected)


def test_what_stands_in_two_workspaces_happened_once(estate: Estate) -> None:
    """One of them is behind."""
    send_to(estate, estate.registry_id, add_workspace(estate, "logs-0"), name="too")
    estate.write("logs", [pull("404", "-12m"), pull("404", "-7m")], "logs-1")
    estate.write("logs", [pull("404", "-12m")], "logs-0")
    result, _ = look(estate)
    (finding,) = [f for f in result.findings("PW308", "aks-1") if f["verdict"] == "fail"]
    assert " 2 times since " in finding["summary"]


@pytest.mark.parametrize(("others", "ours", "expected"), [
    pytest.param("-30m", [("404", "-8m")], ("fail", "image_not_found"), id="after all that was cut"),
    pytest.param("-3m", [("404", "-8m")], ("unknown", "nothing-logged"), id="what was cut may have ended it"),
    pytest.param("-30m", [("404", "-8m"), ("200", "-4m")], ("pass", "logged-pull"), id="ended"),
])  # fmt: skip
def test_a_refusal_is_not_lost_among_more_pulls_than_are_read(
    tmp_path: Path, others: str, ours: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    estate = Estate(tmp_path / "tenant", clusters=1)
    (estate.root / "kubernetes").rename(tmp_path / "pods that nobody has")
    estate.write("logs", [*by_others(others), *(pull(status, at) for status, at in ours)], "logs-1")
    result, requests = look(estate)
    assert [one.status for one in requests if one.service == "logs"] == [200]
    finding = result.finding("PW308", "aks-1")
    assert (finding["verdict"], finding["cause"]) == expected
    assert "only the newest groups of calls were read" in [one["what"] for one in finding["evidence"]]


def test_a_registry_beside_a_noisy_one_is_not_said_to_be_silent(estate: Estate) -> None:
    noisy = estate.registry("acrtwo", properties={"loginServer": "acrtwo.azurecr.io"})
    send_to(estate, noisy, f"{estate.group()}/providers/{WORKSPACES}/logs-1")
    estate.write("logs", by_others("-1m", LoginServer="acrtwo.azurecr.io"), "logs-1")
    finding = look(estate)[0].finding("PW308", "aks-1")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "not-logged")
    assert "none is of acrone.azurecr.io" in finding["summary"]
    assert finding["missing"] == "the older calls of the log"


def leaving_by(estate: Estate, name: str, address: str) -> dict[str, Any]:
    """Settings of a cluster whose load balancer has one address; those of the same name share it, as a test says."""
    kind = "Microsoft.Network/publicIPAddresses"
    public = estate.resource(kind, f"ip-{name}", {"properties": {"ipAddress": address}})
    profile = {"effectiveOutboundIPs": [{"id": public}]}
    return {"properties": {"networkProfile": {"loadBalancerProfile": profile}}}
