"""Whatever a server, a message or a caller says, each kind of secret in it is found in no sink.

There is a subscription, a cluster and a registry for every kind (tests/test_secrets.py has all spellings). Each
scan lets some paths answer with these texts that do not get into each other's way, and looks through everything that it
prints, as JSON and as a table, and logs.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.data.tables import TableServiceClient

from checks.cli.scan import running as command_line
from checks.findings import ScanReport
from checks.jobs.scan_cluster import scan
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.e2e.test_app import app
from tests.e2e.test_secrecy import run
from tests.support import screens as page
from tests.support import secret_texts
from tests.support.sampling import sampled
from tests.support.secret_texts import leaks
from tests.support.tenant_builder import ACR_PULL, Tenant, guid, object_id

KINDS = (
    *("bearer header in JSON", "basic header", "token without a signature", "refresh token of a registry"),
    *("client secret by its shape", "password in escaped JSON", "key of a storage account", "signature"),
    *("address with a password", "auth of a Docker configuration", "private key in JSON", "registry header of Go"),
)
TEXTS = {kind: secret_texts.TEXTS[kind] for kind in KINDS}
OTHER_LOGGERS = ("", "azure", "msal", "asyncio", "aiohttp", "kubernetes", "checks")
SETTINGS = {
    "PULLWATCH_ALLOW_RUN_COMMAND": "true",
    "PULLWATCH_CANARY": "on-demand",
    "PULLWATCH_CANARY_SECONDS": "5",
    "PULLWATCH_CALL_SECONDS": "10",
    "PULLWATCH_CLUSTERS_AT_ONCE": "64",
}
Rules = list[dict[str, Any]]


def cluster_of(index: int) -> str:
    return f"aks-{index:02}"


def host_of(index: int) -> str:
    return f"acr{index:02}.azurecr.io"


def subscription_of(index: int) -> str:
    return guid(f"subscription {index}")


def status(text: str, code: int) -> dict[str, Any]:
    """A Status of the Kubernetes API."""
    reason = {401: "Unauthorized", 403: "Forbidden"}.get(code, "InternalError")
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "reason": reason, "code": code}


def fleet(root: Path) -> Tenant:
    """A subscription, a cluster, a registry and a failing pod for every spelling; the pod repeats it too."""
    tenant = Tenant(root)
    for index, text in enumerate(TEXTS.values()):
        sub, name = subscription_of(index), cluster_of(index)
        tenant.add_subscription(sub)
        tenant.cluster(name, sub=sub, properties={"fqdn": f"{name}.hcp.westeurope.azmk8s.io"})
        registry = tenant.registry(host_of(index).partition(".")[0], sub=sub)
        tenant.assign(object_id(name), ACR_PULL, registry)
        image = f"{host_of(index)}/team/web:1"
        tenant.ready_pods(image, "system", cluster=name)
        pod = tenant.pod(image, cluster=name, waiting=("ErrImagePull", f'Failed to pull image "{image}": {text}'))
        tenant.event(pod, "Failed", f'Failed to pull image "{image}": {text}', cluster=name)
    return tenant


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, Simulator]]:
    """One simulator for all tests here; each writes its own faults."""
    tenant = fleet(tmp_path_factory.mktemp("fleet") / "tenant")
    with running(tenant.root) as simulator:
        yield tenant, simulator


def client_of(index: int) -> str:
    """The application id of a service-principal cluster."""
    return guid(f"application {index}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, Simulator]]:
    """Service-principal clusters, one for every kind: who pulls is asked of Microsoft Graph."""
    tenant = Tenant(tmp_path_factory.mktemp("directory") / "tenant")
    for index in range(len(TEXTS)):
        profile = {"servicePrincipalProfile": {"clientId": client_of(index)}, "identityProfile": ...}
        tenant.cluster(cluster_of(index), identity=..., properties=profile)
    with running(tenant.root) as simulator:
        yield tenant, simulator


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "tenant")


def each(make: Callable[[int, str], Rules]) -> Rules:
    return [rule for index, text in enumerate(TEXTS.values()) for rule in make(index, text)]


def arm(pattern: str, code: int, *, bare: bool = False, method: str | None = None) -> Rules:
    """Azure Resource Manager refuses a path of each subscription, with the text in its body and in a header.

    ``bare``: the body is the text alone, as a gateway before it writes, and no JSON.
    """

    def rules(index: int, text: str) -> Rules:
        body = text if bare else {"error": {"code": "Refused", "message": text}}
        effect = {"status": code, "body": body, "headers": {"X-Echo": re.sub(r"[^ -~]", " ", text)}}
        path = pattern.format(sub=subscription_of(index), cluster=cluster_of(index))
        return [{"service": "arm", "path": path, "effect": effect} | ({"method": method} if method else {})]

    return each(rules)


def kubeconfig(make: Callable[[str], str]) -> Rules:
    """Azure Resource Manager hands out kubeconfigs, made of the text."""

    def rules(index: int, text: str) -> Rules:
        value = base64.b64encode(make(text).encode()).decode()
        effect = {"status": 200, "body": {"kubeconfigs": [{"name": "clusterUser", "value": value}]}}
        return [{"service": "arm", "path": f"*{cluster_of(index)}/listClusterUserCredential", "effect": effect}]

    return each(rules)


def signs_in(cluster: dict[str, str], **user: str) -> str:
    """A kubeconfig."""
    of_user = {"exec": {"command": "kubelogin"}, **user}
    return json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": of_user}]})


def no_certificate(text: str) -> str:
    pem = base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n".encode()).decode()
    return signs_in({"server": "https://127.0.0.1:6443", "certificate-authority-data": pem})


def kubernetes(pattern: str, code: int, *, echoes: bool = False, method: str = "GET") -> Rules:
    """The API server of each cluster answers with a Status, or repeats a request as text."""

    def rules(index: int, text: str) -> Rules:
        effect = {"status": code, "body": text if echoes else status(text, code)}
        path = f"*/{cluster_of(index)}/{pattern}"
        return [{"service": "kubernetes", "path": path, "method": method, "effect": effect}]

    return each(rules)


def canary(status_of: Callable[[str], dict[str, Any]], events: Callable[[str], str] | None = None) -> Rules:
    """Canary pods are taken, have this status and these events, and may not be deleted."""

    def rules(index: int, text: str) -> Rules:
        pods = f"*/{cluster_of(index)}/api/v1/namespaces/default/pods"
        pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"nodeName": "node-1"}, "status": status_of(text)}
        where = {"fieldPath": "spec.containers{ask-0}"}
        told = [{"reason": "Failed", "involvedObject": where, "message": events(text)}] if events else []
        shown = {"kind": "EventList", "items": told}
        effects = (
            ("POST", pods, {"status": 201, "body": pod}),
            ("GET", f"{pods}/*", {"status": 200, "body": pod}),
            ("DELETE", f"{pods}/*", {"status": 403, "body": status(f"may not: {text}", 403)}),
            ("GET", f"*/{cluster_of(index)}/api/v1/namespaces/default/events", {"status": 200, "body": shown}),
        )
        return [{"service": "kubernetes", "method": m, "path": p, "effect": effect} for m, p, effect in effects]

    return each(rules)


def waits(reason: str, message: str) -> dict[str, Any]:
    """The status of a canary pod whose image did not come."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "ask-0", "state": state}]}


