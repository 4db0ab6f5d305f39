"""Pod Security admission, level restricted: what a pod lacks, in the words of the API server.

Source: kubernetes.io/docs/concepts/security/pod-security-standards. Volumes and sysctls are not looked at.
"""

from __future__ import annotations

from typing import Any

from simulator.nodes.node_network import items, table

ENFORCE = "pod-security.kubernetes.io/enforce"


def violations(spec: dict[str, Any]) -> list[str]:
    """Empty for a pod that may run in a restricted namespace."""
    containers = [c for name in ("initContainers", "containers", "ephemeralContainers") for c in items(spec.get(name))]
    whole = table(spec.get("securityContext"))
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name) is True]
    problems = [f"host namespaces ({', '.join(f'{name}=true' for name in shared)})"] if shared else []
    linux = str(table(spec.get("os")).get("name", "linux")) == "linux"
    for container in containers:
        problems += _of_container(container, whole, linux)
    return problems


def _of_container(container: dict[str, Any], whole: dict[str, Any], linux: bool) -> list[str]:
    own, name = table(container.get("securityContext")), container.get("name")
    problems = []
    if own.get("privileged") is True:
        problems.append(f'privileged (container "{name}" must not set securityContext.privileged=true)')
    dropped = table(own.get("capabilities")).get("drop")
    if linux and own.get("allowPrivilegeEscalation") is not False:
        must = "must set securityContext.allowPrivilegeEscalation=false"
        problems.append(f'allowPrivilegeEscalation != false (container "{name}" {must})')
    if linux and not (isinstance(dropped, list) and "ALL" in dropped):
        must = 'must set securityContext.capabilities.drop=["ALL"]'
        problems.append(f'unrestricted capabilities (container "{name}" {must})')
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
        must = "must set securityContext.runAsNonRoot=true"
        problems.append(f'runAsNonRoot != true (pod or container "{name}" {must})')
    profile = table(own.get("seccompProfile") or whole.get("seccompProfile")).get("type")
    if linux and profile not in ("RuntimeDefault", "Localhost"):
        must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        problems.append(f'seccompProfile (pod or container "{name}" {must})')
    return problems
