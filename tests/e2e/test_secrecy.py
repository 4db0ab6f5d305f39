"""The values of pull secrets leave memory nowhere: not in answers, tables, mails, rows, logs or tracebacks."""

import base64
import contextlib
import io
import json
import logging
import os
from pathlib import Path
from unittest import mock

import pytest
from azure.data.tables import TableServiceClient

from checks.cli.main import main
from checks.collect.kubernetes import pull_secrets
from localhost.mailbox import Mailbox
from simulator import running
from tests.e2e.test_app import app
from tests.e2e.test_images import ACR, WEB, add_secret, dockerconfig, holds
from tests.support.cli import clean
from tests.support.real_kubernetes.roles import READER, SECRET_READER
from tests.support.real_kubernetes.served import ApiServer
from tests.support.tenant_builder import Tenant

CANARY = "canary-7f3a9c"
USER, PASSWORD = f"user-{CANARY}", f"password-{CANARY}"
CLAIMS = base64.urlsafe_b64encode(json.dumps({"exp": 1, "sub": CANARY}).encode()).decode().rstrip("=")
TOKEN = f"eyJhbGciOiJub25lIn0.{CLAIMS}.{CANARY}"
PAIRS = ((USER, PASSWORD), (USER, f"other-{CANARY}"), ("00000000-0000-0000-0000-000000000000", TOKEN))
ON = {"PULLWATCH_READ_PULL_SECRETS": "true"}


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


# What must be found nowhere: the canary itself and everything that is it in base64, at each of the three alignments.
NEEDLES = (
    CANARY,
    CLAIMS,
    *(encoded(user, password) for user, password in PAIRS),
    *(base64.b64encode(b"x" * shift + CANARY.encode()).decode()[4:-4] for shift in range(3)),
)


# What a real API server does not take: data that is no base64, and a secret of this type that is no JSON.
REFUSED = ("no-data", "no-json")


def fill(tenant: Tenant, without: tuple[str, ...] = ()) -> None:
    """Pods whose secrets hold the canary in every way: accepted, refused, expired, undecodable, of a wrong type."""
    holds(tenant, {"team/web": {"1": {}}}, credentials={USER: PASSWORD})
    values = {
        "good": dockerconfig({f"https://{USER}:{PASSWORD}@{ACR}/v1/": {"auth": encoded(*PAIRS[0])}}),
        "refused": dockerconfig({ACR: {"username": USER, "password": f"other-{CANARY}"}}),
        "expired": dockerconfig({ACR: {"auth": encoded(*PAIRS[2])}}),
        "no-base64": dockerconfig({ACR: {"auth": f"?{CANARY}?"}}),
        "no-colon": dockerconfig({ACR: {"auth": base64.b64encode(CANARY.encode()).decode()}}),
        "no-text": dockerconfig({ACR: {"username": USER, "password": [CANARY]}}),
        "no-object": dockerconfig([CANARY]),
        "no-json": base64.b64encode(b"{" + CANARY.encode()).decode(),
        "no-data": f"?{CANARY}?",
    }
    for name, value in values.items():
        if name in without:
            continue
        add_secret(tenant, name, value)
        tenant.pod(WEB, name=f"pod-{name}", spec={"imagePullSecrets": [{"name": name}]})
    add_secret(tenant, "opaque", type="Opaque", data={"password": base64.b64encode(CANARY.encode()).decode()})
    tenant.pod(WEB, name="pod-opaque", spec={"imagePullSecrets": [{"name": "opaque"}]})


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "tenant")


def leaks(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in text]


def run(environment: dict[str, str], *arguments: str) -> str:
    """Everything one scan prints: standard output and standard error."""
    out, errors = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with (
        mock.patch.dict(os.environ, clean(environment), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        main(["--verbose", "scan", *arguments])
    out.flush()
    return out.buffer.getvalue().decode() + errors.getvalue()  # type: ignore[attr-defined]


def test_no_value_is_printed_or_logged_even_for_debugging(
    tenant: Tenant, api_server: ApiServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.cluster()
    tenant.registry()
    fill(tenant, REFUSED if api_server.real else ())
    for name in ("", "azure", "msal", "asyncio", "aiohttp", "kubernetes", "checks"):
        caplog.set_level(logging.DEBUG, name)
    roles = (READER, SECRET_READER)
    with api_server.running(tenant, roles=roles) as simulator, monkeypatch.context() as patch:
        patch.setattr(logging.Logger, "setLevel", lambda logger, level: None)
        printed = run(simulator.environment | ON, "--json") + run(simulator.environment | ON)
    assert '"secret-accepted"' in printed
    for cause in ("secret-refused", "secret-expired", "secret-undecodable", "secret-wrong-type"):
        assert cause in printed
    assert caplog.records
    assert api_server.count("secrets") > 1
    assert not leaks(printed + caplog.text + str([record.__dict__ for record in caplog.records]))


@pytest.mark.parametrize("where", ["_ask", "_try_credential", "_facts", "_read_secret"])
def test_no_value_is_in_the_traceback_of_a_defect(
    tenant: Tenant, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    tenant.cluster()
    tenant.registry()
    fill(tenant)

    def broken(*arguments: object, **named: object) -> None:
        logging.getLogger("checks").error("a defect at %r %r", arguments, named)
        raise RuntimeError(f"a defect at {arguments} {named}")

    monkeypatch.setattr(pull_secrets, where, broken)
    with running(tenant.root) as simulator:
        printed = run(simulator.environment | ON, "--json")
    assert "checker-error" in printed
    assert "a defect at" in caplog.text
    assert not leaks(printed + caplog.text)


def test_no_value_is_stored_or_mailed(tenant: Tenant, storage: str, smtp: Mailbox) -> None:
    fill(tenant)
    with app(tenant, storage, smtp, READ_PULL_SECRETS="true") as running_app:
        running_app.run()
        tenant.unassign(running_app.role)
        running_app.run()
        host_log = "".join(running_app.host.log)
        answers = str(running_app.host.get("/api/health").body + running_app.host.get("/api/health/details").body)
    rows = ""
    with TableServiceClient.from_connection_string(storage) as service:
        for table in service.list_tables():
            rows += str(list(service.get_table_client(table.name).list_entities()))
    mails = "".join(str(message) + str(message.get_content_type()) for message in smtp.messages)
    bodies = "".join(
        part.get_content() for message in smtp.messages for part in message.walk() if not part.is_multipart()
    )
    assert "secret-undecodable" in rows
    assert "secret" in bodies
    assert not leaks(rows + mails + bodies + host_log + answers)