def refused_canaries() -> Rules:
    """Admission refuses canary pods; nodes and quotas may not be read."""

    def rules(index: int, text: str) -> Rules:
        server = f"*/{cluster_of(index)}/api/v1"
        admission = status(f'pods "x" is forbidden: {text}', 403)
        return [
            {"service": "kubernetes", "method": "POST", "path": f"{server}/namespaces/default/pods",
             "effect": {"status": 403, "body": admission}},
            {"service": "kubernetes", "path": f"{server}/nodes", "effect": {"status": 403, "body": status(text, 403)}},
            {"service": "kubernetes", "path": f"{server}/*/resourcequotas", "effect": {"status": 500, "body": text}},
        ]  # fmt: skip

    return each(rules)


def registry(path: str, code: int, **over: Any) -> Rules:
    """Each registry answers with an error of its own."""

    def rules(index: int, text: str) -> Rules:
        body = {"errors": [{"code": text, "message": text}]}
        effect = {"status": code, "body": body, **over}
        return [{"service": "registry", "host": f"{host_of(index)}*", "path": path, "effect": effect}]

    return each(rules)


def challenges() -> Rules:
    """Each registry sends its callers elsewhere to sign in, to an address that holds the text."""

    def rules(index: int, text: str) -> Rules:
        realm = text.replace('"', "'").replace("\n", " ")
        header = {"WWW-Authenticate": f'Bearer realm="https://elsewhere.example/{realm}",service="x"'}
        effect = {"status": 401, "body": "", "headers": header}
        return [{"service": "registry", "host": f"{host_of(index)}*", "path": "/v2/", "effect": effect}]

    return each(rules)


