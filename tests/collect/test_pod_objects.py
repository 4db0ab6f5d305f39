"""Pods as the Kubernetes API sends them, decoded: image volumes, and pods that wait for nothing any more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checks.collect.kubernetes.objects import Pod, containers, decode_page
from checks.collect.kubernetes.texts import Texts
from checks.facts import ContainerImage

OWN, MODEL = "acrone.azurecr.io/team/app:1", "acrtwo.azurecr.io/models/llm:1"


def waiting(name: str, image: str, reason: str = "ImagePullBackOff") -> dict[str, Any]:
    message = f'Back-off pulling image "{image}": ErrImagePull: 401 Unauthorized'
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def pod(*statuses: dict[str, Any], names: tuple[str, ...] = ("app",), metadata: Any = (), **status: Any) -> bytes:
    volumes = [
        {"name": "token", "projected": {"sources": []}},
        {"name": "model", "image": {"reference": MODEL, "pullPolicy": "Always"}},
        {"name": "empty", "image": {}},
    ]
    body = {
        "metadata": {"name": "llm-0", "namespace": "prod", **dict(metadata)},
        "spec": {"containers": [{"name": name, "image": OWN} for name in names], "volumes": volumes,
                 "imagePullSecrets": [{"name": "regcred"}], "nodeName": "node-1"},
        "status": {"phase": "Pending", "containerStatuses": list(statuses), **status},
    }  # fmt: skip
    return json.dumps({"kind": "PodList", "items": [body]}).encode()


def read(raw: bytes) -> list[ContainerImage]:
    (item,), _, unreadable = decode_page(raw, Pod)
    assert unreadable == 0
    return containers(item, Texts())


def test_an_image_volume_is_an_image_of_the_pod() -> None:
    app, model = read(pod())
    assert (app.kind, app.image) == ("main", OWN)
    assert (model.kind, model.container, model.image, model.pull_policy) == ("volume", "model", MODEL, "Always")
    assert (model.pull_secrets, model.node, model.waiting_reason) == (("regcred",), "node-1", None)


def test_the_volumes_error_is_the_volumes_and_not_that_of_the_containers_that_mount_it() -> None:
    first, second, model = read(pod(waiting("a", MODEL), waiting("b", MODEL), names=("a", "b")))
    assert (first.waiting_reason, second.waiting_reason) == (None, None)
    assert model.waiting_reason == "ImagePullBackOff" and MODEL in (model.waiting_message or "")


def test_the_containers_own_error_stays_its_own() -> None:
    first, second, model = read(pod(waiting("a", MODEL), waiting("b", OWN), names=("a", "b")))
    assert (first.waiting_reason, second.waiting_reason, model.waiting_reason) == (
        None,
        "ImagePullBackOff",
        "ImagePullBackOff",
    )
    assert OWN in (second.waiting_message or "")


def test_a_container_that_waits_for_something_else_keeps_its_reason() -> None:
    app, model = read(pod(waiting("app", MODEL, "PreCreateHookError")))
    assert (app.waiting_reason, model.waiting_reason) == ("PreCreateHookError", None)


@pytest.mark.parametrize(
    "over",
    [
        {"phase": "Succeeded"},
        {"phase": "Failed", "reason": "Evicted"},
        {"metadata": {"deletionTimestamp": "2026-11-24T08:00:00Z"}},
    ],
)
def test_a_pod_that_ended_or_is_being_deleted_waits_for_no_image_but_names_it(over: dict[str, Any]) -> None:
    images = read(pod(waiting("app", OWN), **over))
    assert [image.image for image in images] == [OWN, MODEL]
    assert [image.waiting_reason for image in images] == [None, None]
