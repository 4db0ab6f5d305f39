"""What goes wrong because faults.json says so."""

from __future__ import annotations

import http.client
import time
import urllib.error
from typing import Any

import pytest

from simulator import Simulator, running
from tests.support.tenant_server import CLUSTER, SUBSCRIPTION, Client, Folder

CLUSTERS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"


def fault(folder: Folder, **rule: Any) -> None:
    folder.write("faults.json", [{"service": "arm", "path": "*/managedclusters*", **rule}])


def test_throttling_comes_as_often_as_it_is_asked_for(client: Client, folder: Folder) -> None:
    fault(folder, times=2, effect={"status": 429, "retry_after": 7})
    replies = [client.arm(CLUSTERS) for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert replies[0].headers["Retry-After"] == "7"
    assert replies[0].json["error"]["code"] == "SubscriptionRequestsThrottled"


def test_a_rule_can_wait_for_its_turn_and_keep_to_a_method(client: Client, folder: Folder) -> None:
    fault(folder, after=1, method="post", effect={"status": 503})
    path = f"{CLUSTER}/listClusterUserCredential"
    assert [client.arm(path, method="POST").status for _ in range(3)] == [200, 503, 503]
    assert client.arm(CLUSTER).status == 200


def test_other_services_and_paths_are_left_alone(client: Client, folder: Folder) -> None:
    fault(folder, effect={"status": 500})
    assert client.arm(CLUSTER).status == 500
    assert client.arm("/subscriptions", "2022-12-01").status == 200


def test_a_regular_expression_sees_the_query(client: Client, folder: Folder) -> None:
    fault(folder, path="^/subscriptions\\?.*api-version=2021", effect={"status": 500, "body": {"code": "Mine"}})
    assert client.arm("/subscriptions", "2021-01-01").json == {"code": "Mine"}
    assert client.arm("/subscriptions", "2022-12-01").status == 200


def test_latency_comes_before_the_true_answer(client: Client, folder: Folder) -> None:
    fault(folder, effect={"latency": 0.3})
    started = time.monotonic()
    assert client.arm(CLUSTER).status == 200
    assert time.monotonic() - started >= 0.3


def test_garbage_is_no_json_and_a_truncated_answer_ends_early(client: Client, folder: Folder) -> None:
    fault(folder, effect={"garbage": True})
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        _ = client.arm(CLUSTER).json
    fault(folder, effect={"truncate": 10})
    with pytest.raises(http.client.IncompleteRead) as cut:
        client.arm(CLUSTER)
    assert len(cut.value.partial) == 10


def test_a_closed_connection_is_no_answer_and_is_on_record(client: Client, folder: Folder, sim: Simulator) -> None:
    fault(folder, effect={"close": True})
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        client.arm(CLUSTER)
    assert sim.requests[-1].status == 0


def test_a_hanging_answer_ends_with_the_simulator(folder: Folder) -> None:
    fault(folder, effect={"hang": True})
    started = time.monotonic()
    with running(folder.root) as sim:
        client = Client(sim)
        client.timeout = 0.5
        with pytest.raises(TimeoutError):
            client.arm(CLUSTER)
    assert time.monotonic() - started < 5


def test_a_changed_file_counts_anew_and_a_broken_one_changes_nothing(client: Client, folder: Folder) -> None:
    fault(folder, times=1, effect={"status": 503})
    assert [client.arm(CLUSTER).status for _ in range(2)] == [503, 200]
    fault(folder, times=1, effect={"status": 502})
    assert client.arm(CLUSTER).status == 502
    folder.write("faults.json", "[")
    assert client.arm(CLUSTER).status == 200


@pytest.mark.parametrize("document", [{}, ["text"], [{"effect": 1}], [{"path": "*", "effect": {}}]])
def test_odd_rules_do_not_stop_anything(client: Client, folder: Folder, document: Any) -> None:
    folder.write("faults.json", document)
    assert client.arm(CLUSTER).status == 200
