"""What kubectl prints, piped as it is: one answer per event or container that is about a pull."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.cli.classify.json_lines import MAX_LINE, Outcome, classify_lines
from checks.cli.classify.kubectl_output import errors_in

IMAGE = "contoso.azurecr.io/web:1"
PULL = f'Failed to pull image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
PROBE = 'Readiness probe failed: Get "http://10.0.0.4/": connect: connection refused'


def piped(text: str) -> tuple[list[str], Outcome]:
    written: list[bytes] = []
    outcome = classify_lines([line.encode() + b"\n" for line in text.split("\n")], written.append)
    return [json.loads(line)["cause"] for line in written], outcome


def event(message: Any, reason: Any) -> dict[str, Any]:
    return {"kind": "Event", "message": message, "reason": reason, "involvedObject": {"kind": "Pod", "name": "web-1"}}


def waiting(reason: str, message: str | None) -> dict[str, Any]:
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {"kind": "Pod", "status": {"containerStatuses": [{"name": "web", "image": IMAGE, "state": state}]}}


def printed(*items: Any) -> str:
    return json.dumps({"apiVersion": "v1", "items": items, "kind": "List"}, indent=4)


def test_events_as_json_get_an_answer_where_they_are_about_a_pull() -> None:
    backoff = event(f'Back-off pulling image "{IMAGE}"', "BackOff")
    causes, outcome = piped(printed(event(PULL, "Failed"), event(PROBE, "Unhealthy"), backoff))

    assert causes == ["image_not_found", "backoff_only"]
    assert outcome == Outcome(read=2, bad=0)


def test_one_event_is_read_like_a_list() -> None:
    assert piped(json.dumps(event(PULL, "Failed"), indent=4))[0] == ["image_not_found"]


def test_pods_as_json_tell_what_their_containers_wait_for() -> None:
    crashing = waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container")
    running = {"kind": "Pod", "status": {"containerStatuses": [{"image": IMAGE, "state": {"running": {}}}]}}
    pods = (waiting("ErrImagePull", PULL), crashing, waiting("ImagePullBackOff", None), running)

    assert piped(printed(*pods))[0] == ["image_not_found", "backoff_only"]
    assert piped(json.dumps(waiting("ErrImagePull", PULL), indent=4))[0] == ["image_not_found"]


def test_a_described_pod_is_read_by_its_events() -> None:
    text = f"""Name:             web-1
Namespace:        prod
Containers:
  web:
    State:          Waiting
      Reason:       ImagePullBackOff
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  2m                 default-scheduler  Successfully assigned prod/web-1 to aks-np-0
  Normal   Pulling    90s (x4 over 2m)   kubelet            Pulling image "{IMAGE}"
  Warning  Failed     60s (x4 over 2m)   kubelet            {PULL}
  Warning  Failed     60s (x4 over 2m)   kubelet            Error: ErrImagePull
  Warning  Unhealthy  20s                kubelet            {PROBE}
"""
    causes, outcome = piped(text)

    assert causes == ["image_not_found", "backoff_only"]
    assert outcome == Outcome(read=2, bad=0)


def test_what_only_begins_like_an_output_is_answered_line_by_line() -> None:
    causes, outcome = piped('{\nno json\n{"message": "EOF"}')

    assert causes == ["unknown", "unknown", "corrupt_or_interrupted"]
    assert outcome == Outcome(read=3, bad=2)


@pytest.mark.parametrize(
    "found",
    [
        {"items": None},
        {"items": [None, 1, [], {}, {"items": [event(PULL, "Failed")]}]},
        {"message": 5},
        {"status": []},
        {"status": {"containerStatuses": {"a": 1}}},
        {"status": {"containerStatuses": [None, {"state": 1}, {"state": {"waiting": []}}]}},
    ],
)
def test_an_output_without_errors_gets_no_answer(found: Any) -> None:
    assert piped(json.dumps(found, indent=4)) == ([], Outcome(0, 0))


def test_words_of_wrong_types_are_none() -> None:
    assert piped(printed(event(PULL, 7)))[0] == ["image_not_found"]
    state = {"waiting": {"reason": "ErrImagePull", "message": 5}}
    pod = {"status": {"containerStatuses": [{"image": None, "state": state}]}}
    assert piped(printed(pod))[0] == ["backoff_only"]


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_output_makes_it_raise(text: str) -> None:
    errors_in(text.encode("utf-8", "replace"))
    errors_in(b"{" + text.encode("utf-8", "replace"))


@pytest.mark.parametrize("piece", ["  Normal  a  b  c  ", "  Warning Failed 1s (x1 over ", " ", "  Normal ", "\n", "{"])
def test_a_megabyte_of_anything_takes_less_than_a_second(piece: str) -> None:
    hostile = ("Name: x\n" + piece * MAX_LINE)[:MAX_LINE].encode()
    began = time.process_time()
    errors_in(hostile)

    assert time.process_time() - began < 1
