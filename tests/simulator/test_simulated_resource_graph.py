"""Azure Resource Graph as the simulator answers it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.tenant_server import GROUP, OTHER, SUBSCRIPTION, Client, Folder

PATH = "/providers/Microsoft.ResourceGraph/resources"
REGISTRY = "Microsoft.ContainerRegistry/registries"
PRESENT = f"{GROUP}/providers/{REGISTRY}/regone"  # of the folder itself
HERE, THERE = (
    f"{GROUP}/providers/{REGISTRY}/acrone",
    f"/subscriptions/{OTHER}/resourceGroups/x/providers/{REGISTRY}/acrtwo",
)
ALL = f"Resources | where type =~ '{REGISTRY}' | project id"


@pytest.fixture
def registries(folder: Folder) -> Folder:
    for resource_id in (HERE, THERE):
        name = resource_id.rsplit("/", 1)[-1]
        body = {"id": resource_id, "name": name, "type": REGISTRY, "properties": {"loginServer": f"{name}.azurecr.io"}}
        folder.write(f"arm/{name}.json", body)
    return folder


def asked(client: Client, query: str, **options: Any) -> Any:
    body = {"subscriptions": [SUBSCRIPTION, OTHER], "query": query, "options": options}
    return client.arm(PATH, version="2022-10-01", method="POST", body=body).json


def ids(client: Client, query: str) -> set[str]:
    return {row["id"] for row in asked(client, query)["data"]}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (f"type =~ '{REGISTRY}'", {HERE, THERE, PRESENT}),
        (f"type =~ '{REGISTRY}' and name =~ 'ACRONE'", {HERE}),
        ("tostring(properties.loginServer) in~ ('ACRtwo.azurecr.io', 'x')", {THERE}),
        (f"type =~ '{REGISTRY}' and name !startswith 'acrt'", {HERE, PRESENT}),
        (f"type =~ '{REGISTRY}' and (name endswith 'two' or name == 'x')", {THERE}),
        ("type == 'Microsoft.ContainerRegistry/registries'", set()),  # the type of a row is in lower case
    ],
)
def test_it_finds_what_a_query_says(client: Client, registries: Folder, where: str, found: set[str]) -> None:
    assert ids(client, f"Resources | where {where} | project id") == found


def test_it_shows_what_the_caller_may_read(client: Client, registries: Folder) -> None:
    registries.write("authorization/caller.json", {"denied": [{"scope": HERE, "actions": ["*/read"]}]})
    assert ids(client, ALL) == {THERE, PRESENT}


def test_pages_go_on_by_their_token(client: Client, registries: Folder) -> None:
    first = asked(client, ALL, **{"$top": 2})
    second = asked(client, ALL, **{"$top": 2, "$skipToken": first["$skipToken"]})
    assert {row["id"] for row in (*first["data"], *second["data"])} == {HERE, THERE, PRESENT}
    assert "$skipToken" not in second and first["totalRecords"] == 3


def test_roles_are_a_table_of_their_own(client: Client, registries: Folder) -> None:
    registries.assignment("pull", HERE, "11111111-1111-1111-1111-111111111111")
    query = (
        "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' and "
        "tostring(properties.principalId) =~ '11111111-1111-1111-1111-111111111111' "
        "| project id, scope = tostring(properties.scope)"
    )
    assert [row["scope"] for row in asked(client, query)["data"]] == [HERE]


@pytest.mark.parametrize(
    "query", ["", "Resources | take 1", "Tables", "Resources | where name has 'x'", "Resources | where ("]
)
def test_what_it_does_not_know_is_refused(client: Client, registries: Folder, query: str) -> None:
    assert asked(client, query)["error"]["code"] == "BadRequest"
