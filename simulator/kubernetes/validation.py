"""Whether the API server accepts a pod's body, in its words. Source: pkg/apis/core/validation (what canaries set)."""

from __future__ import annotations

import re
from typing import Any

from simulator.kubernetes.quantities import thousandths
from simulator.nodes.node_network import items, table

_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LINUX_ONLY = (
    "seccompProfile",
    "seLinuxOptions",
    "fsGroup",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
)
_LINUX_ONLY_CONTAINER = ("seccompProfile", "seLinuxOptions", "capabilities", "allowPrivilegeEscalation", "privileged")


def problems(pod: dict[str, Any]) -> list[str]:
    """Empty for a pod that is accepted; each problem as "field: what is wrong"."""
    metadata, spec = table(pod.get("metadata")), table(pod.get("spec"))
    found = (
        [] if _SUBDOMAIN.fullmatch(str(metadata.get("name", ""))) else [_invalid("metadata.name", metadata.get("name"))]
    )
    for key, value in table(metadata.get("labels")).items():
        if not _LABEL_VALUE.fullmatch(str(value)):
            found.append(_invalid(f"metadata.labels[{key}]", value))
    containers = items(spec.get("containers"))
    found += [] if containers else ["spec.containers: Required value"]
    windows = table(spec.get("os")).get("name") == "windows"
    for index, container in enumerate(containers):
        found += _of_container(container, f"spec.containers[{index}]", windows)
    return found + _of_spec(spec, windows)


def _of_spec(spec: dict[str, Any], windows: bool) -> list[str]:
    found = []
    node, seconds = spec.get("nodeName"), spec.get("activeDeadlineSeconds")
    if node and not _SUBDOMAIN.fullmatch(str(node)):
        found.append(_invalid("spec.nodeName", node))
    if seconds is not None and not (isinstance(seconds, int) and 1 <= seconds <= 2**31 - 1):
        found.append(
            f"spec.activeDeadlineSeconds: Invalid value: {seconds}: must be between 1 and 2147483647, inclusive"
        )
    for index, toleration in enumerate(items(spec.get("tolerations"))):
        if toleration.get("operator") == "Exists" and toleration.get("value"):
            found.append(
                f"spec.tolerations[{index}].operator: Invalid value: "
                f"\"{toleration['value']}\": value must be empty when `operator` is 'Exists'"
            )
    whole = table(spec.get("securityContext"))
    return found + (
        [_forbidden(f"spec.securityContext.{name}") for name in _LINUX_ONLY if name in whole] if windows else []
    )


def _of_container(container: dict[str, Any], at: str, windows: bool) -> list[str]:
    name = container.get("name")
    found = [] if name else [f"{at}.name: Required value"]
    if name and not _LABEL.fullmatch(str(name)):
        found.append(_invalid(f"{at}.name", name))
    if not container.get("image"):
        found.append(f"{at}.image: Required value")
    resources = table(container.get("resources"))
    limits = table(resources.get("limits"))
    for resource, asked in table(resources.get("requests")).items():
        amount, most = thousandths(asked), thousandths(limits.get(resource))
        if amount is None:
            found.append(_invalid(f"{at}.resources.requests[{resource}]", asked))
        elif most is not None and amount > most:
            text = f"must be less than or equal to {resource} limit of {limits[resource]}"
            found.append(f'{at}.resources.requests: Invalid value: "{asked}": {text}')
    own = table(container.get("securityContext"))
    linux_only = [name for name in _LINUX_ONLY_CONTAINER if windows and name in own]
    return found + [_forbidden(f"{at}.securityContext.{name}") for name in linux_only]


def _invalid(field: str, value: Any) -> str:
    return f'{field}: Invalid value: "{value}"'


def _forbidden(field: str) -> str:
    return f"{field}: Forbidden: cannot be set for a windows pod"
