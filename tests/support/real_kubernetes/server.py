"""etcd and kube-apiserver together, with the administrator's view of them."""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.real_kubernetes import programs
from tests.support.real_kubernetes.audit import POLICY, AuditLog
from tests.support.real_kubernetes.certificates import Authority, Identity, certificate_user, kubeconfig
from tests.support.real_kubernetes.etcd import Etcd, etcd
from tests.support.real_kubernetes.roles import ALL, cluster_role, name_of, verbs_allowed
from tests.support.real_kubernetes.webhooks import Webhooks, webhooks

ATTEMPTS = 3
# Whoever is in it may do everything, whatever the roles say.
MASTERS = "system:masters"
ACCESS_SECONDS = 10.0
# Would evict the pods of nodes that have no kubelet; the rest of the controllers are as on any cluster.
_WITHOUT = ("*", "-node-lifecycle-controller", "-pod-garbage-collector-controller", "-taint-eviction-controller")
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class ApiError(Exception):
    """The API server refused the administrator: ``status`` and the body of its answer."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class KubeApiServer:
    """A running API server: ``url``, ``store``, the ``audit`` log, and whatever an administrator may ask."""

    def __init__(
        self, url: str, store: Etcd, hooks: Webhooks, audit: AuditLog, authority: Authority, admin: Identity
    ) -> None:
        self.url = url
        self.store = store
        self.hooks = hooks
        self.audit = audit
        self.authority = authority
        self.admin = admin
        self._context = authority.trusting(admin)
        self._kept: set[str] = set()
        self._granted: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()
        self._connection: http.client.HTTPSConnection | None = None
        self._process = ExitStack()
        self._arguments: list[str] = []

    def start(self, arguments: list[str]) -> None:
        """Starts the process; it is ready when this returns."""
        self._arguments = arguments
        self._process.enter_context(programs.running("kube-apiserver", arguments, self.is_ready))

    def restart(self, pause: float = 0.0) -> None:
        """Ends the process, and after a pause starts it again: the same address, the same store."""
        self._process.close()
        time.sleep(pause)
        self.start(self._arguments)

    def is_ready(self) -> bool:
        """Whether it takes requests."""
        try:
            return bool(self.request("GET", "/readyz") == "ok")
        except (ApiError, OSError, http.client.HTTPException):
            return False

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """An answer's body: JSON decoded, anything else as text. Raises ApiError for a status of 400 or more."""
        sent = {"Content-Type": content, "User-Agent": "tests", **(headers or {})}
        with self._lock:
            try:
                status, kind, raw = self._send_anew(method, path, body, sent)
            except (OSError, http.client.HTTPException):
                self._hang_up()
                raise
        answer = json.loads(raw) if kind.startswith("application/json") else raw.decode()
        if status >= 400:
            raise ApiError(status, answer)
        return answer

    def _send_anew(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Sends a request; once more over a new connection where the API server had ended the one that was kept."""
        kept = self._connection is not None
        try:
            return self._send(method, path, body, headers)
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            self._hang_up()
            if not kept:
                raise
            return self._send(method, path, body, headers)

    def create(self, body: dict[str, Any], path: str) -> dict[str, Any]:
        """Makes an object of a list's path ("/api/v1/nodes")."""
        made: dict[str, Any] = self.request("POST", path, body)
        return made

    def ensure(self, path: str, body: dict[str, Any]) -> None:
        """Makes an object of a list's path where there is none of its name."""
        try:
            self.request("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Merges a piece into an object."""
        made: dict[str, Any] = self.request("PATCH", path, body, content="application/merge-patch+json")
        return made

    def namespace(self, name: str, labels: dict[str, str] | None = None) -> str:
        """A namespace, made where there is none, with the service account that pods get. Returns its name."""
        self.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels or {}}})
        self.ensure(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        return name

    def grant(self, role: str, user: str, namespace: str | None = None) -> None:
        """A role of Azure (roles.py) for a user, by object id: on one namespace, or on the whole cluster."""
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        where = f"namespaces/{namespace}/rolebindings" if namespace else "clusterrolebindings"
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": f"{name_of(role)}-{user}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name_of(role)},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        self.ensure(f"/apis/rbac.authorization.k8s.io/v1/{where}", body)
        self._granted.append((role, user, namespace or ""))
        self._wait_for_access(role, user, namespace or "", allowed=True)

    def entra_kubeconfig(self) -> dict[str, Any]:
        """What AKS hands out for a cluster with Entra ID: kubelogin gets the token."""
        plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": ["get-token"]}
        return kubeconfig(self.url, self.authority.pem, {"exec": plugin})

    def admin_kubeconfig(self) -> dict[str, Any]:
        """What AKS hands out for a cluster without Entra ID: a certificate that is equal to cluster-admin."""
        return self._kubeconfig_of(self.admin)

    def keep(self) -> None:
        """What is there now stays when the server is emptied; events never do (it makes some about itself)."""
        self._kept = {key for key in self.store.all_keys() if not key.startswith("/registry/events/")}

    def empty(self) -> None:
        """As it was at ``keep``: whatever was made since is gone, from the log too."""
        self.store.delete(self.store.all_keys() - self._kept)
        for role, user, namespace in self._granted:
            self._wait_for_access(role, user, namespace, allowed=False)
        self._granted.clear()
        self.audit.clear()

    @contextmanager
    def controllers(self) -> Iterator[None]:
        """kube-scheduler and kube-controller-manager beside it, until the block ends; ready when they have made things.

        Nodes without kubelets keep their pods. They have a name of their own in the audit log: they ask at any time.
        """
        with tempfile.TemporaryDirectory(prefix="controllers-") as folder, ExitStack() as stack:
            config = Path(folder, "kubeconfig")
            identity = self.authority.user("control-plane", MASTERS)
            config.write_text(json.dumps(self._kubeconfig_of(identity)))
            secure = ["--bind-address", "127.0.0.1", "--leader-elect=false", "--kubeconfig", str(config)]
            port, more = programs.free_port(), programs.free_port()
            serving = ["--cert-dir", folder, *secure]
            stack.enter_context(
                programs.running("kube-scheduler", [*serving, "--secure-port", str(port)], lambda: _is_healthy(port))
            )
            arguments = [*serving, "--secure-port", str(more), "--controllers", ",".join(_WITHOUT)]
            stack.enter_context(programs.running("kube-controller-manager", arguments, lambda: _is_healthy(more)))
            yield

    def second_connection(self) -> KubeApiServer:
        """The same server for another thread, whose requests do not wait for those of this one. To be closed."""
        return KubeApiServer(self.url, self.store, self.hooks, self.audit, self.authority, self.admin)

    def close(self) -> None:
        """Ends the process and the administrator's connection."""
        with self._lock:
            self._hang_up()
        self._process.close()

    def _kubeconfig_of(self, identity: Identity) -> dict[str, Any]:
        return kubeconfig(self.url, self.authority.pem, certificate_user(identity))

    def _wait_for_access(self, role: str, user: str, namespace: str, *, allowed: bool) -> None:
        """The API server learns of a binding a moment after it was made or taken away."""
        verb, resource = min(verbs_allowed(role))
        what = {"verb": verb, "resource": resource, "namespace": namespace}
        review = {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": user, "resourceAttributes": what},
        }
        ends = time.monotonic() + ACCESS_SECONDS
        while time.monotonic() < ends:
            answer = self.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            if answer["status"]["allowed"] is allowed:
                return
            time.sleep(0.02)
        raise RuntimeError(f"the access of {user} did not change within {ACCESS_SECONDS:g} s")

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str, bytes]:
        if self._connection is None:
            host = self.url.removeprefix("https://")
            self._connection = http.client.HTTPSConnection(host, context=self._context, timeout=30)
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, headers)
        response = self._connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_healthy(port: int) -> bool:
    """Of a controller: it shows a certificate that it made for itself."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context(), timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def kube_apiserver() -> Iterator[KubeApiServer]:
    """A whole server on loopback until the block ends; begun anew where a port was taken meanwhile."""
    for attempt in range(ATTEMPTS):
        with ExitStack() as stack:
            try:
                server = _start(stack)
            except RuntimeError:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            yield server
            return


def _start(stack: ExitStack) -> KubeApiServer:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kube-apiserver-")))
    store, hooks = stack.enter_context(etcd()), stack.enter_context(webhooks())
    authority = Authority(folder)
    port = programs.free_port()
    admin = authority.user("admin", MASTERS)
    audit = AuditLog(folder / "audit.log")
    server = KubeApiServer(f"https://127.0.0.1:{port}", store, hooks, audit, authority, admin)
    stack.callback(server.close)
    server.start(_arguments(folder, authority, port, store.url, hooks.url))
    for name in _NAMESPACES:
        server.namespace(name)
    for role in ALL:
        server.create(cluster_role(role), "/apis/rbac.authorization.k8s.io/v1/clusterroles")
    server.keep()
    return server


def _arguments(folder: Path, authority: Authority, port: int, store: str, hooks: str) -> list[str]:
    identity = authority.server()
    options: dict[str, Any] = {
        "etcd-servers": store,
        "bind-address": "127.0.0.1",
        "secure-port": port,
        "tls-cert-file": identity.certificate,
        "tls-private-key-file": identity.key,
        "client-ca-file": authority.file,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": identity.key,
        "service-account-signing-key-file": identity.key,
        "service-cluster-ip-range": "10.96.0.0/16",
        "endpoint-reconciler-type": "none",
        "audit-policy-file": _written(folder / "audit.json", POLICY),
        "audit-log-path": folder / "audit.log",
        "authentication-token-webhook-config-file": _written(folder / "hook.json", _hook(hooks)),
        "authentication-token-webhook-version": "v1",
        "authentication-token-webhook-cache-ttl": "0s",
        # Lists come from the store, which a test can make forget; those from memory never expire in its time.
        "watch-cache": "false",
        "authorization-config": _written(folder / "authorization.json", _authorization(folder / "hook.json")),
    }
    return [f"--{name}={value}" for name, value in options.items()]


def _hook(address: str) -> dict[str, Any]:
    return {**kubeconfig(address, b"", {}), "clusters": [{"name": "cluster", "cluster": {"server": address}}]}


def _authorization(hook: Path) -> dict[str, Any]:
    """RBAC first, as on AKS; what it does not grant is asked of Azure."""
    webhook = {
        "authorizedTTL": "1s",
        "unauthorizedTTL": "1s",
        "timeout": "30s",
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(hook)},
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthorizationConfiguration",
        "authorizers": [{"type": "RBAC", "name": "rbac"}, {"type": "Webhook", "name": "azure", "webhook": webhook}],
    }


def _written(path: Path, body: Any) -> Path:
    """JSON is YAML."""
    path.write_text(json.dumps(body))
    return path
