"""What an API server does to a pod before it keeps it: the admission plugins that refuse canaries, in their words.

In the server's order: NamespaceLifecycle, LimitRanger, ServiceAccount, Priority, PodSecurity, RuntimeClass, then
whatever a mutating webhook adds, and ResourceQuota last. The webhook is an annotation of the namespace:
`simulator/finalizers` names finalizers, separated by commas, that pods made in it get.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.kubernetes import pod_security
from simulator.kubernetes.objects import ClusterObjects, KubeObject
from simulator.kubernetes.quantities import requested, thousandths
from simulator.nodes.node_network import items, table

FINALIZERS = "simulator/finalizers"
PRIORITY_CLASSES = "scheduling.k8s.io/v1"
RUNTIME_CLASSES = "node.k8s.io/v1"
_ENDED = ("Succeeded", "Failed")
_CHARGED = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_CHARGED_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}


class Denied(Exception):
    """The pod is forbidden; the text says why."""


def namespace_refusal(objects: ClusterObjects, name: str) -> str:
    """Why nothing is made in a namespace that is there; empty for one that takes objects."""
    namespace = objects.get("v1", "namespaces", "", name)
    body = namespace.body() if namespace is not None else {}
    ending = table(body.get("status")).get("phase") == "Terminating" or table(body.get("metadata")).get(
        "deletionTimestamp"
    )
    return f"unable to create new content in namespace {name} because it is being terminated" if ending else ""


def admit(pod: dict[str, Any], objects: ClusterObjects) -> None:
    """Changes the pod as the server would. Raises Denied."""
    ending = namespace_refusal(objects, _namespace(pod))
    if ending:
        raise Denied(ending)
    pod["spec"] = dict(table(pod.get("spec")))
    for plugin in _PLUGINS:
        plugin(pod, objects)


def _limits(pod: dict[str, Any], objects: ClusterObjects) -> None:
    """LimitRanger: fills in what a container does not say, then compares with min and max."""
    for limit_range in _in_namespace(pod, objects, "limitranges"):
        for limit in items(table(limit_range.body().get("spec")).get("limits")):
            if limit.get("type") == "Container":
                pod["spec"]["containers"] = [_with_defaults(c, limit) for c in items(pod["spec"].get("containers"))]
                _compare(pod, limit)


def _with_defaults(container: dict[str, Any], limit: dict[str, Any]) -> dict[str, Any]:
    resources = table(container.get("resources"))
    limits = table(limit.get("default")) | table(resources.get("limits"))
    requests = table(limit.get("defaultRequest")) | table(resources.get("requests"))
    given = {"limits": limits, "requests": requests}
    return container | {"resources": resources | {name: value for name, value in given.items() if value}}


def _compare(pod: dict[str, Any], limit: dict[str, Any]) -> None:
    for container in pod["spec"]["containers"]:
        resources = table(container.get("resources"))
        for resource, least in table(limit.get("min")).items():
            asked = table(resources.get("requests")).get(resource)
            if asked is None:
                raise Denied(f"minimum {resource} usage per Container is {least}.  No request is specified")
            if (thousandths(asked) or 0) < (thousandths(least) or 0):
                raise Denied(f"minimum {resource} usage per Container is {least}, but request is {asked}")
        for resource, most in table(limit.get("max")).items():
            asked = table(resources.get("limits")).get(resource)
            if asked is None:
                raise Denied(f"maximum {resource} usage per Container is {most}.  No limit is specified")
            if (thousandths(asked) or 0) > (thousandths(most) or 0):
                raise Denied(f"maximum {resource} usage per Container is {most}, but limit is {asked}")


def _service_account(pod: dict[str, Any], objects: ClusterObjects) -> None:
    """A pod without pull secrets gets those of its service account; every namespace has one called default."""
    spec = pod["spec"]
    name = str(spec.setdefault("serviceAccountName", "default"))
    account = objects.get("v1", "serviceaccounts", _namespace(pod), name)
    if account is None and name != "default":
        where = f"{_namespace(pod)}/{name}"
        raise Denied(f'error looking up service account {where}: serviceaccount "{name}" not found')
    secrets_of = account.body().get("imagePullSecrets") if account else None
    if secrets_of and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = secrets_of


def _priority(pod: dict[str, Any], objects: ClusterObjects) -> None:
    """Priority: the class that the pod names, or the global default; a pod may not say the numbers itself."""
    classes = [item.body() for item in objects.listed(PRIORITY_CLASSES, "priorityclasses")]
    name = pod["spec"].get("priorityClassName")
    chosen = next((c for c in classes if table(c.get("metadata")).get("name") == name), None) if name else None
    if name and chosen is None:
        raise Denied(f"no PriorityClass with name {name} was found")
    if not name:
        chosen = next((c for c in classes if c.get("globalDefault") is True), None)
    policy = str(table(chosen).get("preemptionPolicy") or "PreemptLowerPriority")
    given = pod["spec"].get("preemptionPolicy")
    if given is not None and given != policy:
        raise Denied(
            f"the string value of PreemptionPolicy ({given}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
    pod["spec"] |= {"priority": int(table(chosen).get("value") or 0), "preemptionPolicy": policy}
    if chosen is not None:
        pod["spec"]["priorityClassName"] = str(table(chosen.get("metadata")).get("name"))


def _pod_security(pod: dict[str, Any], objects: ClusterObjects) -> None:
    """A namespace labelled enforce=restricted takes only pods that keep to it."""
    namespace = objects.get("v1", "namespaces", "", _namespace(pod))
    if namespace is None or namespace.labels.get(pod_security.ENFORCE) != "restricted":
        return
    problems = pod_security.violations(pod["spec"])
    if problems:
        raise Denied(f'violates PodSecurity "restricted:latest": {", ".join(problems)}')


def _runtime_class(pod: dict[str, Any], objects: ClusterObjects) -> None:
    name = pod["spec"].get("runtimeClassName")
    if name and objects.get(RUNTIME_CLASSES, "runtimeclasses", "", str(name)) is None:
        raise Denied(f'pod rejected: RuntimeClass "{name}" not found')


def _finalizers(pod: dict[str, Any], objects: ClusterObjects) -> None:
    namespace = objects.get("v1", "namespaces", "", _namespace(pod))
    metadata = table(namespace.body().get("metadata")) if namespace is not None else {}
    names = str(table(metadata.get("annotations")).get(FINALIZERS) or "")
    if names:
        pod["metadata"]["finalizers"] = [*(pod["metadata"].get("finalizers") or []), *names.split(",")]


def _quota(pod: dict[str, Any], objects: ClusterObjects) -> None:
    """ResourceQuota: what the namespace's pods that have not ended use, with this one."""
    for quota in _in_namespace(pod, objects, "resourcequotas"):
        hard = table(table(quota.body().get("spec")).get("hard"))
        asked = {name: _charge(pod["spec"], name) for name in hard if _is_charged(name)}
        unsaid = [name for name in asked if not _says(pod["spec"], name)]
        if unsaid:
            names = ", ".join(f"{name} for: {pod['spec']['containers'][0].get('name')}" for name in unsaid)
            raise Denied(f"failed quota: {quota.name}: must specify {names}")
        others = [item.body() for item in _in_namespace(pod, objects, "pods")]
        alive = [table(body.get("spec")) for body in others if table(body.get("status")).get("phase") not in _ENDED]
        used = {name: sum(_charge(spec, name) for spec in alive) for name in asked}
        over = [name for name in asked if used[name] + asked[name] > (thousandths(hard[name]) or 0) and asked[name]]
        if over:
            shown = (",".join(f"{name}={_shown(amounts[name])}" for name in over) for amounts in (asked, used))
            requested_text, used_text = shown
            limited = ",".join(f"{name}={hard[name]}" for name in over)
            raise Denied(
                f"exceeded quota: {quota.name}, requested: {requested_text}, used: {used_text}, limited: {limited}"
            )


