"""Azure Monitor of a simulated tenant: what a registry's own log and metrics say of what nodes pull."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.identity.aio import ManagedIdentityCredential

from simulator import Simulator, running
from tests.support.logged_tenants import (
    AUDIENCE,
    LOGINS,
    NODE,
    PULLS,
    Workspace,
    add_workspace,
    logged,
    running_pod,
    send_to,
    waiting_pod,
)
from tests.support.network_world import EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.tenant_builder import ACR_PULL, READER, REPOSITORY_READER, Tenant, guid, object_id
from tests.support.tenant_server import Client, Reply

IMAGE, ABSENT = f"{HOST}/team/web:1", f"{HOST}/team/web:absent"
OWN = object_id("aks-1")
Story = list[tuple[str, str, str, str]]
EVERYTHING = f"union isfuzzy=true {LOGINS}, {PULLS} | sort by TimeGenerated asc"
METRICS = "/providers/Microsoft.Insights/metrics"


def asked(start: datetime, end: datetime, *hosts: str) -> str:
    """The query that Pullwatch sends."""
    named = ", ".join(f'"{host}"' for host in hosts)
    return f"""union isfuzzy=true {LOGINS}, {PULLS}
| where TimeGenerated >= datetime({start:%Y-%m-%dT%H:%M:%SZ}) and TimeGenerated < datetime({end:%Y-%m-%dT%H:%M:%SZ})
| where LoginServer in~ ({named})
| extend Repository = column_ifexists("Repository", ""), Tag = column_ifexists("Tag", ""), \
Digest = column_ifexists("Digest", "")
| where Type == "{LOGINS}" or OperationName startswith "Pull"
| summarize First = min(TimeGenerated), Last = max(TimeGenerated), Events = count() by Type, \
LoginServer = tolower(LoginServer), CallerIpAddress, Identity, OperationName, ResultType, ResultDescription, \
Repository, Tag, Digest
| top 10000 by Last desc"""


@contextmanager
def served(tenant: Tenant) -> Iterator[tuple[Simulator, Workspace]]:
    with running(tenant.root) as sim:
        yield sim, Workspace(sim)


def story(rows: list[dict[str, Any]]) -> Story:
    """(operation, status, identity, reference) of the first try, in the order it happened."""
    times = [datetime.fromisoformat(row["TimeGenerated"]) for row in rows]
    assert times == sorted(times)
    first = [row for row, at in zip(rows, times, strict=True) if at - times[0] < timedelta(minutes=1)]
    return [
        (row["OperationName"], row["ResultType"], row["Identity"], f"{row['Repository']}:{row['Tag']}".strip(":"))
        for row in first
    ]


def log_of(world: World, root: Path, *roles: str, image: str = IMAGE) -> list[dict[str, Any]]:
    """All rows of a tenant in which one pod waits for its image."""
    tenant = logged(world, root / "tenant", *roles)
    waiting_pod(tenant, image)
    with served(tenant) as (_, workspace):
        return workspace.rows(EVERYTHING)


def without_zone() -> World:
    world = World().private()
    world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.endpoint()
    return world


def without_record() -> World:
    world = without_zone()
    world.zone({}, world.vnet_id(NODES))
    return world


def without_peering() -> World:
    world = without_zone()
    world.zone(RECORDS, world.vnet_id(NODES))
    return world


def by_repositories() -> World:
    return World().registry(roleAssignmentMode="AbacRepositoryPermissions")


REFUSED: Story = [("Login", "401", OWN, ""), ("Login", "401", "", "")]
MISSING: Story = [
    ("Login", "200", OWN, ""),
    ("Pull", "404", OWN, "team/web:absent"),
    ("Login", "401", "", ""),
]


@pytest.mark.parametrize(
    ("world", "role", "image", "told"),
    [
        (World, "", IMAGE, REFUSED),
        (World, ACR_PULL, ABSENT, MISSING),
        (World, ACR_PULL, f"{HOST}/team/other:1", [MISSING[0], ("Pull", "404", OWN, "team/other:1"), MISSING[2]]),
        (
            by_repositories,
            ACR_PULL,
            IMAGE,
            [("Login", "200", OWN, ""), ("Pull", "401", OWN, "team/web:1"), ("Login", "401", "", "")],
        ),
        (by_repositories, REPOSITORY_READER, ABSENT, MISSING),
        (lambda: World().deny("20.9.9.9"), ACR_PULL, IMAGE, [("Login", "403", "", "")]),
        (lambda: World().private(), ACR_PULL, IMAGE, [("Login", "403", "", "")]),
        (lambda: World().cluster(identityProfile=...), "", IMAGE, [("Login", "401", "", "")]),
        (lambda: World().registry(anonymousPullEnabled=True), "", ABSENT, [
            ("Login", "401", OWN, ""), ("Login", "200", "", ""), ("Pull", "404", "", "team/web:absent")]),
        (without_record, ACR_PULL, IMAGE, []),
        (without_peering, ACR_PULL, IMAGE, []),
        (lambda: World().nsg(rule("deny", 100, "Deny", "*")), ACR_PULL, IMAGE, []),
        (lambda: World().routes(("0.0.0.0/0", "None")), ACR_PULL, IMAGE, []),
    ],
    ids=["no role", "no tag", "no repository", "not this repository", "no tag by repositories", "firewall", "closed",
         "no identity", "anonymous", "no record", "no way", "nsg", "no route"],
)  # fmt: skip
def test_a_registry_writes_down_what_it_sees_of_a_node_that_waits(
    tmp_path: Path, world: Callable[[], World], role: str, image: str, told: Story
) -> None:
    rows = log_of(world(), tmp_path, *([role] if role else []), image=image)
    assert story(rows) == told
    assert {row["CallerIpAddress"] for row in rows} <= {EGRESS}
    assert len(rows) == 12 * len(told) or len(rows) == 13 * len(told)  # an hour, every five minutes


def test_a_firewall_names_the_address_and_nobody(tmp_path: Path) -> None:
    row = log_of(World().deny("20.9.9.9"), tmp_path, ACR_PULL)[0]
    assert row["ResultDescription"].startswith(f"client with IP '{EGRESS}' is not allowed access")
    assert (row["Identity"], row["UserTenantId"], row["Type"]) == ("", "", LOGINS)


def test_a_pod_that_runs_pulled_once_when_it_started(tmp_path: Path) -> None:
    tenant = logged(World(), tmp_path / "tenant", ACR_PULL)
    running_pod(tenant, IMAGE, minutes=30)
    running_pod(tenant, IMAGE, minutes=20, name="second")  # the image is on the node already
    with served(tenant) as (_, workspace):
        login, pull = workspace.rows(EVERYTHING)
    assert (login["ResultType"], pull["ResultType"], pull["Repository"], pull["Tag"]) == ("200", "200", "team/web", "1")
    assert pull["Digest"].startswith("sha256:") and pull["Size"] > 0
    ago = datetime.now(UTC) - datetime.fromisoformat(pull["TimeGenerated"])
    assert timedelta(minutes=29) < ago < timedelta(minutes=32)


def test_what_the_log_says_of_a_pod_that_runs_does_not_follow_what_broke_since(tmp_path: Path) -> None:
    tenant = logged(without_record(), tmp_path / "tenant")
    running_pod(tenant, IMAGE, minutes=30)
    with served(tenant) as (_, workspace):
        assert [row["ResultType"] for row in workspace.rows(EVERYTHING)] == ["200", "200"]


def test_through_a_private_endpoint_the_registry_sees_the_nodes_own_address(tmp_path: Path) -> None:
    world = without_zone()
    world.zone(RECORDS, world.vnet_id(NODES))
    world.peer(world.vnet_id(NODES), world.vnet_id("vnet-endpoints"))
    tenant = logged(world, tmp_path / "tenant", ACR_PULL)
    running_pod(tenant, IMAGE)
    with served(tenant) as (_, workspace):
        first, again = workspace.rows(EVERYTHING), workspace.rows(EVERYTHING)
        (address,) = {row["CallerIpAddress"] for row in first}
        assert ip_address(address) in ip_network("10.10.0.0/20") and first == again
        status = {"addresses": [{"type": "InternalIP", "address": "10.10.0.99"}]}
        labels = {"kubernetes.azure.com/agentpool": "system"}
        node = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": NODE, "labels": labels}, "status": status}
        tenant.write("kubernetes/aks-1", node, "node")
        assert {row["CallerIpAddress"] for row in workspace.rows(EVERYTHING)} == {"10.10.0.99"}


def test_some_registries_write_the_object_id_and_some_the_client_id(tmp_path: Path) -> None:
    written = set()
    for number in range(6):
        world = World()
        kubelet = {"objectId": OWN, "clientId": guid("client")}
        world.bodies[world.cluster_id]["properties"]["identityProfile"]["kubeletidentity"] = kubelet
        body = world.bodies.pop(world.cluster_id)
        world.cluster_id = world.put("Microsoft.ContainerService/managedClusters", f"aks-{number}", {
            "properties": body["properties"]})  # fmt: skip
        tenant = logged(world, tmp_path / f"tenant-{number}")
        waiting_pod(tenant, IMAGE, cluster=f"aks-{number}")
        with served(tenant) as (_, workspace):
            written |= {row["Identity"] for row in workspace.rows(EVERYTHING)}
    assert written == {OWN, guid("client"), ""}


def test_the_query_of_a_run_is_answered_by_groups(tmp_path: Path) -> None:
    tenant = logged(World(), tmp_path / "tenant", ACR_PULL)
    waiting_pod(tenant, ABSENT, minutes=600)
    now = datetime.now(UTC)
    with served(tenant) as (_, workspace):
        rows = workspace.rows(asked(now - timedelta(hours=3), now, HOST.upper(), "acrother.azurecr.io"))
        none = workspace.rows(asked(now - timedelta(hours=3), now, "acrother.azurecr.io"))
    assert none == []
    pull = next(row for row in rows if row["Type"] == PULLS)
    assert (pull["LoginServer"], pull["ResultType"], pull["Identity"]) == (HOST, "404", OWN)
    assert 34 <= pull["Events"] <= 36 and pull["First"] < pull["Last"]  # three hours, every five minutes
    assert pull["ResultDescription"] == 'manifest tagged by "absent" is not found'


def test_rows_arrive_late_and_may_say_the_status_elsewhere(tmp_path: Path) -> None:
    tenant = logged(World(), tmp_path / "tenant")
    waiting_pod(tenant, IMAGE, minutes=4)
    with served(tenant) as (_, workspace):
        assert len(workspace.rows(EVERYTHING)) == 2
        (tenant.root / "monitor.json").write_text(json.dumps({"statusIn": "ResultDescription"}))
        row = workspace.rows(EVERYTHING)[0]
        assert (row["ResultType"], row["ResultDescription"]) == ("HttpStatusCode", "401")
        (tenant.root / "monitor.json").write_text(json.dumps({"delayMinutes": 15}))
        assert workspace.rows(EVERYTHING) == []
        later = datetime.now(UTC) + timedelta(hours=1)
        (tenant.root / "monitor.json").write_text(json.dumps({"now": later.isoformat(), "delayMinutes": 15}))
        assert len(workspace.rows(EVERYTHING)) == 2 * 10  # an hour and four minutes without the last fifteen


def test_a_file_adds_rows_of_its_own(tmp_path: Path) -> None:
    tenant = logged(World(), tmp_path / "tenant")
    token = {"Type": LOGINS, "TimeGenerated": "-12m", "LoginServer": HOST, "Identity": "ci-token", "ResultType": "200"}
    other = {"Type": "Heartbeat", "TimeGenerated": "2026-01-01T00:00:00Z", "Computer": "one", "Count": 3}
    future = {**token, "TimeGenerated": "2999-01-01T00:00:00Z"}
    tenant.write("logs", [token, other, future, {"Type": "Nonsense"}], "log")
    with served(tenant) as (_, workspace):
        (row,) = workspace.rows(LOGINS)
        assert (row["Identity"], row["CallerIpAddress"]) == ("ci-token", "")
        assert workspace.rows("Heartbeat | project Computer, Count") == [{"Computer": "one", "Count": 3}]
        assert workspace.rows("Heartbeat", timespan="P1D") == []
        assert workspace.rows("Heartbeat | take 0 | summarize avg(Count)") == [{"avg_Count": "NaN"}]
        assert workspace.error("Nonsense") == (400, "BadArgumentError", "SEM0100")


def test_only_the_categories_that_are_sent_to_a_workspace_are_tables_in_it(tmp_path: Path) -> None:
    world = World()
    tenant = logged(world, tmp_path / "tenant")
    add_workspace(tenant, "empty")
    send_to(tenant, world.registry_id, add_workspace(tenant, "logins"), LOGINS, name="logins")
    setting = send_to(tenant, world.registry_id, add_workspace(tenant, "off"), name="off")
    (off,) = (path for path in (tenant.root / "arm").glob("*.json") if json.loads(path.read_text())["id"] == setting)
    off.write_text(off.read_text().replace('"enabled": true', '"enabled": false'))
    waiting_pod(tenant, IMAGE)
    with served(tenant) as (sim, _):
        logins = Workspace(sim, "logins").rows(f"union isfuzzy=true {LOGINS}, {PULLS}")
        assert logins and "Repository" not in logins[0]
        assert Workspace(sim, "logins").error(f"union {LOGINS}, {PULLS}") == (400, "BadArgumentError", "SEM0100")
        for unused in ("empty", "off"):
            assert Workspace(sim, unused).error(EVERYTHING) == (400, "BadArgumentError", "SEM0100")


# Azure Resource Manager ----------------------------------------------------------------------------------------------


def metrics(sim: Simulator, world: World, **query: str) -> Reply:
    """A read of the registry's metrics."""
    values = {"api-version": "2024-02-01", "metricnames": "TotalPullCount,SuccessfulPullCount", "interval": "PT1H"}
    client, given = Client(sim), values | {"aggregation": "Total"} | query
    text = "&".join(f"{name}={value}" for name, value in given.items())
    url = f"{sim.environment['PULLWATCH_ARM_ENDPOINT']}{world.registry_id}{METRICS}?{text}"
    return client.send(url, Authorization=f"Bearer {sim.token('https://management.azure.com')}")