def run_command(**properties: Any) -> Rules:
    """API servers are out of reach, and Run Command's result holds the text."""

    def rules(index: int, text: str) -> Rules:
        result = {"provisioningState": "Succeeded", "exitCode": 1, "logs": f"error: {text}\n"} | properties
        body = {"id": "x", "properties": {key: value or text for key, value in result.items()}}
        return [
            {"service": "kubernetes", "path": f"*/{cluster_of(index)}/*", "effect": {"close": True}},
            {
                "service": "arm",
                "path": f"/subscriptions/{subscription_of(index)}/*/commandResults/*",
                "effect": {"status": 200, "body": body},
            },
        ]

    return each(rules)


def signed_in(rest: Rules, *, token: int = 200) -> Rules:
    """Registries sign Pullwatch in, give it tokens or refuse them, and answer the rest so."""
    return [*registry("/oauth2/exchange", 200, body={"refresh_token": "r"}),
            *registry("/oauth2/token", token, **({"body": {"access_token": "a"}} if token == 200 else {})),
            *rest]  # fmt: skip


Paths = dict[str, tuple[Rules, str]]
ROLES: Paths = {
    "ARM 403 for role assignments": (
        arm("/subscriptions/{sub}/*roleAssignments*", 403),
        "list role assignments.*: HTTP 403 Refused",
    )
}
STAYS: Paths = {
    "why a pod stays": ([], "could not be deleted: delete a canary pod: the Kubernetes API answered 403: may not")
}
# By scan, and in it by path: the faults, and what shows that they were met.
SCANS: dict[str, Paths] = {
    "pods and roles": {
        "texts of pods and events": ([], "ErrImagePull|image"),
        **ROLES,
        "registry 401 for an exchange": (registry("/oauth2/exchange", 401), "HTTP 401"),
    },
    "an API server that refuses, and no registries": {
        "ARM 409 for registries": (arm("/subscriptions/{sub}/*registries", 409), "HTTP 409 Refused"),
        "Kubernetes 403 that repeats a request": (kubernetes("api/v1/*", 403, echoes=True), "answered 403"),
    },
    "an API server that takes nobody": {
        "Kubernetes 401": (kubernetes("api/v1/*", 401), "answered 401"),
        "ARM text for networks": (
            arm("/subscriptions/{sub}/*virtualNetworks*", 403, bare=True),
            "HTTP 403 Operation returned an invalid status",
        ),
        "registry's challenge": (challenges(), "on another host"),
    },
    "a registry that refuses tokens, and no events": {
        "Kubernetes 500 for events": (kubernetes("api/v1/events*", 500), "answered 500"),
        "registry 403 for a token": (signed_in([], token=403), "oauth2/token was answered with HTTP 403"),
        "ARM text for role assignments": (
            arm("/subscriptions/{sub}/*roleAssignments*", 403, bare=True),
            "list role assignments: HTTP 403 Operation returned an invalid status",
        ),
    },
    "manifests": {
        "registry 500 for a manifest": (signed_in(registry("/v2/team/*", 500)), "manifests/1: HTTP 500"),
        **ROLES,
    },
    "no kubeconfig": {
        "ARM 403 for a kubeconfig": (arm("*{cluster}/listClusterUserCredential", 403), "HTTP 403 Refused"),
        "registry 403": (registry("/v2/", 403), "HTTP 403"),
    },
    "a kubeconfig that is no YAML": {
        "a value that is not what its tag says": (
            kubeconfig(lambda text: f"token: !!bool {json.dumps(text)}"),
            "the kubeconfig is no YAML",
        ),
        **ROLES,
    },
    "a kubeconfig with a certificate that is none": {
        "a certificate authority": (kubeconfig(no_certificate), "certificates cannot be used"),
        **ROLES,
    },
    "a kubeconfig of another server": {
        "a server": (
            kubeconfig(lambda text: signs_in({"server": f"https://elsewhere.{text}"})),
            "names the server|names no https server",
        ),
        "registry 403": (registry("/v2/", 403), "HTTP 403"),
    },
    "Run Command that ended badly": {
        "its output": (run_command(), "exit code 1"),
    },
    "Run Command whose pod did not run": {
        "its reason": (run_command(provisioningState="Failed", reason=""), "did not run"),
    },
    "Run Command that was refused": {
        "its refusal": (
            [*run_command(), *arm("*{cluster}/runCommand", 409, method="POST")],
            "Run Command: HTTP 409 Refused",
        ),
    },
    "canaries that wait, and stay": {
        "what a container waits for": (
            canary(lambda text: waits("ErrImagePull", f"failed: {text}")),
            "asked acr",
        ),
        **STAYS,
    },
    "canaries of which events tell": {
        "events": (
            canary(lambda _: waits("ImagePullBackOff", 'Back-off pulling image "x"'), lambda text: f"failed: {text}"),
            "ImagePullBackOff: failed",
        ),
        **STAYS,
    },
    "canaries that a kubelet refuses": {
        "reason and message": (
            canary(lambda text: {"phase": "Failed", "reason": f"Odd {text}", "message": f"refused: {text}"}),
            "The kubelet says: refused: ",
        ),
    },
    "canaries that the API server refuses": {
        "admission": (refused_canaries(), "The API server says: "),
    },
}


