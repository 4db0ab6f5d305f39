"""Run Command: the few kubectl commands that are understood, run on a cluster's objects.

Understood is `kubectl get <resource>[,<resource>] [-A | -n NS] -o json [-l SELECTOR] [--field-selector SELECTOR]`;
everything else ends with exit code 1, as a mistyped command would. Output is cut at 512 kB, as the service does it.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from .answers import joined
from .kube_objects import ClusterObjects, KubeObject
from .kube_selectors import SelectorError, field_test, label_test

OUTPUT_BYTES = 512 * 1024
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state` is the provisioningState: Succeeded also for a command that failed (its exit code says so)."""

    state: str
    exit_code: int
    logs: str
    reason: str
    started: str
    finished: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise SelectorError(message)


def run(command: str, objects: ClusterObjects) -> Outcome:
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        logs, code = _kubectl(command, objects), 0
    except (SelectorError, ValueError) as error:
        logs, code = f"error: {error}\n", 1
    cut = logs.encode()[:OUTPUT_BYTES].decode(errors="ignore")
    return Outcome("Succeeded", code, cut, "", started, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _kubectl(command: str, objects: ClusterObjects) -> str:
    words = shlex.split(command)
    if words[:2] != ["kubectl", "get"]:
        raise SelectorError(f"the simulator runs `kubectl get ... -o json` only, not `{command}`")
    parser = _Parser(prog="kubectl", add_help=False)
    parser.add_argument("resources")
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("-n", "--namespace", default="default")
    parser.add_argument("-o", "--output", default="")
    parser.add_argument("-l", "--selector", default="")
    parser.add_argument("--field-selector", default="")
    parser.add_argument("--chunk-size", default="500")
    options = parser.parse_args(words[2:])
    if options.output != "json":
        raise SelectorError("the simulator prints `-o json` only")
    found: list[KubeObject] = []
    for word in options.resources.split(","):
        found += _found(SHORT.get(word, word), options, objects)
    tail = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}}
    return joined([item.raw for item in found], tail, "items").decode() + "\n"


def _found(resource: str, options: argparse.Namespace, objects: ClusterObjects) -> list[KubeObject]:
    versions = [version for version, name in objects.kinds() if name == resource]
    if not versions and resource not in SHORT.values():
        raise SelectorError(f'the server doesn\'t have a resource type "{resource}"')
    cluster_wide = resource in ("nodes", "namespaces")
    namespace = None if options.all_namespaces or cluster_wide else options.namespace
    labels, fields = label_test(options.selector), field_test(options.field_selector, resource)
    items = [item for version in versions for item in objects.listed(version, resource, namespace)]
    return [item for item in items if labels(item.labels) and (not options.field_selector or fields(item.body()))]