def totals(reply: Reply) -> list[list[float | None]]:
    """The values of each metric."""
    return [[point.get("total") for point in one["timeseries"][0]["data"]] for one in reply.json["value"]]


def test_metrics_count_the_tries_that_the_log_tells_of(tmp_path: Path) -> None:
    world = World()
    tenant = logged(world, tmp_path / "tenant", ACR_PULL)
    waiting_pod(tenant, ABSENT, minutes=600)
    running_pod(tenant, IMAGE, minutes=90, name="runs")
    now = datetime.now(UTC)
    span = f"{now - timedelta(hours=4):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}"
    with served(tenant) as (sim, workspace):
        rows = [row for row in workspace.rows(EVERYTHING) if row["Type"] == PULLS]
        for interval in ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "P1D", "FULL"):
            total, successful = totals(metrics(sim, world, timespan=span, interval=interval))
            assert sum(one or 0 for one in total) == len(rows)
            assert sum(one or 0 for one in successful) == 1
            assert len(total) == len(successful)
        body = metrics(sim, world, timespan=span).json
    assert (body["namespace"], body["interval"]) == ("Microsoft.ContainerRegistry/registries", "PT1H")
    first = body["value"][0]
    assert first["id"] == f"{world.registry_id}{METRICS}/TotalPullCount"
    assert (first["name"]["value"], first["unit"], first["errorCode"]) == ("TotalPullCount", "Count", "Success")
    stamps = [datetime.fromisoformat(point["timeStamp"]) for point in first["timeseries"][0]["data"]]
    assert len(stamps) == 5 and all(at.minute == 0 for at in stamps) and stamps == sorted(stamps)


