"""``incidents``: what fails by what is at fault, out of what the app keeps."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from checks.history.table import keys
from tests.cli.history.kept import NOW, looked
from tests.support.broken_rows import damage
from tests.support.reports import CLUSTER, REGISTRY
from tests.support.said import Said


@pytest.fixture
def held(storage: str) -> str:
    """A cluster that fails, and one that has recovered."""

    looked(storage, "pass", "fail", "fail")
    looked(storage, "pass", "fail", "pass", cluster=f"{CLUSTER}2")
    return storage


def test_incidents_say_what_is_at_fault_since_when_and_what_repairs_it(held: str) -> None:
    said = Said(held, "incidents", COLUMNS="200")
    assert said.code == 0
    assert said.errors == "pullwatch: 1 incident at 2 clusters\n"
    heading, line, command = said.out.splitlines()
    assert heading.split()[:2] == ["SINCE", "(UTC)"]
    since = NOW - timedelta(hours=1)
    assert line.startswith(f"{since:%Y-%m-%d %H:%M}  acrone    role-missing  1 of 2    open")
    assert command.strip() == "az role assignment create --role AcrPull"
    (incident,) = json.loads(Said(held, "incidents", "-o", "json").out)["incidents"]
    assert (incident["name"], incident["clusters"], len(incident["over"])) == (REGISTRY, 1, 1)


def test_where_nothing_fails_it_is_said(storage: str) -> None:
    looked(storage, "pass")
    said = Said(storage, "incidents")
    assert (said.code, said.out, said.errors) == (0, "", "pullwatch: nothing fails at 1 cluster\n")


def test_what_cannot_be_read_is_said_and_nothing_is_said_of_it(storage: str) -> None:
    looked(storage, "pass")
    damage(storage, "garbage JSON", keys.OVERVIEW, keys.overview(CLUSTER.split("/")[2]))
    said = Said(storage, "incidents")
    assert said.code == 2
    assert said.errors.endswith("pullwatch: nothing fails at 0 clusters of those that can be read\n")
    made = json.loads(Said(storage, "incidents", "-o", "json").out)
    assert (made["incidents"], made["unreadable"], made["not_shown"]) == ([], 1, 0)
