"""The workbook: as it is deployed, and what its queries answer over the log of a run on the local host.

Log Analytics is the simulated one (tests/support/app_log.py): what the local host prints stands for AppTraces, the
calls that ended for AppRequests.
"""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checks import watchdog
from checks.watchdog import RunCounts, ShardCounts, Unsent
from localhost.mailbox import Mailbox
from simulator import running
from simulator.monitor.kql.errors import QueryError
from tests.infra.test_watchdog import a_tenant, tables, watched
from tests.support import app_log, bicep, infra
from tests.support.infra import INFRA
from tests.support.storage import app_settings

WORKBOOK = json.loads((INFRA / "workbook.json").read_text(encoding="utf-8"))
QUERIES: dict[str, str] = {
    item["name"]: item["content"]["query"].replace("{App}", "func-pullwatch").replace("{TimeRange:grain}", "1h")
    for item in WORKBOOK["items"]
    if item["type"] == 3
}
NOW = datetime(2026, 11, 24, 8, 20, tzinfo=UTC)
HOUR = NOW.replace(minute=0)
RUN = RunCounts(
    **dict(zip(RunCounts.__struct_fields__, range(1, 14), strict=True)),
)
SHARD = ShardCounts(**dict(zip(ShardCounts.__struct_fields__, range(1, 11), strict=True)))
UNSENT = Unsent(
    seen=NOW, oldest_mail=NOW - timedelta(minutes=90), waiting=3, unreadable=2, refused={"a@b.example": "no"}
)
# A line of each kind, by its text, as the program writes it.
LINES = {
    watchdog.RUN_COMPLETED: watchdog.run_completed("202611-000000000001", RUN),
    watchdog.SHARD_SCANNED: watchdog.shard_scanned("202611-000000000001", "s-0", SHARD),
    watchdog.MAIL_STUCK: watchdog.mail_stuck(UNSENT, NOW),
    watchdog.MAIL_REFUSED: watchdog.mail_refused(UNSENT),
    watchdog.MAIL_SET_ASIDE: watchdog.mail_set_aside(UNSENT),
    watchdog.POISON_RECORDED: watchdog.poison_recorded("pullwatch-scan", "given up after the last try"),
    watchdog.NOT_CONFIGURED: watchdog.not_configured("PULLWATCH_SCHEDULE takes …"),
}

needs_bicep = pytest.mark.skipif(bool(bicep.what_is_missing()), reason=bicep.what_is_missing())


def trace(message: str, *, at: datetime = NOW, app: str = "func-pullwatch") -> dict[str, Any]:
    return {app_log.TIME: at, "AppRoleName": app, "Message": message}


def answer(name: str, *rows: dict[str, Any], table: str = "AppTraces") -> list[dict[str, Any]]:
    return app_log.ask(QUERIES[name], {table: rows}, NOW)


def test_every_item_has_a_name_of_its_own_and_a_text_a_query_or_parameters() -> None:
    kinds = {1: "json", 3: "query", 9: "parameters"}
    assert all(item["content"][kinds[item["type"]]] for item in WORKBOOK["items"])
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(set(names)) == len(names)


def test_every_query_is_over_the_workspace_the_app_and_the_time_that_are_chosen() -> None:
    [parameters] = [item["content"]["parameters"] for item in WORKBOOK["items"] if item["type"] == 9]
    assert {each["name"] for each in parameters} == {"TimeRange", "Workspace", "App"}
    assert len({each["id"] for each in parameters}) == len(parameters)
    for content in (item["content"] for item in WORKBOOK["items"] if item["type"] == 3):
        assert content["crossComponentResources"] == ["{Workspace}"]
        assert content["timeContextFromParameter"] == "TimeRange"
        assert '| where AppRoleName =~ "{App}"' in content["query"]
        assert set(re.findall(r"\{([\w:]+)\}", content["query"])) <= {"App", "TimeRange:grain"}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_runs_where_the_table_is_missing_empty_or_another_app_s(name: str) -> None:
    table = QUERIES[name].split("\n")[0].rpartition(" ")[2]
    assert table in ("AppTraces", "AppRequests", "AppExceptions")
    others = [trace(line, app="another-app") for line in LINES.values()] if table == "AppTraces" else []
    expected = [{"lines": 0, "first": None, "last": None}] if name == "not-configured" else []
    assert app_log.ask(QUERIES[name], {}, NOW) == expected
    assert app_log.ask(QUERIES[name], {table: others}, NOW) == expected