def test_a_firewall_keeps_tries_out_of_the_metrics_and_a_missing_role_does_not(tmp_path: Path) -> None:
    for name, world, counted in (("open", World(), 3), ("closed", World().deny("20.9.9.9"), 0)):
        tenant = logged(world, tmp_path / name)
        waiting_pod(tenant, IMAGE, minutes=14)
        with served(tenant) as (sim, _):
            total, successful = totals(metrics(sim, world, timespan="PT1H", interval="FULL"))
            assert (total, successful) == ([float(counted)], [0.0])


def test_a_file_tells_the_hours_of_the_past(tmp_path: Path) -> None:
    world = World().registry(creationDate="2026-11-20T00:00:00Z")
    tenant = logged(world, tmp_path / "tenant", ACR_PULL)
    waiting_pod(tenant, ABSENT, minutes=600)
    (tenant.root / "monitor.json").write_text(json.dumps({"now": "2026-11-29T09:10:00Z", "delayMinutes": 15}))
    counts = {"TotalPullCount": 10, "SuccessfulPullCount": 9}
    tenant.write("metrics", {"2026-11-28T07:20:00Z": counts, "-1h": counts, "nonsense": counts}, "acrone")
    with served(tenant) as (sim, _):
        total, successful = totals(metrics(sim, world, timespan="2026-11-28T07:00:00Z/2026-11-28T08:00:00Z"))
        assert (total, successful) == ([10.0], [9.0])
        hours = totals(metrics(sim, world, timespan="2026-11-29T07:00:00Z/2026-11-29T11:00:00Z"))[0]
        assert hours[1:] == [10.0, None, None]  # the hour of the file alone; what began since has not arrived
        assert totals(metrics(sim, world, timespan="2026-11-19T22:00:00Z/2026-11-20T01:00:00Z"))[0] == [None, None, 0.0]
        days = totals(metrics(sim, world, timespan="2026-11-27T00:00:00Z/2026-11-29T00:00:00Z", interval="P1D"))[0]
        assert days == [0.0, 10.0]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"metricnames": "PullCount"}, "Failed to find metric configuration for provider: Microsoft.ContainerRegistry"),
        ({"timespan": "yesterday"}, "Invalid timespan"),
        ({"timespan": "2026-11-29T09:00:00Z/2026-11-29T08:00:00Z"}, "Invalid timespan"),
        ({"interval": "PT2M"}, "Invalid time grain 'PT2M'"),
        ({"interval": "PT1M", "timespan": "P93D"}, "more than 50000 points"),
        ({"aggregation": "Average"}, "no aggregation but Total"),
        ({"metricnamespace": "Microsoft.Web/sites"}, "no metric namespace"),
    ],
)
def test_metrics_that_cannot_be_asked_are_refused_as_azure_monitor_does(
    tmp_path: Path, query: dict[str, str], said: str
) -> None:
    world = World()
    with served(logged(world, tmp_path / "tenant")) as (sim, _):
        reply = metrics(sim, world, **query)
    assert (reply.status, reply.json["code"]) == (400, "BadRequest")  # no `error` around it
    assert said in reply.json["message"]