def _is_charged(name: str) -> bool:
    return name in ("pods", "count/pods", *_CHARGED, *_CHARGED_SHORT)


def _charge(spec: dict[str, Any], name: str) -> int:
    if name in ("pods", "count/pods"):
        return 1000
    kind, _, resource = _CHARGED_SHORT.get(name, name).partition(".")
    return requested(spec, resource, kind)


def _says(spec: dict[str, Any], name: str) -> bool:
    """Whether every container says what a quota counts."""
    if name in ("pods", "count/pods"):
        return True
    kind, _, resource = _CHARGED_SHORT.get(name, name).partition(".")
    kinds = ("requests", "limits") if kind == "requests" else ("limits",)
    return all(
        any(resource in table(table(container.get("resources")).get(one)) for one in kinds)
        for container in items(spec.get("containers"))
    )


def _shown(amount: int) -> str:
    return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"


def _namespace(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["namespace"])


def _in_namespace(pod: dict[str, Any], objects: ClusterObjects, resource: str) -> list[KubeObject]:
    return objects.listed("v1", resource, _namespace(pod))


Plugin = Callable[[dict[str, Any], ClusterObjects], None]
_PLUGINS: tuple[Plugin, ...] = (
    _limits,
    _service_account,
    _priority,
    _pod_security,
    _runtime_class,
    _finalizers,
    _quota,
)