def test_the_texts_and_fields_that_it_reads_are_those_of_the_lines() -> None:
    read = [(text, query) for query in QUERIES.values() for text in re.findall(r'Message startswith "([^"]+)"', query)]
    assert {text for text, _ in read} == set(LINES)
    for text, query in read:
        fields = dict(re.findall(r"(\w+)=(\S+)", LINES[text].removeprefix(text)))
        for listed in re.findall(r"parse-kv Message as \((.*?)\) with", query):
            for name, kind in re.findall(r"(\w+): (\w+)", listed):
                assert name in fields, f"{text}: {name}"
                assert kind == "string" or float(fields[name]) >= 0


def test_the_last_run_is_the_newest_and_fields_that_a_line_lacks_are_empty() -> None:
    older = trace("run completed run=old clusters=2 failing=1 unknown=0 missing_shards=1", at=NOW - timedelta(hours=1))
    newest = trace(LINES[watchdog.RUN_COMPLETED])
    [row] = answer("last-run", older, newest)
    assert (row["run"], row["clusters"], row["incidents"]) == ("202611-000000000001", RUN.clusters, RUN.incidents)
    [row] = answer("last-run", older)
    assert (row["run"], row["failing"], row["passing"], row["incidents"]) == ("old", 1, None, None)


def test_what_could_not_be_seen_throttling_and_pull_times_are_summed_by_time() -> None:
    assert answer("not-seen", trace(LINES[watchdog.RUN_COMPLETED])) == [
        {
            app_log.TIME: NOW,
            "clusters_not_seen": RUN.not_seen,
            "subscriptions_not_read": RUN.subscriptions_not_read,
            "pieces_not_ended": RUN.missing_shards,
            "run_in_doubt": RUN.doubtful,
        }
    ]
    line = LINES[watchdog.SHARD_SCANNED]
    later = trace(line, at=NOW + timedelta(hours=1))
    bare = trace("shard scanned run=r shard=s clusters=1 seconds=1 arm_calls=1 arm_throttled=0 pulls=0")
    assert answer("throttling", trace(line), bare, later) == [
        {app_log.TIME: HOUR, "calls": SHARD.arm_calls + 1, "throttled": SHARD.arm_throttled, "seconds_to_wait": 5},
        {app_log.TIME: HOUR + timedelta(hours=1), "calls": 3, "throttled": 4, "seconds_to_wait": 5},
    ]
    [times] = answer("pull-times", trace(line), bare)
    assert (times["pulls"], times["seconds"], times["seconds_most"]) == (6, SHARD.pull_seconds, SHARD.pull_seconds_most)


def test_mail_and_failures_are_shown_by_what_they_are() -> None:
    assert answer("mail-waiting", trace(LINES[watchdog.MAIL_STUCK])) == [
        {app_log.TIME: HOUR, "waiting": 3, "oldest_minutes": 90}
    ]
    # Whoever refuses says why: a field in that text is not the line's.
    refused = watchdog.mail_refused(Unsent(seen=NOW, refused={"a@b.example": "no recipients=99"}))
    assert answer("mail-refused", trace(refused)) == [{app_log.TIME: HOUR, "recipients": 1}]
    poison = trace(LINES[watchdog.POISON_RECORDED])
    assert answer("given-up", poison, poison) == [{"queue": "pullwatch-scan", "messages": 2}]
    common = {app_log.TIME: NOW, "AppRoleName": "func-pullwatch"}
    failed = {**common, "OperationName": "scan", "Success": False}
    assert answer("failures", failed, {**failed, "Success": True}, failed, table="AppRequests") == [
        {"OperationName": "scan", "failed": 2, "last": NOW}
    ]
    error = {**common, "OperationName": "scan", "ExceptionType": "ValueError"}
    assert answer("exceptions", error, table="AppExceptions") == [
        {"OperationName": "scan", "ExceptionType": "ValueError", "times": 1, "last": NOW}
    ]