def scanned(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[str, str]:
    """What a scan prints as JSON, and what the same scan is as a table; every logger logs all it can."""
    reports: list[ScanReport] = []

    async def kept(*given: Any) -> ScanReport:
        reports.append(await scan(*given))
        return reports[-1]

    for name in OTHER_LOGGERS:
        caplog.set_level(logging.DEBUG, name)
    with monkeypatch.context() as patch:
        patch.setattr(logging.Logger, "setLevel", lambda logger, level: None)
        patch.setattr(command_line, "scan", kept)
        printed = run(simulator.environment | SETTINGS, "--json", *arguments)
    table = ""
    for cluster in reports[0].clusters:  # each by itself: a table shows only so many findings
        table += page.printed(msgspec.structs.replace(reports[0], clusters=(cluster,)), shown=page.ALL)
    return printed, table


@pytest.mark.parametrize("name", sampled(SCANS, 3))
def test_no_text_of_a_server_shows_a_secret(
    served: tuple[Tenant, Simulator], name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, simulator = served
    rules = [rule for faults, _ in SCANS[name].values() for rule in faults]
    (tenant.root / "faults.json").write_text(json.dumps(rules))
    printed, table = scanned(simulator, caplog, monkeypatch, *(["--canary"] if "canaries" in name else []))
    for path, (_, met) in SCANS[name].items():
        assert len(re.findall(met, printed)) >= len(TEXTS) // 2, path
    assert "[redacted]" in printed
    assert not leaks(printed)
    assert not leaks(table)
    assert not leaks(caplog.text)


def graph_refuses() -> Rules:
    return [{"service": "graph", "path": f"^/v1.0/.*{client_of(index)}", "effect": {"status": 403, "body": text}}
            for index, text in enumerate(TEXTS.values())]  # fmt: skip


def graph_says() -> Rules:
    """Objects whose names, and secrets whose names, hold the text; their end does too."""

    def body(index: int, text: str) -> dict[str, Any]:
        secret = {"displayName": text, "endDateTime": text, "hint": text[:3]}
        named = {"id": guid(f"principal {index}"), "displayName": text, "passwordCredentials": [secret]}
        return {"value": [named]}

    return [{"service": "graph", "path": f"^/v1.0/.*{client_of(index)}",
             "effect": {"status": 200, "body": body(index, text)}}
            for index, text in enumerate(TEXTS.values())]  # fmt: skip


def no_token_for_graph() -> Rules:
    """Microsoft Entra ID gives no token for Microsoft Graph; all texts are in its answer."""
    body = {"error": "invalid_resource", "error_description": " ".join(TEXTS.values())}
    return [{"service": "identity", "path": "^.*resource=[^&]*graph", "effect": {"status": 400, "body": body}}]


GRAPH: dict[str, tuple[Rules, str]] = {
    "Graph 403": (graph_refuses(), "Microsoft Graph answered 403 for servicePrincipals"),
    "names and ends of secrets": (graph_says(), "does not show the end of each secret"),
    "no token": (no_token_for_graph(), "no token for Microsoft Graph"),
}


@pytest.mark.parametrize("path", GRAPH)
def test_nothing_of_microsoft_graph_shows_a_secret(
    directory: tuple[Tenant, Simulator], path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, simulator = directory
    rules, met = GRAPH[path]
    (tenant.root / "faults.json").write_text(json.dumps(rules))
    printed, table = scanned(simulator, caplog, monkeypatch)
    assert len(re.findall(met, printed)) >= len(TEXTS)
    assert re.search(met, table)
    assert not leaks(printed)
    assert not leaks(table)
    assert not leaks(caplog.text)


def dump(storage: str) -> str:
    """Every row of every table."""
    with TableServiceClient.from_connection_string(storage) as service:
        names = [table.name for table in service.list_tables()]
        return "\n".join(str(row) for name in names for row in service.get_table_client(name).list_entities())


def parts(smtp: Mailbox) -> str:
    """All mails, headers and bodies."""
    bodies = (p.get_content() for m in smtp.messages for p in m.walk() if not p.is_multipart())
    return "\n".join((*map(str, smtp.messages), *bodies))


def test_nothing_is_stored_mailed_answered_or_logged_by_the_app(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    everything = " ".join(TEXTS.values())
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        tenant.unassign(running_app.role)
        for number, text in enumerate(TEXTS.values()):
            image = f"acrone.azurecr.io/team/web{number}:1"
            pod = tenant.pod(image, waiting=("ErrImagePull", f'Failed to pull image "{image}": {text}'))
            tenant.event(pod, "Failed", f'Failed to pull image "{image}": {text}')
        refused = {"status": 403, "body": {"error": {"code": "Refused", "message": TEXTS["address with a password"]}}}
        tenant.write(".", [{"service": "arm", "path": "*virtualNetworks*", "effect": refused}], "faults")
        smtp.refuse("data", 554, f"refused, you said {TEXTS['basic header']}")
        running_app.run()
        running_app.send("pullwatch-plan", json.dumps({"v": 1, everything: everything}))
        running_app.send("pullwatch-scan", everything)
        listing = {"status": 400, "body": {"error": {"code": "Refused", "message": TEXTS["bearer header in JSON"]}}}
        tenant.write(".", [{"service": "arm", "path": "/subscriptions", "effect": listing}], "faults")
        running_app.host.fire("schedule")  # asks for a plan, which fails: nobody catches that
        answers = [
            running_app.host.request("POST", "/api/checks", json.dumps(body).encode())
            for body in (
                {"cluster": everything},
                {"subscriptions": [everything]},
                {everything: 1},
                {"cluster": "aks-1"},
            )
        ]
        running_app.host.wait_idle(60)
        rows, log = dump(storage), "".join(running_app.host.log)
        failed = [f"{call.error} {call.traceback}" for call in running_app.host.invocations if not call.ok]
    assert any("Failed: Temporary: " in text and "[redacted]" in text for text in failed)
    assert [answer.status for answer in answers] == [400, 400, 400, 502]
    assert "554" in rows and "poison" in rows
    shown = "\n".join((rows, parts(smtp), log, *failed, *(str(answer.body) for answer in answers)))
    assert "[redacted]" in rows
    assert "[redacted]" in str(answers[3].body)
    assert not leaks(shown)
