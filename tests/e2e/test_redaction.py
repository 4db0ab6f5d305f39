"""Whatever a server, a message or a caller says, each kind of secret in it is found in no sink.

There is a subscription, a cluster and a registry for every kind (tests/test_secret_shapes.py has all spellings). Each
test lets one kind of server answer with these texts, and looks through everything that a scan prints and logs.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from localhost.mailbox import Mailbox
from simulator import Simulator, running
from tests.e2e.test_app import app
from tests.e2e.test_secrecy import run
from tests.support import secret_texts
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
        tenant.cluster(name, sub=sub)
        registry = tenant.registry(host_of(index).partition(".")[0], sub=sub)
        tenant.assign(object_id(name), ACR_PULL, registry)
        image = f"{host_of(index)}/team/web:1"
        pod = tenant.pod(image, cluster=name, waiting=("ErrImagePull", f'Failed to pull image "{image}": {text}'))
        tenant.event(pod, "Failed", f'Failed to pull image "{image}": {text}', cluster=name)
    return tenant


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, Simulator]]:
    """One simulator for all tests here; each writes its own faults."""
    tenant = fleet(tmp_path_factory.mktemp("fleet") / "tenant")
    with running(tenant.root) as simulator:
        yield tenant, simulator


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "tenant")


def each(make: Callable[[int, str], Rules]) -> Rules:
    return [rule for index, text in enumerate(TEXTS.values()) for rule in make(index, text)]


def arm(pattern: str, code: int) -> Rules:
    """Azure Resource Manager refuses a path of each subscription, with the text in its body and in a header."""

    def rules(index: int, text: str) -> Rules:
        body = {"error": {"code": "Refused", "message": text}}
        effect = {"status": code, "body": body, "headers": {"X-Echo": re.sub(r"[^ -~]", " ", text)}}
        path = pattern.format(sub=subscription_of(index), cluster=cluster_of(index))
        return [{"service": "arm", "path": path, "effect": effect}]

    return each(rules)


def kubernetes(pattern: str, code: int, *, echoes: bool = False, method: str = "GET") -> Rules:
    """The API server of each cluster answers with a Status, or repeats a request as text."""

    def rules(index: int, text: str) -> Rules:
        effect = {"status": code, "body": text if echoes else status(text, code)}
        path = f"*/{cluster_of(index)}/{pattern}"
        return [{"service": "kubernetes", "path": path, "method": method, "effect": effect}]

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


PATHS: dict[str, tuple[Rules, str]] = {
    "texts of pods and events": ([], "ErrImagePull|image"),
    "ARM 403 for role assignments": (arm("/subscriptions/{sub}/*roleAssignments*", 403), "Refused"),
    "ARM 409 for registries": (arm("/subscriptions/{sub}/*registries", 409), "Refused"),
    "ARM 401 for a kubeconfig": (arm("*{cluster}/listClusterUserCredential", 401), "Refused"),
    "Kubernetes 401": (kubernetes("api/v1/*", 401), "answered 401"),
    "Kubernetes 403 that repeats a request": (kubernetes("api/v1/*", 403, echoes=True), "answered 403"),
    "Kubernetes 500 for events": (kubernetes("api/v1/events*", 500), "answered 500"),
    "registry 403": (registry("/v2/", 403), "HTTP 403"),
    "registry 401 for an exchange": (registry("/oauth2/exchange", 401), "HTTP 401"),
    "registry 404 for a manifest": (registry("/v2/team/*", 404), "manifest|absent|exist"),
    "registry's challenge": (challenges(), "on another host"),
    "Run Command that ended badly": (run_command(), "exit code 1"),
    "Run Command whose pod did not run": (run_command(provisioningState="Failed", reason=""), "did not run"),
}


@pytest.mark.parametrize("path", PATHS)
def test_no_text_of_a_server_shows_a_secret(
    served: tuple[Tenant, Simulator], path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, simulator = served
    rules, met = PATHS[path]
    (tenant.root / "faults.json").write_text(json.dumps(rules))
    for name in OTHER_LOGGERS:
        caplog.set_level(logging.DEBUG, name)
    with monkeypatch.context() as patch:
        patch.setattr(logging.Logger, "setLevel", lambda logger, level: None)
        printed = run(simulator.environment | SETTINGS, "--json")
    assert len(re.findall(met, printed)) >= len(TEXTS) // 2, printed[:2000]
    assert "[redacted]" in printed
    assert not leaks(printed)
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
        failed = [str(call.error) for call in running_app.host.invocations if not call.ok]
    assert failed
    assert [answer.status for answer in answers] == [502, 400, 400, 502]
    assert "554" in rows and "poison" in rows
    shown = "\n".join((rows, parts(smtp), log, *failed, *(str(answer.body) for answer in answers)))
    assert "[redacted]" in rows
    assert "[redacted]" in str(answers[3].body)
    assert not leaks(shown)
