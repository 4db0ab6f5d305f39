"""Events and pods as JSON and YAML: each pull error once, with its pod."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
import yaml

from checks.cli.classify import yaml_documents
from checks.cli.classify.formats import Unreadable
from tests.support.classified import BACK_OFF, IMAGE, NOT_FOUND, PROBE, UNAUTHORIZED, classified, event, pod, printed

WEB = ("image_not_found", "prod", "web-1", "web", IMAGE)


def as_yaml(*documents: Any) -> str:
    return yaml.safe_dump_all(documents, sort_keys=True)


def test_events_are_one_error_with_its_pod_and_what_is_none_is_counted() -> None:
    events = (
        event(NOT_FOUND),
        event("Error: ErrImagePull"),
        event(BACK_OFF, "BackOff"),
        event(PROBE, "Unhealthy"),
        event(None, "Killing"),
        event(NOT_FOUND, pod="web-2"),
    )
    result = classified(printed(*events))

    assert result.named == [WEB, ("image_not_found", "prod", "web-2", "web", IMAGE)]
    assert result.read.others == 2
    assert result.read.problems == ()


def test_the_other_api_of_events_is_read_too() -> None:
    found = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "x", "namespace": "prod"},
        "regarding": {"kind": "Pod", "namespace": "prod", "name": "web-1", "fieldPath": "spec.initContainers{web}"},
        "reason": "Failed",
        "note": NOT_FOUND,
        "deprecatedSource": {"host": "aks-np-0"},
    }
    assert classified(printed(found)).named == [WEB]


def test_pods_tell_what_their_containers_wait_for() -> None:
    running = pod("", name="fine")
    running["status"]["containerStatuses"][0]["state"] = {"running": {}}
    pods = (
        pod("ErrImagePull", NOT_FOUND),
        pod("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
        pod("ImagePullBackOff", name="web-2"),
        running,
    )
    result = classified(printed(*pods))

    assert result.named == [WEB, ("backoff_only", "prod", "web-2", "web", IMAGE)]
    assert result.read.others == 1


def test_events_and_pods_together_are_one_error() -> None:
    assert classified(printed(pod("ImagePullBackOff", BACK_OFF), event(UNAUTHORIZED))).named == [
        ("unauthorized", "prod", "web-1", "web", IMAGE)
    ]


@pytest.mark.parametrize("kind", ["initContainer", "container", "ephemeralContainer"])
def test_containers_of_each_kind_are_read(kind: str) -> None:
    state = {"waiting": {"reason": "ErrImagePull", "message": NOT_FOUND}}
    found = pod("x")
    found["spec"] = {f"{kind}s": [{"name": "one", "image": IMAGE}]}
    found["status"] = {f"{kind}Statuses": [{"name": "one", "image": "", "state": state}]}

    assert classified(printed(found)).named == [("image_not_found", "prod", "web-1", "one", IMAGE)]


def test_a_pod_on_a_virtual_node_tells_by_its_own_reason() -> None:
    text = f'The image "{IMAGE}" in container group is not accessible. Please check the image and registry credential.'
    found = {"kind": "Pod", "metadata": {"name": "v", "namespace": "prod"}, "status": {"reason": "ProviderFailed"}}
    found["status"]["message"] = f"api call: InaccessibleImage: failed to pull image: {text}"  # type: ignore[index]

    assert [one[1:3] for one in classified(printed(found)).named] == [("prod", "v")]


def test_a_denied_image_is_told_of_its_workload() -> None:
    denied = (
        'Error creating: admission webhook "validation.gatekeeper.sh" denied the request: '
        "[azurepolicy-k8sazurev2containerallowedimag-1] Container image nginx for container nginx has not been allowed."
    )
    found = event(denied, "FailedCreate")
    found["involvedObject"] = {"kind": "ReplicaSet", "name": "web-7d9f", "namespace": "prod"}
    (shown,) = classified(printed(found)).answers

    assert (shown["cause"], shown["about"], "pod" in shown) == ("policy", "ReplicaSet/web-7d9f", False)


@pytest.mark.parametrize("reason", ["ReconcileError", "FailedCreate", "KubeAPIReadyz"])
def test_an_events_words_alone_make_no_pull_error_of_a_controllers_trouble(reason: str) -> None:
    text = "Internal error occurred: failed calling webhook: dial tcp 10.0.0.1:443: i/o timeout"
    result = classified(printed(event(text, reason)))

    assert (result.answers, result.read.others) == ([], 1)


def test_the_newest_text_of_a_cause_is_the_evidence() -> None:
    old = event(NOT_FOUND.replace("1.4", "1.3"), lastTimestamp="2026-11-24T08:00:00Z", container="")
    new = event(NOT_FOUND, lastTimestamp="2026-11-24T09:00:00Z")
    again = event(NOT_FOUND, eventTime="2026-11-24T10:00:00.000000Z", series={"lastObservedTime": "not a time"})

    assert [one[4] for one in classified(printed(old, new, again)).named] == [IMAGE.replace("1.4", "1.3"), IMAGE]


# How it may be written


def test_one_object_is_read_like_a_list() -> None:
    for found in (event(NOT_FOUND), pod("ErrImagePull", NOT_FOUND)):
        assert classified(json.dumps(found, indent=4)).named == [WEB]
        assert classified(as_yaml(found)).named == [WEB]


def test_yaml_gives_the_same_answers_as_json() -> None:
    items = (event(NOT_FOUND), event(PROBE, "Unhealthy"), event(None, "Killing"), pod("ErrImagePull", UNAUTHORIZED))
    from_json = classified(printed(*items))
    whole = {"apiVersion": "v1", "items": list(items), "kind": "List"}
    for text in (as_yaml(whole), as_yaml(*items), as_yaml(list(items)), "\n\n# kubectl\n---\n" + as_yaml(whole)):
        result = classified(text)

        assert sorted(result.named) == sorted(from_json.named)
        assert len(result.answers) == 2
        assert result.read.others == from_json.read.others
        assert result.read.problems == ()


@pytest.mark.parametrize("indent", [2, 4, None])
def test_json_of_any_look_is_read(indent: int | None) -> None:
    assert classified(printed(event(NOT_FOUND), indent=indent)).named == [WEB]
    assert classified(json.dumps([event(NOT_FOUND)], indent=indent)).named == [WEB]


def test_a_list_on_one_line_that_is_longer_than_a_line_may_be_is_read() -> None:
    """As `kubectl get --raw /api/v1/events` prints it."""
    many = [event(NOT_FOUND, pod=f"web-{n}") for n in range(4000)]
    text = printed(*many, indent=None)
    assert len(text) > 1024 * 1024

    assert len(classified(text).answers) == 4000


def test_several_documents_after_each_other_are_read() -> None:
    one, two = printed(event(NOT_FOUND)), json.dumps(pod("ImagePullBackOff", name="web-2"), indent=4)
    for text in (f"{one}\n{two}\n", f"{one}\nNo resources found in test namespace.\n\n{two}\nWarning: x\n"):
        result = classified(text)

        assert [found[2] for found in result.named] == ["web-1", "web-2"]
        assert result.read.problems == ()


def test_an_object_a_line_is_json_lines_where_it_has_a_message_and_read_as_objects_where_not() -> None:
    lines = json.dumps(event(NOT_FOUND)) + "\n" + json.dumps(event(PROBE, "Unhealthy"))
    assert classified(lines).causes == ["image_not_found", "not_a_pull"]
    lines = json.dumps(pod("ErrImagePull", NOT_FOUND)) + "\n" + json.dumps(event(NOT_FOUND))
    assert classified(lines).named == [WEB]


BEFORE = (
    "Warning: v1 ComponentStatus is deprecated in v1.19+\n",
    "\n\n",
    "$ kubectl get events -A -o yaml\n",
    "E1128 15:00:00.123456   12345 memcache.go:265] couldn't get current server API group list\nW1128 x\n",
    "To sign in, use a web browser to open the page https://microsoft.com/devicelogin and enter the code X.\n",
)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("after", ["", "\nNo resources found in default namespace.\n", "\n\nWarning: x\n"])
def test_what_kubectl_says_around_it_does_no_harm(before: str, after: str) -> None:
    for text in (printed(event(NOT_FOUND)), as_yaml({"apiVersion": "v1", "items": [event(NOT_FOUND)]})):
        result = classified(before + text + after)

        assert (result.named, result.read.problems) == ([WEB], ())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_windows_files_are_read(encoding: str) -> None:
    for text in (printed(event(NOT_FOUND)), as_yaml({"items": [event(NOT_FOUND)]}), as_yaml(event(NOT_FOUND))):
        assert classified(text.replace("\n", "\r\n").encode(encoding)).named == [WEB]


def test_what_jq_colours_is_read() -> None:
    text = printed(event(NOT_FOUND)).replace('"items"', '\x1b[34;1m"items"\x1b[0m')

    assert classified(f"\x1b[1;39m{text}\x1b[0m\n").named == [WEB]


# What cannot be read


def test_json_that_was_cut_off_is_one_clear_error() -> None:
    with pytest.raises(Unreadable, match=r"JSON.*truncated"):
        classified(printed(event(NOT_FOUND))[:-40])


def test_a_document_that_cannot_be_read_is_a_problem_and_the_others_are_answered() -> None:
    result = classified(f"{printed(event(NOT_FOUND))}\n{{\n    oops\n}}\n")

    assert result.named == [WEB]
    assert len(result.read.problems) == 1


def test_yaml_that_breaks_off_is_answered_as_far_as_it_goes() -> None:
    whole = as_yaml({"apiVersion": "v1", "items": [event(NOT_FOUND), event(NOT_FOUND, pod="web-2")]})
    result = classified(whole[: whole.index("web-2")] + "'\n - : : [")

    assert result.named == [WEB]
    assert len(result.read.problems) == 1 and result.read.problems[0].startswith("line ")


BOMB = "apiVersion: v1\na: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
DEEP = "kind: " + "[" * 100_000
DEEP_BLOCKS = "kind:\n" + "".join(" " * n + "x:\n" for n in range(1, 500))


@pytest.mark.parametrize(
    "text", [BOMB, DEEP, DEEP_BLOCKS, "apiVersion: &a [*a]\n"], ids=["bomb", "deep", "blocks", "self"]
)
def test_yaml_that_unfolds_without_end_is_refused_at_once(text: str) -> None:
    began = process_time()
    with pytest.raises(Unreadable, match=r"line \d+: (aliases|nested|exceeded maximum nesting)"):
        classified(text)
    assert process_time() - began < 2


def test_yamls_own_types_are_text() -> None:
    found = list(
        yaml_documents.objects_in(
            "a: !!python/object/apply:os.system [x]\nb: 2026-11-24\nc: null\nd: 'null'\n? [x]\n: 1"
        )
    )

    assert found == [{"a": ["x"], "b": "2026-11-24", "c": None, "d": "null", "": "1"}]


def test_json_nested_without_end_is_refused() -> None:
    for text in ('{"items": [' + "[" * 200_000, '{"items":[{"a":' + "[" * 200_000 + "]" * 200_000 + "}]}"):
        try:
            assert classified(text).answers == []
        except Unreadable:
            continue


@pytest.mark.parametrize(
    "found",
    [
        {"items": None},
        {"items": [None, 1, [], {}, {"items": [event(NOT_FOUND)]}]},
        {"message": 5},
        {"status": []},
        {"status": {"containerStatuses": {"a": 1}}},
        {"status": {"containerStatuses": [None, {"state": 1}, {"state": {"waiting": []}}]}},
        {"kind": "List", "items": []},
    ],
)
def test_objects_without_errors_get_no_answer(found: Any) -> None:
    result = classified(json.dumps(found, indent=4))

    assert (result.answers, result.read.problems) == ([], ())


def test_words_of_wrong_types_are_none() -> None:
    odd = event(NOT_FOUND, 7, metadata=[], source="x", lastTimestamp=5)
    odd["involvedObject"] = {"kind": "Pod", "name": ["x"], "fieldPath": {}}
    assert classified(printed(odd)).causes == ["image_not_found"]
    state = {"waiting": {"reason": "ErrImagePull", "message": 5}}
    waiting = {"kind": "Pod", "status": {"containerStatuses": [{"image": None, "state": state}]}}
    assert classified(printed(waiting)).causes == ["backoff_only"]


def test_json_that_is_nothing_of_kubernetes_is_one_clear_error() -> None:
    with pytest.raises(Unreadable, match="no object of Kubernetes"):
        classified('{\n  "a": 1\n}\n')


# What is a piece, or is about something else


@pytest.mark.parametrize("indent", [2, 4, None])
def test_a_list_whose_end_is_missing_is_answered_as_far_as_it_goes_and_says_so(indent: int | None) -> None:
    """As `kubectl get events -o json | head -c 100000` leaves it."""
    whole = printed(event(NOT_FOUND), event(NOT_FOUND, pod="web-2"), event(NOT_FOUND, pod="web-3"), indent=indent)
    for end in (whole.index("web-3"), whole.index("web-3") + 200):
        result = classified(whole[:end])

        assert [one[2] for one in result.named] == ["web-1", "web-2"]
        assert result.read.notes == ("the input ends in the middle, after 2 whole items of a list",)
        assert result.read.problems == ()


def workload(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "prod"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": IMAGE}]}}},
        "status": {"conditions": [{"type": "Available", "message": "Deployment does not have minimum availability."}]},
    }


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "Job", "Node", "ConfigMap"])
def test_objects_that_hold_no_pull_errors_are_named_with_those_that_do(kind: str) -> None:
    one = workload(kind)
    raw = {"kind": f"{kind}List", "apiVersion": "apps/v1", "items": [{"metadata": {}, "status": {}}]}
    whole = {"apiVersion": "v1", "kind": "List", "items": [one, one]}
    for text in (json.dumps(one, indent=4), printed(one, one), as_yaml(one), as_yaml(whole), json.dumps(raw)):
        with pytest.raises(
            Unreadable, match=rf"holds {kind}(List)?, which .* Events or pods do: kubectl get events,pods"
        ):
            classified(text)


def test_a_workload_beside_its_pods_is_read_like_the_pods() -> None:
    assert classified(printed(workload("Deployment"), event(NOT_FOUND))).named == [WEB]
    assert classified(printed(workload("Deployment"), pod(""))).answers == []


WORDS = (
    "Here is the output:\n",
    "hi all,\n\nthe pods do not start. This is what it says:\n\n```json\n",
    "Output of kubectl:\n\n~~~\n",
    "Here:\n```\n",
)


@pytest.mark.parametrize("before", WORDS)
def test_objects_below_somebodys_own_words_are_read(before: str) -> None:
    after = "\n```\nAny idea?\n" if "```" in before else "\n"
    one = event(NOT_FOUND)
    for text in (printed(one), printed(one, indent=None), json.dumps(pod("ErrImagePull", NOT_FOUND), indent=2)):
        assert classified(before + text + after).named == [WEB]
    assert classified(before + as_yaml({"apiVersion": "v1", "items": [one]}) + after).named == [WEB]


def test_an_error_in_the_words_above_objects_is_answered_too() -> None:
    above = 'Failed to pull image "contoso.azurecr.io/job:1": 401 Unauthorized\nand this:\n'

    assert sorted(classified(above + printed(event(NOT_FOUND))).causes) == ["image_not_found", "unauthorized"]


def test_a_word_at_the_margin_of_a_text_makes_no_yaml_of_it() -> None:
    assert classified(f"{NOT_FOUND}\n\nkind: of strange [ is it not\n").causes == ["image_not_found"]


def test_a_workload_below_words_is_named() -> None:
    with pytest.raises(Unreadable, match="holds Deployment"):
        classified(f"here it is:\n{json.dumps(workload('Deployment'), indent=2)}\n")
