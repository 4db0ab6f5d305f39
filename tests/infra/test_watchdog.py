"""The watchdog's alert rules: as they would be deployed, and what they say of the log of a run on the local host.

Azure Monitor is a stand-in (tests/support/alerts.py) that evaluates the compiled rules: what the local host prints
stands for AppTraces, the calls that ended for AppRequests.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from checks import watchdog
from checks.changes import Notice, NoticeKind
from checks.history.model import Run, RunScope, Shard, new_run_id
from checks.jobs.deliver import deliver_all
from localhost.functions_host import RunningHost, functions_host
from localhost.mailbox import Mailbox
from simulator import running
from simulator.monitor.kql.errors import QueryError
from simulator.monitor.kql.tokens import tokens
from tests.infra import alert_rules
from tests.infra.alert_rules import APP
from tests.support import alerts, app_log, bicep
from tests.support.cli import ROOT
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, object_id

pytestmark = pytest.mark.skipif(bool(bicep.what_is_missing()), reason=bicep.what_is_missing())

HALF_AN_HOUR, DAY, WEEK = 30, 1440, 10080
TEXTS = {
    watchdog.RUN_COMPLETED,
    watchdog.RUN_RECENT,
    watchdog.MAIL_STUCK,
    watchdog.MAIL_REFUSED,
    watchdog.MAIL_SET_ASIDE,
    watchdog.POISON_RECORDED,
    watchdog.NOT_CONFIGURED,
}
# What sampling calls the rows of a table (host.json).
TELEMETRY = {"AppTraces": "Trace", "AppRequests": "Request", "AppExceptions": "Exception"}
# The windows that Azure takes for a rule, from a quarter of an hour on.
WINDOWS = {"PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"}
LINE = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR) [\w.]+: (.*)")

Deployed = Callable[[int], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """What is deployed for a schedule; compiled once."""
    folder, kept = tmp_path_factory.mktemp("watchdog"), dict[int, list[dict[str, Any]]]()

    def compiled(interval: int) -> list[dict[str, Any]]:
        if interval not in kept:
            kept[interval] = alert_rules.resources(folder, interval)
        return kept[interval]

    return compiled


def queries(deployed: Deployed, interval: int) -> list[str]:
    return [rule["criteria"]["allOf"][0]["query"] for rule in alert_rules.rules(deployed(interval)).values()]


def literals(query: str) -> list[tuple[str, str]]:
    """The strings of a query, with the column that their `where` begins with."""
    column, found = "", []
    for before, token in pairwise(tokens(query)):
        column = token.text if before.text == "where" else column
        if token.kind == "string":
            found.append((column, token.value))
    return found


def test_the_module_has_nothing_that_the_linter_minds() -> None:
    assert bicep.lint(alert_rules.MODULE) == ""


def test_each_rule_says_where_it_is_explained(deployed: Deployed) -> None:
    for name, rule in alert_rules.rules(deployed(HALF_AN_HOUR)).items():
        assert rule["description"].endswith(f" What to do: docs/operations.md#{name}")


def test_the_rules_look_for_the_texts_that_the_program_logs(deployed: Deployed) -> None:
    both = [*queries(deployed, HALF_AN_HOUR), *queries(deployed, WEEK)]
    looked_for = {text for query in both for column, text in literals(query) if column == "Message"}
    assert looked_for == TEXTS


def test_the_rules_count_the_failures_of_every_function_that_nobody_waits_for(deployed: Deployed) -> None:
    found = [literal for query in queries(deployed, HALF_AN_HOUR) for literal in literals(query)]
    assert tuple(text for column, text in found if column == "OperationName") == watchdog.TRIGGERS


def test_every_rule_asks_for_the_rows_of_this_app_alone(deployed: Deployed) -> None:
    def alarming(app: str) -> app_log.Tables:
        common = {app_log.TIME: now, "AppRoleName": app}
        return {
            "AppTraces": [{**common, "Message": text} for text in TEXTS],
            "AppRequests": [{**common, "OperationName": name, "Success": False} for name in watchdog.TRIGGERS],
        }

    now = datetime.now(UTC)
    for query in (*queries(deployed, HALF_AN_HOUR), *queries(deployed, WEEK)):
        assert ("AppRoleName", APP) in literals(query)
        [[counted], [of_another]] = (app_log.ask(query, alarming(app), now) for app in (APP, "another-app"))
        assert counted["n"] > of_another["n"] == 0


def test_what_the_rules_count_is_never_sampled(deployed: Deployed) -> None:
    host = json.loads((ROOT / "host.json").read_text())
    excluded = host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    tables = {query.split("\n")[0] for query in queries(deployed, HALF_AN_HOUR)}
    assert tables == {"AppTraces", "AppRequests"}
    assert {TELEMETRY[table] for table in tables} <= set(excluded)


@pytest.mark.parametrize(
    ("interval", "text", "window"),
    [
        (5, watchdog.RUN_COMPLETED, "PT1H"),
        (HALF_AN_HOUR, watchdog.RUN_COMPLETED, "PT1H"),
        (200, watchdog.RUN_COMPLETED, "P1D"),
        (DAY, watchdog.RUN_COMPLETED, "P2D"),
        (WEEK, watchdog.RUN_RECENT, "PT1H"),
    ],
)
def test_the_absence_is_looked_for_over_two_intervals_or_left_to_the_app_where_that_is_too_long(
    deployed: Deployed, interval: int, text: str, window: str
) -> None:
    rule = alert_rules.rules(deployed(interval))["no-completed-run"]
    assert rule["windowSize"] == window
    assert ("Message", text) in literals(rule["criteria"]["allOf"][0]["query"])
    if text == watchdog.RUN_COMPLETED:
        assert alerts.duration(window) >= watchdog.overdue_after(timedelta(minutes=interval))


@pytest.mark.parametrize("interval", [HALF_AN_HOUR, DAY, WEEK])
def test_a_rule_can_be_deployed_before_its_tables_resolves_by_itself_and_tells_the_group(
    deployed: Deployed, interval: int
) -> None:
    resources = deployed(interval)
    (group,) = [resource for resource in resources if resource["type"].endswith("/actionGroups")]
    rules = alert_rules.rules(resources)
    assert len(rules) == len(resources) - 1 == 7
    for rule in rules.values():
        assert rule["enabled"] and rule["autoMitigate"] and rule["skipQueryValidation"]
        assert "muteActionsDuration" not in rule, "Azure refuses it beside autoMitigate"
        assert rule["actions"]["actionGroups"] == [group["id"]]
        assert rule["scopes"] == [alert_rules.WORKSPACE]
        assert rule["windowSize"] in WINDOWS
        assert alerts.duration(rule["evaluationFrequency"]) <= alerts.duration(rule["windowSize"])


def test_everybody_named_is_mailed(deployed: Deployed) -> None:
    (group,) = [resource for resource in deployed(HALF_AN_HOUR) if resource["type"].endswith("/actionGroups")]
    receivers = group["properties"]["emailReceivers"]
    assert tuple(receiver["emailAddress"] for receiver in receivers) == alert_rules.RECIPIENTS
    assert len({receiver["name"] for receiver in receivers}) == len(receivers)
    assert len(group["properties"]["groupShortName"]) <= 12


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("AppTraces", alerts.UnknownRule),
        ("AppTraces\n| where Message startswith \"x\"", alerts.UnknownRule),
        ("AppTraces\n| summarize n = count() by AppRoleName", alerts.UnknownRule),
        ("AppTraces\n| summarize m = count()", alerts.UnknownRule),
        ("AppTraces\n| where Message contains_cs \"x\"\n| summarize n = count()", QueryError),
        ("AppTraces\n| summarize n = countif(Message startswith \"x\")", QueryError),
        ("AppTraces\n| where Text startswith \"x\"\n| summarize n = count()", QueryError),
        ("AppTrace\n| summarize n = count()", QueryError),
    ],
)  # fmt: skip
def test_what_the_stand_in_does_not_know_it_refuses(
    deployed: Deployed, query: str, error: type[alerts.UnknownRule | QueryError]
) -> None:
    rule = alert_rules.rules(deployed(HALF_AN_HOUR))["no-completed-run"]
    [criterion] = rule["criteria"]["allOf"]
    with pytest.raises(error):
        alerts.fires(rule | {"criteria": {"allOf": [criterion | {"query": query}]}}, {}, datetime.now(UTC))


# ---- over the log of the local host ------------------------------------------------------------------------------


@contextmanager
def watched(environment: dict[str, str]) -> Iterator[RunningHost]:
    """The app on the local host."""
    with functions_host(ROOT, environment, visibility_timeout=0.3) as host:
        yield host


def tables(host: RunningHost) -> dict[str, list[app_log.Row]]:
    """What the host logged, as the rows that Azure would hold, all of this moment."""
    common = {app_log.TIME: datetime.now(UTC), "AppRoleName": APP}
    traces = [match[1] for line in host.log.splitlines() if (match := LINE.fullmatch(line))]
    return {
        "AppTraces": [{**common, "Message": message} for message in traces],
        "AppRequests": [{**common, "OperationName": c.function, "Success": c.ok} for c in host.invocations],
    }


def fired(deployed: Deployed, rows: app_log.Tables, *, after: timedelta = timedelta(), interval: int = 30) -> set[str]:
    """The rules that fire over some rows, now or later."""
    now = datetime.now(UTC) + after
    return {name for name, rule in alert_rules.rules(deployed(interval)).items() if alerts.fires(rule, rows, now)}


def a_tenant(folder: Path) -> Tenant:
    """One cluster that may pull from its registry."""
    tenant = Tenant(folder)
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    return tenant


def test_an_app_that_was_never_heard_of_raises_the_alarm(deployed: Deployed) -> None:
    assert fired(deployed, {}) == {"no-completed-run"}
    assert fired(deployed, {"AppTraces": [], "AppRequests": []}, interval=WEEK) == {"no-completed-run"}


def test_a_run_raises_no_alarm_until_the_next_one_is_missed(
    deployed: Deployed, storage: str, smtp: Mailbox, tmp_path: Path
) -> None:
    with (
        running(a_tenant(tmp_path / "tenant").root) as simulator,
        watched(simulator.environment | app_settings(storage, smtp)) as host,
    ):
        for name in ("schedule", "sweep"):
            assert host.fire(name).ok
            host.wait_idle()
        rows = tables(host)
    assert len(smtp.messages) == 1
    assert fired(deployed, rows) == fired(deployed, rows, after=timedelta(minutes=59)) == set()
    assert fired(deployed, rows, after=timedelta(minutes=61)) == {"no-completed-run"}
    assert fired(deployed, rows, interval=WEEK) == set()
    assert fired(deployed, rows, interval=WEEK, after=timedelta(minutes=61)) == {"no-completed-run"}
    strangers = {name: [{**row, "AppRoleName": "another-app"} for row in table] for name, table in rows.items()}
    assert fired(deployed, strangers) == {"no-completed-run"}


async def test_a_run_of_which_no_scan_ends_raises_the_alarm_although_it_is_closed(
    deployed: Deployed, storage: str, smtp: Mailbox
) -> None:
    clock = Clock()
    clock.now = datetime.now(UTC) - timedelta(hours=1)
    environment = app_settings(storage, smtp)
    async with job_context(environment, clock) as job:
        run = Run(
            id=new_run_id(1, clock()),
            sequence=1,
            requested_by="timer",
            scope=RunScope((SUBSCRIPTION,)),
            created=clock(),
            deadline=clock() + timedelta(minutes=25),
            expected=("s-0",),
        )
        assert await job.store.create_run(run, [Shard("s-0", SUBSCRIPTION)])
    with watched(environment) as host:
        assert host.fire("sweep").ok
        host.wait_idle()
        answer = host.get(f"/api/runs/{run.id}").json()
        assert isinstance(answer, dict)
        assert answer["status"] == "closed"
        rows = tables(host)
    assert fired(deployed, rows) == {"no-completed-run"}


def test_a_message_that_fails_at_every_try_raises_the_alarm(deployed: Deployed, storage: str, smtp: Mailbox) -> None:
    with watched(app_settings(storage, smtp)) as host:
        message = json.dumps({"v": 1, "nonsense": True})
        for _ in range(3):
            assert not host.fire("scan", message).ok
        assert fired(deployed, tables(host)) == {"no-completed-run", "failed-functions"}
        assert host.fire("scan_poison", message).ok
        rows = tables(host)
    assert fired(deployed, rows) == {"no-completed-run", "failed-functions", "poison"}
    assert "poison" not in fired(deployed, rows, after=timedelta(minutes=31))


def test_a_single_failure_that_is_tried_again_raises_none(deployed: Deployed, storage: str, smtp: Mailbox) -> None:
    with watched(app_settings(storage, smtp)) as host:
        assert not host.fire("scan", "nonsense").ok
        rows = tables(host)
    assert "failed-functions" not in fired(deployed, rows)


def test_a_setting_that_cannot_be_used_raises_the_alarm_for_as_long_as_the_sweep_says_so(
    deployed: Deployed, storage: str, smtp: Mailbox
) -> None:
    with watched(app_settings(storage, smtp, SCHEDULE="every half hour")) as host:
        assert host.fire("sweep").ok
        rows = tables(host)
    assert fired(deployed, rows) == {"no-completed-run", "not-configured"}
    assert fired(deployed, rows, after=timedelta(minutes=31)) == {"no-completed-run"}


async def test_a_mail_server_that_is_away_for_long_raises_the_alarm(
    deployed: Deployed, storage: str, smtp: Mailbox
) -> None:
    clock = Clock()
    clock.now = datetime.now(UTC) - timedelta(hours=2)
    environment = app_settings(storage, smtp)
    smtp.refuse("data", 451, "try again later", times=None)
    async with job_context(environment, clock) as job:
        await job.store.add_notice(Notice(kind=NoticeKind.BASELINE, run="r", sequence=1, at=clock(), title="t"))
        assert (await deliver_all(job)).later == 1
    with watched(environment) as host:
        assert host.fire("sweep").ok
        host.wait_idle()
        rows = tables(host)
    assert "mail-stuck" in fired(deployed, rows)
    assert "mail-stuck" not in fired(deployed, rows, after=timedelta(minutes=31))
