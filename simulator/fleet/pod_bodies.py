"""A pod's body at the length it has on a cluster, about 6 kB: what the API server, the scheduler and kubelet add to it.

Most of it is managedFields; the rest are the defaults, the token volume, tolerations, probes and the conditions.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_LIMITS = {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}


def spec(container: str, image: str, node: str, suffix: str) -> Body:
    """The spec of a pod with one container, with every default filled in."""
    token = f"kube-api-access-{suffix}"
    return {
        "volumes": [{"name": token, "projected": {"sources": _token_sources(), "defaultMode": 420}}],
        "containers": [
            {
                "name": container,
                "image": image,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": name, "value": f"{container}-{name.lower()}"} for name in ("REGION", "QUEUE", "LEVEL")]
                + [{"name": "POD_NAME", "valueFrom": {"fieldRef": _field("metadata.name")}}],
                "resources": _LIMITS,
                "volumeMounts": [{"name": token, "readOnly": True, "mountPath": _TOKEN}],
                "livenessProbe": _probe("/healthz"),
                "readinessProbe": _probe("/readyz"),
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
                "securityContext": {
                    "capabilities": {"drop": ["ALL"]},
                    "runAsNonRoot": True,
                    "allowPrivilegeEscalation": False,
                },
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "nodeName": node,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "schedulerName": "default-scheduler",
        "tolerations": [
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect, **seconds}
            for key, effect, seconds in (
                ("not-ready", "NoExecute", {"tolerationSeconds": 300}),
                ("unreachable", "NoExecute", {"tolerationSeconds": 300}),
                ("memory-pressure", "NoSchedule", {}),
            )
        ],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def conditions(started: str) -> list[Body]:
    """The conditions of a pod that runs."""
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return [
        {"type": kind, "observedGeneration": 1, "status": "True", "lastProbeTime": None, "lastTransitionTime": started}
        for kind in kinds
    ]


def managed_fields(container: str, address: str, started: str) -> list[Body]:
    """Who wrote which field: the controller that made the pod, and kubelet its status."""
    return [
        _written("kube-controller-manager", started, _fields_of_spec(container)),
        _written("kubelet", started, _fields_of_status(address)) | {"subresource": "status"},
    ]


def _written(manager: str, time: str, fields: Body) -> Body:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def _fields_of_spec(container: str) -> Body:
    request = _branch(_leaves("path", "port", "scheme"))
    probe = _branch(_leaves("failureThreshold", "periodSeconds", "timeoutSeconds") | {"f:httpGet": request})
    variables = {f'k:{{"name":"{name}"}}': _branch(_leaves("name", "value")) for name in ("REGION", "QUEUE", "LEVEL")}
    port = {'k:{"containerPort":8080,"protocol":"TCP"}': _branch(_leaves("containerPort", "name", "protocol"))}
    resources = {name: _branch(_leaves("cpu", "memory")) for name in ("f:limits", "f:requests")}
    security = _leaves("allowPrivilegeEscalation", "runAsNonRoot") | {"f:capabilities": _branch(_leaves("drop"))}
    one = _leaves("image", "imagePullPolicy", "name", "terminationMessagePath", "terminationMessagePolicy") | {
        "f:env": _branch(variables),
        "f:livenessProbe": probe,
        "f:readinessProbe": probe,
        "f:ports": _branch(port),
        "f:resources": _branch(resources),
        "f:securityContext": _branch(security),
    }
    whole = _leaves("dnsPolicy", "enableServiceLinks", "restartPolicy", "schedulerName", "securityContext")
    labels = _branch(_leaves("app", "pod-template-hash"))
    return {
        "f:metadata": {"f:generateName": {}, "f:labels": labels},
        "f:spec": whole | {"f:containers": {f'k:{{"name":"{container}"}}': _branch(one)}},
    }


def _fields_of_status(address: str) -> Body:
    each = _branch(_leaves("lastProbeTime", "lastTransitionTime", "observedGeneration", "status", "type"))
    kinds = ("ContainersReady", "Initialized", "PodReadyToStartContainers", "Ready")
    status = _leaves("containerStatuses", "hostIP", "hostIPs", "observedGeneration", "phase", "podIP", "startTime")
    ips = _branch({f'k:{{"ip":"{address}"}}': _branch(_leaves("ip"))})
    return {"f:status": status | {"f:conditions": {f'k:{{"type":"{k}"}}': each for k in kinds}, "f:podIPs": ips}}


def _branch(fields: Body) -> Body:
    """A field that is owned itself, beside what is below it."""
    return {".": {}, **fields}


def _leaves(*names: str) -> Body:
    return {f"f:{name}": {} for name in names}


def _token_sources() -> list[Body]:
    namespace = {"path": "namespace", "fieldRef": _field("metadata.namespace")}
    return [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]


def _field(path: str) -> Body:
    return {"apiVersion": "v1", "fieldPath": path}


def _probe(path: str) -> Body:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