def test_diagnostic_settings_are_told_of_their_registry_and_are_no_resources(tmp_path: Path) -> None:
    world = World()
    tenant = logged(world, tmp_path / "tenant")
    with served(tenant) as (sim, _):
        client = Client(sim)
        path = f"{world.registry_id}/providers/Microsoft.Insights/diagnosticSettings"
        (setting,) = client.arm(path, "2021-05-01-preview").json["value"]
        assert setting["properties"]["logs"] == [{"categoryGroup": "allLogs", "enabled": True}]
        assert client.arm(f"{path}/to-log", "2021-05-01-preview").json == setting
        assert client.arm(f"{path}/other", "2021-05-01-preview").status == 404
        assert client.arm(path.replace("acrone", "nobody"), "2021-05-01-preview").status == 404
        workspace = client.arm(setting["properties"]["workspaceId"], "2023-09-01").json
        assert workspace["properties"]["customerId"] == guid("workspace log")
        listed = client.arm(f"/subscriptions/{world.registry_id.split('/')[2]}/resources", "2021-04-01").json["value"]
        assert "log" in {one["name"] for one in listed} and "to-log" not in {one["name"] for one in listed}
        assert metrics(sim, world, timespan="PT1H").status == 200
        cluster = client.arm(f"{world.cluster_id}{METRICS}", "2024-02-01")
        assert (cluster.status, cluster.json["code"]) == (400, "BadRequest")


