"""``kubectl`` commands that fix workloads and pull secrets."""

from __future__ import annotations

from checks.rules.fixes.shell import command


def create_pull_secret(namespace: str, name: str, host: str, *, replace: bool) -> tuple[str, ...]:
    """``kubectl create secret docker-registry`` for a registry host; ``replace`` deletes the existing secret first."""
    where = ("--namespace", namespace)
    server = "https://index.docker.io/v1/" if host == "docker.io" else host
    create = command(
        *("kubectl", "create", "secret", "docker-registry", name, *where),
        *("--docker-server", server, "--docker-username", "<user name>", "--docker-password", "<password>"),
    )
    return (command("kubectl", "delete", "secret", name, *where), create) if replace else (create,)


def set_image(workload: str, container: str, image: str) -> str | None:
    """``kubectl set image`` for a workload "namespace/Kind/name", or None if its kind does not support it."""
    namespace, _, rest = workload.partition("/")
    kind, _, name = rest.partition("/")
    if kind.lower() not in ("deployment", "statefulset", "daemonset", "cronjob", "replicaset") or not name:
        return None
    where = ("--namespace", namespace)
    return command("kubectl", "set", "image", f"{kind.lower()}/{name}", f"{container}={image}", *where)


def describe_node(name: str) -> str:
    """``kubectl describe node``: its conditions (DiskPressure) and events."""
    return command("kubectl", "describe", "node", name)


def delete_node_claim(name: str) -> str:
    """``kubectl delete nodeclaim``: node auto-provisioning drains the node and takes it away."""
    return command("kubectl", "delete", "nodeclaim", name)


def describe_pod(namespace: str, pod: str) -> str:
    """``kubectl describe pod``: its status and events."""
    return command("kubectl", "describe", "pod", "--namespace", namespace, pod)


def grant_secret_reader(namespace: str, user: str) -> tuple[str, str]:
    """``kubectl create role`` and ``rolebinding``: a user may get the secrets of a namespace."""
    role, where = "pullwatch-pull-secrets", ("--namespace", namespace)
    return (
        command("kubectl", "create", "role", role, *where, "--verb", "get", "--resource", "secrets"),
        command("kubectl", "create", "rolebinding", role, *where, "--role", role, "--user", user),
    )
