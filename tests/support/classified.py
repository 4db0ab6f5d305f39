"""``classify`` in this process, and the texts of one failed pull in every form that kubectl gives it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

from checks.cli.classify import formats
from checks.cli.classify.answers import Answer, Classifier, answer
from checks.cli.classify.folding import folded
from checks.cli.classify.formats import Read
from checks.cli.classify.writers import JsonLines

IMAGE = "contoso.azurecr.io/team/web:1.4"
NOT_FOUND = (
    f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": '
    f'failed to resolve reference "{IMAGE}": {IMAGE}: not found'
)
UNAUTHORIZED = (
    f'Failed to pull image "{IMAGE}": failed to pull and unpack image "{IMAGE}": failed to resolve reference '
    f'"{IMAGE}": '
    "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
    "https://contoso.azurecr.io/oauth2/token?scope=repository%3Ateam%2Fweb%3Apull&service=contoso.azurecr.io: "
    "401 Unauthorized"
)
BACK_OFF = f'Back-off pulling image "{IMAGE}"'
PROBE = 'Readiness probe failed: Get "http://10.0.0.4/": dial tcp 10.0.0.4:80: connect: connection refused'


@dataclass(frozen=True)
class Result:
    """The answers, each as a program reads it, and what the input came to."""

    answers: list[dict[str, Any]]
    read: Read

    @property
    def causes(self) -> list[str]:
        """The causes alone."""
        return [one["cause"] for one in self.answers]

    @property
    def named(self) -> list[tuple[str, ...]]:
        """Cause, namespace, pod, container and image of each answer; "" for what it leaves out."""
        names = ("cause", "namespace", "pod", "container", "image")
        return [tuple(one.get(name, "") for name in names) for one in self.answers]


def classified(given: bytes | str) -> Result:
    """What an input comes to. Raises Unreadable."""
    data = given.encode() if isinstance(given, str) else given
    lines: list[bytes] = []
    writer = JsonLines(lines.append)
    read = formats.read(io.BufferedReader(io.BytesIO(data)), writer.write, Classifier())
    for error in folded(read.errors):
        writer.write(answer(error.seen, error.found))
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    return Result([json.loads(line) for line in lines], read)


def written(one: Answer) -> dict[str, Any]:
    """An answer as a program reads it."""
    lines: list[bytes] = []
    JsonLines(lines.append).write(one)
    document: dict[str, Any] = json.loads(lines[0])
    return document


def event(
    message: Any, reason: Any = "Failed", pod: str = "web-1", container: str = "web", **more: Any
) -> dict[str, Any]:
    """An event of the v1 API about a container of a pod in prod."""
    subject = {"kind": "Pod", "namespace": "prod", "name": pod}
    if container:
        subject["fieldPath"] = f"spec.containers{{{container}}}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pod}.1", "namespace": "prod"},
        "involvedObject": subject,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "count": 4,
        **more,
    }


def pod(reason: str, message: str | None = None, name: str = "web-1", container: str = "web") -> dict[str, Any]:
    """A pod in prod whose container waits."""
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"nodeName": "aks-np-0", "containers": [{"name": container, "image": IMAGE}]},
        "status": {"containerStatuses": [{"name": container, "image": IMAGE, "state": state}]},
    }


def printed(*items: Any, indent: int | None = 4) -> str:
    """A list as ``kubectl get -o json`` prints it."""
    return json.dumps({"apiVersion": "v1", "items": items, "kind": "List"}, indent=indent)