# who may -------------------------------------------------------------------------------------------------------------


def test_a_query_needs_a_token_for_its_own_audience(tmp_path: Path) -> None:
    with served(logged(World(), tmp_path / "tenant")) as (sim, workspace):
        missing = workspace.ask(EVERYTHING, token="")
        assert (missing.status, missing.json["error"]["code"]) == (401, "AuthenticationFailed")
        wrong = workspace.ask(EVERYTHING, token=sim.token("https://management.azure.com"))
        assert (wrong.status, wrong.json["error"]["code"]) == (403, "InvalidAuthenticationTokenAudience")
        assert workspace.ask(EVERYTHING, token="no.real.one").json["error"]["code"] == "InvalidAuthenticationToken"
        assert workspace.ask(EVERYTHING, token=sim.token(f"{AUDIENCE}/")).status == 200
        assert workspace.ask(EVERYTHING, token=sim.token(sim.log_analytics)).status == 200


@pytest.mark.parametrize(
    "action",
    [
        "Microsoft.OperationalInsights/workspaces/query/read",
        f"Microsoft.OperationalInsights/workspaces/query/{LOGINS}/read",
        "*/read",
    ],
)
def test_who_may_not_query_is_refused(tmp_path: Path, action: str) -> None:
    world = World()
    tenant = logged(world, tmp_path / "tenant")
    tenant.caller(denied=[{"scope": tenant.group(), "actions": [action]}])
    with served(tenant) as (_, workspace):
        assert workspace.error(EVERYTHING)[:2] == (403, "InsufficientAccessError")


