"""What the real kubectl prints of pods that cannot pull: ``classify`` gives the same answers from every format."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from checks.cli.main import main
from tests.support.cli import typed
from tests.support.real_kubernetes import nodes
from tests.support.real_kubernetes.nodes import STARTED
from tests.support.real_kubernetes.server import KubeApiServer

Kubectl = Callable[..., str]
KUBECTL = which("kubectl")

ACR, OTHER, HUB = "contoso.azurecr.io/team/web:1.4", "contoso.azurecr.io/team/api:2", "nginx:none"
TEXTS = {
    ACR: f'failed to pull and unpack image "{ACR}": failed to resolve reference "{ACR}": failed to authorize: '
    "failed to fetch anonymous token: unexpected status from GET request to https://contoso.azurecr.io/oauth2/token?scope="
    "repository%3Ateam%2Fweb%3Apull&service=contoso.azurecr.io: 401 Unauthorized",
    OTHER: f'failed to pull and unpack image "{OTHER}": failed to resolve reference "{OTHER}": failed to do request: '
    'Head "https://contoso.azurecr.io/v2/team/api/manifests/2": dial tcp: lookup contoso.azurecr.io: no such host',
    HUB: 'failed to pull and unpack image "docker.io/library/nginx:none": failed to resolve reference '
    '"docker.io/library/nginx:none": docker.io/library/nginx:none: not found',
}
# Of each container that waits: cause, namespace, pod, container, image.
WAITING = {
    ("unauthorized", "prod", "web-1", "web", ACR),
    ("image_not_found", "prod", "web-1", "side", HUB),
    ("unauthorized", "prod", "web-2", "web", ACR),
    ("dns", "test", "api-1", "setup", OTHER),
}
EVERYTHING = [
    ("get", "events", "-A", "-o", "json"),
    ("get", "events", "-A", "-o", "yaml"),
    ("get", "events", "-A", "-o", "wide"),
    ("get", "events.v1.events.k8s.io", "-A", "-o", "json"),
    ("get", "events.v1.events.k8s.io", "-A", "-o", "yaml"),
    ("get", "pods", "-A", "-o", "json"),
    ("get", "pods", "-A", "-o", "yaml"),
    ("get", "pods,events", "-A", "-o", "json"),
    ("get", "pods,events", "-A", "-o", "yaml"),
    ("get", "--raw", "/api/v1/events"),
    ("get", "--raw", "/api/v1/pods"),
    ("describe", "pods", "-A"),
]
WITHOUT_CONTAINERS = [
    ("get", "events", "-A"),
    ("get", "events", "-A", "--no-headers"),
    ("get", "events.v1.events.k8s.io", "-A"),
    ("get", "events", "-A", "--sort-by", ".metadata.name"),
    ("events", "-A"),
]


def words(arguments: tuple[str, ...]) -> str:
    return " ".join(arguments)


def container(name: str, image: str, waiting: dict[str, str] | None) -> dict[str, Any]:
    state: dict[str, Any] = {"waiting": waiting} if waiting else {"running": {"startedAt": STARTED}}
    return {"name": name, "image": image, "imageID": "", "ready": not waiting, "restartCount": 0, "state": state}


def make_pod(server: KubeApiServer, namespace: str, name: str, images: dict[str, str], init: str = "") -> None:
    """A pod whose kubelet reports a pull that failed of each image that has a text, in its status and in events."""
    server.namespace(namespace)
    specs = [{"name": one, "image": image} for one, image in images.items()]
    spec = {
        "nodeName": "aks-np-0",
        "initContainers": [one for one in specs if one["name"] == init],
        "containers": [one for one in specs if one["name"] != init],
    }
    server.create({"metadata": {"name": name}, "spec": spec}, f"/api/v1/namespaces/{namespace}/pods")
    statuses: dict[str, list[dict[str, Any]]] = {"initContainerStatuses": [], "containerStatuses": []}
    for one, image in images.items():
        text = TEXTS.get(image)
        waiting = {"reason": "ErrImagePull", "message": text} if text else None
        statuses["initContainerStatuses" if one == init else "containerStatuses"].append(container(one, image, waiting))
        if text:
            path = f"spec.{'initContainers' if one == init else 'containers'}{{{one}}}"
            for reason, message in (
                ("Failed", f'Failed to pull image "{image}": {text}'),
                ("Failed", "Error: ErrImagePull"),
                ("BackOff", f'Back-off pulling image "{image}"'),
                ("Failed", "Error: ImagePullBackOff"),
            ):
                make_event(server, namespace, name, reason, message, path)
    make_event(server, namespace, name, "Unhealthy", "Readiness probe failed: connection refused\nsecond line", "")
    nodes.report(server, name, {"phase": "Pending", **statuses}, namespace=namespace)


def make_event(server: KubeApiServer, namespace: str, pod: str, reason: str, message: str, path: str) -> None:
    uid = server.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}")["metadata"]["uid"]
    subject = {"kind": "Pod", "apiVersion": "v1", "name": pod, "namespace": namespace, "uid": uid, "fieldPath": path}
    body = {
        "metadata": {"generateName": f"{pod}."},
        "involvedObject": subject,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "count": 4,
        "firstTimestamp": STARTED,
        "lastTimestamp": STARTED,
        "source": {"component": "kubelet", "host": "aks-np-0"},
        "reportingComponent": "kubelet",
    }
    server.create(body, f"/api/v1/namespaces/{namespace}/events")


@pytest.fixture
def kubectl(kube_apiserver: KubeApiServer, tmp_path: Path) -> Iterator[Kubectl]:
    """The real kubectl at a real API server that holds pods which cannot pull, and one that runs."""
    if KUBECTL is None:
        pytest.skip("no kubectl on PATH")
    nodes.node(kube_apiserver, "aks-np-0")
    make_pod(kube_apiserver, "prod", "web-1", {"web": ACR, "side": HUB})
    make_pod(kube_apiserver, "prod", "web-2", {"web": ACR, "fine": "busybox"})
    make_pod(kube_apiserver, "test", "api-1", {"setup": OTHER, "main": "busybox"}, init="setup")
    make_pod(kube_apiserver, "test", "fine-1", {"main": "busybox"})
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps(kube_apiserver.admin_kubeconfig()))

    def run(*arguments: str) -> str:
        assert KUBECTL is not None
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", str(config), *arguments],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
        return done.stdout

    yield run


def classify(*inputs: str, tmp_path: Path) -> list[dict[str, Any]]:
    """The answers of the command to one or more inputs, each in a file."""
    files = [tmp_path / f"input-{number}" for number in range(len(inputs))]
    for file, text in zip(files, inputs, strict=True):
        file.write_text(text)
    raw, said = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        assert main(["classify", *map(str, files)]) == 0, said.getvalue()
    return [json.loads(line) for line in raw.getvalue().decode().splitlines()]


def named(answers: list[dict[str, Any]], *names: str) -> list[tuple[str, ...]]:
    return sorted(tuple(one.get(name, "") for name in names) for one in answers)


def test_every_format_gives_the_same_answers_each_once_with_its_pod(kubectl: Kubectl, tmp_path: Path) -> None:
    whole = ("cause", "namespace", "pod", "container", "image")
    of_pods = whole[:3] + whole[4:]
    wrong = {}
    for arguments in EVERYTHING:
        got = named(classify(kubectl(*arguments), tmp_path=tmp_path), *whole)
        if got != sorted(WAITING):
            wrong[words(arguments)] = got
    for arguments in WITHOUT_CONTAINERS:
        got = named(classify(kubectl(*arguments), tmp_path=tmp_path), *of_pods)
        if got != sorted((cause, namespace, pod, image) for cause, namespace, pod, _, image in WAITING):
            wrong[words(arguments)] = got
    assert wrong == {}


def test_it_is_piped_as_the_documentation_says(kubectl: Kubectl) -> None:
    done = typed({}, "classify", stdin=kubectl("get", "events", "-A", "-o", "json"))

    assert done.returncode == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert named(answers, "cause", "namespace", "pod", "container", "image") == sorted(WAITING)


def test_one_namespace_is_shown_without_its_name_and_answered_so(kubectl: Kubectl, tmp_path: Path) -> None:
    wanted = sorted((cause, pod, image) for cause, namespace, pod, _, image in WAITING if namespace == "prod")
    for arguments in (("get", "events"), ("get", "events", "-o", "wide"), ("events",)):
        answers = classify(kubectl(*arguments, "-n", "prod"), tmp_path=tmp_path)

        assert named(answers, "cause", "pod", "image") == wanted, words(arguments)
        assert not any("namespace" in one for one in answers)


@pytest.mark.parametrize("more", [(), ("-o", "wide"), ("--show-labels",), ("--no-headers",)])
def test_a_table_of_pods_tells_who_waits_and_no_cause(kubectl: Kubectl, tmp_path: Path, more: tuple[str, ...]) -> None:
    answers = classify(kubectl("get", "pods", "-A", *more), tmp_path=tmp_path)

    assert named(answers, "cause", "namespace", "pod") == [
        ("backoff_only", "prod", "web-1"),
        ("backoff_only", "prod", "web-2"),
        ("backoff_only", "test", "api-1"),
    ]


def test_two_formats_in_two_files_are_one_answer_each(kubectl: Kubectl, tmp_path: Path) -> None:
    inputs = (kubectl("get", "pods", "-A"), kubectl("get", "events", "-n", "prod"), kubectl("describe", "pods", "-A"))
    answers = classify(*inputs, tmp_path=tmp_path)

    assert named(answers, "cause", "namespace", "pod", "container", "image") == sorted(WAITING)


def test_one_pod_described_and_got_is_answered(kubectl: Kubectl, tmp_path: Path) -> None:
    for arguments in (("describe", "pod"), ("get", "pod", "-o", "json"), ("get", "pod", "-o", "yaml")):
        text = kubectl(arguments[0], arguments[1], "-n", "test", "api-1", *arguments[2:])

        assert named(classify(text, tmp_path=tmp_path), "cause", "container") == [("dns", "setup")], words(arguments)
