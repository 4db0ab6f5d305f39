"""Run Command: the few shell and kubectl commands that are understood, run on a cluster's objects.

Understood are `kubectl get <resource>[,<resource>] [-A | -n NS] -o json|jsonpath=... [-l SELECTOR]
[--field-selector SELECTOR]`, `echo`, and several of these joined by `&&` or `;`. Everything else ends with exit code 1,
as a mistyped command would. The service's own pod is among the pods, as it is in a real cluster. Output is cut at
512 kB, as the service does it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from simulator.kubernetes.jsonpath import printed
from simulator.kubernetes.objects import ClusterObjects, KubeObject, kube_object
from simulator.kubernetes.selectors import SelectorError, field_test, label_test
from simulator.responses import joined

OUTPUT_BYTES = 512 * 1024
NAMESPACE = "aks-command"
SHORT = {
    "po": "pods",
    "pod": "pods",
    "ev": "events",
    "event": "events",
    "no": "nodes",
    "node": "nodes",
    "ns": "namespaces",
    "sa": "serviceaccounts",
    "serviceaccount": "serviceaccounts",
    "secret": "secrets",
    "deploy": "deployments",
    "deployment": "deployments",
}
Forbids = Callable[[str], str]  # a resource's name -> why it may not be listed, or ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state` is the provisioningState: Succeeded also for a command that failed (its exit code says so)."""

    state: str
    exit_code: int
    logs: str
    reason: str
    started: str
    finished: str


class _Failed(Exception):
    """What kubectl says on standard error, which the service puts into the same logs."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise SelectorError(message)


def run(command: str, objects: ClusterObjects, name: str = "command", forbids: Forbids = lambda _: "") -> Outcome:
    """`name` is that of the service's own pod; `forbids` what the caller may not list in the cluster."""
    started = _now()
    logs, code = _shell(command, _Cluster(objects, name, forbids))
    cut = logs.encode()[:OUTPUT_BYTES].decode(errors="ignore")
    return Outcome("Succeeded", code, cut, "", started, _now())


def pod_failed(reason: str) -> Outcome:
    """The service's pod never ran."""
    return Outcome("Failed", 0, "", reason, _now(), _now())


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shell(command: str, cluster: _Cluster) -> tuple[str, int]:
    """Its output and the exit code of the last command that ran."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        return f"sh: syntax error: {error}\n", 2
    output, code, skip, part = "", 0, False, []
    for word in [*words, ";"]:
        if word not in ("&&", ";"):
            part.append(word)
            continue
        if part and not skip:
            text, code = _item(part, cluster)
            output += text
        skip = word == "&&" and code != 0
        part = []
    return output, code


def _item(words: list[str], cluster: _Cluster) -> tuple[str, int]:
    if words[0] == "echo":
        plain = words[1:2] == ["-n"]
        return " ".join(words[1 + plain :]) + ("" if plain else "\n"), 0
    if words[:2] != ["kubectl", "get"]:
        return f"error: the simulator runs `kubectl get` and `echo` only, not `{shlex.join(words)}`\n", 1
    try:
        return cluster.get(words[2:]), 0
    except (SelectorError, ValueError) as error:
        return f"error: {error}\n", 1
    except _Failed as error:
        return f"{error}\n", 1


class _Cluster:
    """What kubectl in the service's pod finds."""

    def __init__(self, objects: ClusterObjects, name: str, forbids: Forbids) -> None:
        self._objects = objects
        self._name = name
        self._forbids = forbids

    def get(self, arguments: list[str]) -> str:
        """`kubectl get`: what it prints. Raises SelectorError, ValueError and _Failed."""
        parser = _Parser(prog="kubectl", add_help=False)
        parser.add_argument("resources")
        parser.add_argument("-A", "--all-namespaces", action="store_true")
        parser.add_argument("-n", "--namespace", default="default")
        parser.add_argument("-o", "--output", default="")
        parser.add_argument("-l", "--selector", default="")
        parser.add_argument("--field-selector", default="")
        parser.add_argument("--chunk-size", default="500")
        options = parser.parse_args(arguments)
        how, _, template = options.output.partition("=")
        if how not in ("json", "jsonpath"):
            raise SelectorError("the simulator prints `-o json` and `-o jsonpath=...` only")
        kube_objects = [
            item for word in options.resources.split(",") for item in self._objects_of(SHORT.get(word, word), options)
        ]
        tail = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}}
        listed = joined([item.raw for item in kube_objects], tail, "items")
        return listed.decode() + "\n" if how == "json" else printed(template, msgspec.json.decode(listed))

    def _objects_of(self, resource: str, options: argparse.Namespace) -> list[KubeObject]:
        versions = [version for version, name in self._objects.kinds() if name == resource]
        if not versions and resource not in SHORT.values():
            raise SelectorError(f'the server doesn\'t have a resource type "{resource}"')
        refused = self._forbids(resource)
        if refused:
            raise _Failed(f"Error from server (Forbidden): {refused}")
        cluster_wide = resource in ("nodes", "namespaces")
        namespace = None if options.all_namespaces or cluster_wide else options.namespace
        labels, fields = label_test(options.selector), field_test(options.field_selector, resource)
        items = [item for version in versions for item in self._objects.listed(version, resource, namespace)]
        if resource == "pods" and namespace in (None, NAMESPACE):
            items = sorted([*items, self._own_pod()], key=lambda item: item.key)
        return [item for item in items if labels(item.labels) and (not options.field_selector or fields(item.body()))]

    def _own_pod(self) -> KubeObject:
        image = "mcr.microsoft.com/aks/command/runtime:master.260101.1"
        container = {"name": "command", "image": image, "imagePullPolicy": "IfNotPresent"}
        pod = kube_object(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"command-{self._name}", "namespace": NAMESPACE},
                "spec": {"serviceAccountName": "default", "containers": [container]},
                "status": {"phase": "Running", "containerStatuses": [{"name": "command", "state": {"running": {}}}]},
            }
        )
        assert pod is not None  # it has a kind and a name
        return pod