def test_a_reader_may_read_all_of_it_and_who_holds_no_role_none(tmp_path: Path) -> None:
    world = World()
    tenant = logged(world, tmp_path / "tenant")
    principal = guid("app")
    tenant.caller(principalId=principal, enforced=True)
    assignment = tenant.assign(principal, READER, tenant.group())
    settings = f"{world.registry_id}/providers/Microsoft.Insights/diagnosticSettings"
    with served(tenant) as (sim, workspace):
        client = Client(sim)
        assert workspace.ask(EVERYTHING).status == metrics(sim, world, timespan="PT1H").status == 200
        assert client.arm(settings, "2021-05-01-preview").status == 200
        tenant.unassign(assignment)
        assert workspace.ask(EVERYTHING).status == 403
        refused = metrics(sim, world, timespan="PT1H")
        assert (refused.status, refused.json["error"]["code"]) == (403, "AuthorizationFailed")
        assert "Microsoft.Insights/metrics/read" in refused.json["error"]["message"]
        assert "Microsoft.Insights/diagnosticSettings/read" in client.arm(settings, "2021-05-01-preview").body.decode()


def test_workspaces_that_are_not_there_or_are_closed_answer_so(tmp_path: Path) -> None:
    tenant = logged(World(), tmp_path / "tenant")
    add_workspace(tenant, "closed", publicNetworkAccessForQuery="Disabled")
    with served(tenant) as (sim, _):
        assert Workspace(sim, "nobody").error(EVERYTHING)[:2] == (404, "WorkspaceNotFoundError")
        assert Workspace(sim, "closed").error(EVERYTHING) == (
            403,
            "InsufficientAccessError",
            "NspValidationFailedError",
        )


