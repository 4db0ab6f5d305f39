"""What an API server tells about itself: versions and the resources it knows (API discovery)."""

from __future__ import annotations

from typing import Any

# group version -> {resource: (kind, namespaced)}
RESOURCES: dict[str, dict[str, tuple[str, bool]]] = {
    "v1": {
        "configmaps": ("ConfigMap", True),
        "endpoints": ("Endpoints", True),
        "events": ("Event", True),
        "limitranges": ("LimitRange", True),
        "namespaces": ("Namespace", False),
        "nodes": ("Node", False),
        "persistentvolumeclaims": ("PersistentVolumeClaim", True),
        "persistentvolumes": ("PersistentVolume", False),
        "pods": ("Pod", True),
        "replicationcontrollers": ("ReplicationController", True),
        "resourcequotas": ("ResourceQuota", True),
        "secrets": ("Secret", True),
        "serviceaccounts": ("ServiceAccount", True),
        "services": ("Service", True),
    },
    "apps/v1": {
        "controllerrevisions": ("ControllerRevision", True),
        "daemonsets": ("DaemonSet", True),
        "deployments": ("Deployment", True),
        "replicasets": ("ReplicaSet", True),
        "statefulsets": ("StatefulSet", True),
    },
    "batch/v1": {"cronjobs": ("CronJob", True), "jobs": ("Job", True)},
    "node.k8s.io/v1": {"runtimeclasses": ("RuntimeClass", False)},
    "scheduling.k8s.io/v1": {"priorityclasses": ("PriorityClass", False)},
    "networking.k8s.io/v1": {"ingresses": ("Ingress", True), "networkpolicies": ("NetworkPolicy", True)},
}
_SHORT = {"pods": ["po"], "events": ["ev"], "nodes": ["no"], "namespaces": ["ns"], "serviceaccounts": ["sa"]}
_SHORT |= {"services": ["svc"], "deployments": ["deploy"], "daemonsets": ["ds"], "replicasets": ["rs"]}
VERBS = ["create", "delete", "get", "list"]


def kind_of(group_version: str, resource: str) -> tuple[str, bool] | None:
    """(kind, whether it is namespaced); None for what the server does not have."""
    return RESOURCES.get(group_version, {}).get(resource)


def version_info(version: str) -> dict[str, Any]:
    major, minor = [*version.split("."), "0"][:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{version}",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2026-06-01T00:00:00Z",
        "goVersion": "go1.24.0",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def api_versions() -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_groups() -> dict[str, Any]:
    groups = []
    for group_version in RESOURCES:
        if "/" in group_version:
            named = {"groupVersion": group_version, "version": group_version.split("/")[1]}
            groups.append({"name": group_version.split("/")[0], "versions": [named], "preferredVersion": named})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_resources(group_version: str) -> dict[str, Any] | None:
    known = RESOURCES.get(group_version)
    if known is None:
        return None
    listed = [
        {
            "name": name,
            "singularName": kind.lower(),
            "namespaced": namespaced,
            "kind": kind,
            "verbs": VERBS,
            "shortNames": _SHORT.get(name, []),
        }
        for name, (kind, namespaced) in known.items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}