@pytest.mark.parametrize(
    "operator",
    [
        "mv-expand Message",
        "project run",
        "summarize n = percentile(Message, 50)",
        "sort by run desc",
        'where run == "x"',
        "summarize n = count() by run",
        'parse-kv run as (x: string) with (regex=@"(\\w+)=(\\S+)")',
    ],
)
def test_what_the_stand_in_does_not_know_it_refuses(operator: str) -> None:
    source = "union isfuzzy=true (datatable(TimeGenerated: datetime, Message: string)[]), AppTraces"
    assert app_log.ask(source, {}, NOW) == []
    with pytest.raises(QueryError):
        app_log.ask(f"{source}\n| {operator}", {}, NOW)


def test_the_log_of_a_run_fills_it(storage: str, smtp: Mailbox, tmp_path: Path) -> None:
    with (
        running(a_tenant(tmp_path / "tenant").root) as simulator,
        watched(simulator.environment | app_settings(storage, smtp)) as host,
    ):
        assert host.fire("schedule").ok
        host.wait_idle()
        assert not host.fire("scan", "nonsense").ok
        rows = tables(host)
    shown = {name: app_log.ask(query, rows, NOW) for name, query in QUERIES.items()}
    [last] = shown["last-run"]
    # Its pods cannot be read.
    assert (last["clusters"], last["unknown"], last["failing"], last["incidents"]) == (1, 1, 0, 0)
    assert [(row["unknown"], row["errors"]) for row in shown["verdicts"]] == [(1, 0)]
    [throttling] = shown["throttling"]
    assert throttling["calls"] > 0
    assert throttling["throttled"] == 0
    assert [(row["OperationName"], row["failed"]) for row in shown["failures"]] == [("scan", 1)]
    assert shown["mail-waiting"] == shown["given-up"] == []


# ---- as it is deployed ---------------------------------------------------------------------------------------------


@needs_bicep
def test_it_is_deployed_over_the_installation_s_own_workspace_and_app(tmp_path: Path) -> None:
    snapshot = infra.expand(INFRA / "samples" / "smallest.bicepparam", tmp_path)
    workbook = infra.only(snapshot, "Insights/workbooks")
    workspace = infra.only(snapshot, "OperationalInsights/workspaces")["id"]
    site = infra.only(snapshot, "Web/sites")["name"]
    assert str(uuid.UUID(workbook["name"])) == workbook["name"]
    assert workbook["kind"] == "shared"
    properties = workbook["properties"]
    assert (properties["category"], properties["version"], properties["sourceId"]) == ("workbook", "1.0", workspace)
    deployed = json.loads(properties["serializedData"])
    assert deployed["fallbackResourceIds"] == [workspace]
    [parameters] = [item["content"]["parameters"] for item in deployed["items"] if item["type"] == 9]
    values = {each["name"]: each["value"] for each in parameters}
    assert (values["Workspace"], values["App"]) == (workspace, site)
    assert "<" not in properties["serializedData"]
    assert len(properties["serializedData"]) < 1_000_000


@needs_bicep
def test_it_can_be_left_out(tmp_path: Path) -> None:
    text = (INFRA / "samples" / "smallest.bicepparam").read_text(encoding="utf-8")
    without = infra.expand_text(f"{text}\nparam workbook = false\n", tmp_path)
    assert infra.of_type(without, "Insights/workbooks") == []
    assert infra.only(without, "OperationalInsights/workspaces")