def test_mistakes_in_a_request_are_told(tmp_path: Path) -> None:
    with served(logged(World(), tmp_path / "tenant")) as (_, workspace):
        assert workspace.error(f"{LOGINS} | join x") == (400, "BadArgumentError", "SYN0002")
        assert workspace.error("Nothing") == (400, "BadArgumentError", "SEM0100")
        assert workspace.error("") == (400, "BadArgumentError", "QueryValidationError")
        assert workspace.error(LOGINS, timespan="some day") == (400, "BadArgumentError", "InvalidTimespan")


def test_faults_reach_the_query_service_and_it_is_counted_by_itself(tmp_path: Path) -> None:
    world = World()
    tenant = logged(world, tmp_path / "tenant")
    effect = {"status": 429, "retry_after": 7}
    (tenant.root / "faults.json").write_text(json.dumps([{"service": "logs", "times": 1, "effect": effect}]))
    with served(tenant) as (sim, workspace):
        throttled = workspace.ask(EVERYTHING)
        assert (throttled.status, throttled.headers["Retry-After"]) == (429, "7")
        assert throttled.json["error"]["code"] == "ThrottledError"
        assert workspace.ask(EVERYTHING).status == 200
        metrics(sim, world, timespan="PT1H")
        assert sim.count("logs", containing="/query", method="POST") == 2
        assert sim.count("arm", containing=METRICS) == 1
        actions = {record.action for record in sim.requests}
        assert actions == {"Microsoft.OperationalInsights/workspaces/query/read", "Microsoft.Insights/metrics/read"}


def test_the_clouds_metadata_say_where_queries_go(tmp_path: Path) -> None:
    with served(logged(World(), tmp_path / "tenant")) as (sim, _):
        url = f"{sim.environment['PULLWATCH_ARM_ENDPOINT']}/metadata/endpoints?api-version="
        client = Client(sim)
        assert client.send(url + "2023-11-01").json["logAnalyticsResourceId"] == sim.log_analytics
        assert [one["resourceManager"] for one in client.send(url + "2022-09-01").json] == [
            sim.environment["PULLWATCH_ARM_ENDPOINT"]
        ]


async def test_the_clouds_own_host_is_led_to_the_query_service(tmp_path: Path) -> None:
    with served(logged(World(), tmp_path / "tenant")) as (sim, workspace):
        led = dict(entry.split("=") for entry in sim.environment["PULLWATCH_CONNECT_TO"].split(","))
        assert f"https://{led['api.loganalytics.io:443']}" == sim.log_analytics
        assert {"api.loganalytics.azure.cn:443", "api.loganalytics.us:443"} <= set(led)
        context = ssl.create_default_context(cafile=str(sim.ca_file))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            headers = {"Authorization": f"Bearer {sim.token(AUDIENCE)}", "Host": "api.loganalytics.io"}
            named = {"server_hostname": "api.loganalytics.io", "headers": headers}  # a certificate for that name
            async with session.post(workspace.url, json={"query": LOGINS}, **named) as reply:
                assert reply.status == 200


async def test_a_managed_identity_gets_a_token_that_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = logged(World(), tmp_path / "tenant")
    waiting_pod(tenant, IMAGE)
    with served(tenant) as (sim, workspace):
        for name, value in sim.environment.items():
            monkeypatch.setenv(name, value)
        context = ssl.create_default_context(cafile=str(sim.ca_file))
        async with (
            ManagedIdentityCredential() as credential,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        ):
            token = await credential.get_token(f"{AUDIENCE}/.default")
            headers = {"Authorization": f"Bearer {token.token}", "Prefer": "wait=60"}
            async with session.post(workspace.url, json={"query": LOGINS}, headers=headers) as reply:
                assert reply.status == 200
                assert (await reply.json())["tables"][0]["name"] == "PrimaryResult"
