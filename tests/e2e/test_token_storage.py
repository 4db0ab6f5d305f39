"""The whole app as in production: storage over TLS by tokens of the app's own identity, and no key of it anywhere."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueServiceClient

from localhost.azurite import ACCOUNT, ACCOUNT_KEY, Certificate, Storage, azurite
from localhost.functions_host import functions_host
from localhost.mailbox import Mailbox
from simulator import Simulator, running
from simulator.entra.app_permissions import DEFAULT_CLIENT
from simulator.entra.tokens import Tokens
from tests.e2e.test_app import IMAGE, App, subjects
from tests.support.cli import ROOT, command
from tests.support.storage import app_settings
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

FOR_STORAGE = "https://storage.azure.com"
WHY = ("--reason", "the registry moves", "--for", "4h")


@dataclass
class Secured:
    """The app on storage that takes nothing but tokens, and the settings that lead there."""

    app: App
    simulator: Simulator
    environment: dict[str, str]

    def says(self, *arguments: str) -> list[dict[str, Any]]:
        """The silences that a command prints, run as an operator runs it: a process with the app's settings."""
        done = command(self.environment, *arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        silences: list[dict[str, Any]] = json.loads(done.stdout)["silences"]
        return silences

    def audiences(self) -> set[str]:
        """What the identity was asked for tokens for."""
        asked = [record for record in list(self.simulator.requests) if record.service == "identity"]
        return {parse_qs(record.query)["resource"][0] for record in asked}


class Given:
    """A credential that has one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """The token, whatever it is asked for."""
        return AccessToken(self._token, int(time.time()) + 3600)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the storage's certificate."""
    return trustme.CA()


@pytest.fixture
def token_storage(tmp_path: Path, authority: trustme.CA) -> Iterator[Storage]:
    """Storage of this test's own; no key opens it."""
    leaf = authority.issue_cert("127.0.0.1")
    certificate = Certificate(tmp_path / "storage.pem", tmp_path / "storage.key")
    certificate.key_file.touch(0o600)
    leaf.private_key_pem.write_to_path(str(certificate.key_file))
    for number, part in enumerate(leaf.cert_chain_pems):
        part.write_to_path(str(certificate.file), append=number > 0)
    with azurite(certificate=certificate) as storage:
        yield storage


@contextmanager
def secured(folder: Path, storage: Storage, authority: trustme.CA, smtp: Mailbox) -> Iterator[Secured]:
    """One cluster with AcrPull on its registry, in the app; its role is the app's."""
    tenant = Tenant(folder / "tenant")
    tenant.cluster()
    role = tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled(IMAGE)
    with running(tenant.root) as simulator:
        trusted = folder / "trusted.pem"
        trusted.write_bytes(simulator.ca_file.read_bytes() + authority.cert_pem.bytes())
        environment = {
            **simulator.environment,
            **app_settings("", smtp),
            "AzureWebJobsStorage__tableServiceUri": storage.table_url,
            "AzureWebJobsStorage__queueServiceUri": storage.queue_url,
            "AzureWebJobsStorage__blobServiceUri": storage.blob_url,
            "SSL_CERT_FILE": str(trusted),
            "REQUESTS_CA_BUNDLE": str(trusted),
        }
        del environment["AzureWebJobsStorage"]
        with functions_host(ROOT, environment, visibility_timeout=0.3) as host:
            yield Secured(App(host, tenant, "", role), simulator, environment)


def test_the_storage_takes_no_key_and_no_token_for_something_else(
    tmp_path: Path, token_storage: Storage, authority: trustme.CA
) -> None:
    """Else the test below would prove nothing."""
    trusted = tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    tokens = Tokens()
    wrong = {
        "InvalidAuthenticationInfo": AzureNamedKeyCredential(ACCOUNT, ACCOUNT_KEY),
        "AuthenticationFailed": Given(tokens.entra("https://management.azure.com", "p", "c", "t")),
    }
    for code, credential in wrong.items():
        with QueueServiceClient(token_storage.queue_url, credential, connection_verify=str(trusted)) as queues:
            with pytest.raises(HttpResponseError) as refused:
                queues.create_queue("refused")
            assert refused.value.error_code == code
    right = Given(tokens.entra(FOR_STORAGE, "p", "c", "t"))
    with QueueServiceClient(token_storage.queue_url, right, connection_verify=str(trusted)) as queues:
        queues.create_queue("taken")
        assert [queue.name for queue in queues.list_queues()] == ["taken"]


@pytest.mark.matrix
@pytest.mark.timeout(300)
def test_the_app_and_its_commands_need_no_key_of_the_storage(
    tmp_path: Path, token_storage: Storage, authority: trustme.CA, smtp: Mailbox
) -> None:
    with secured(tmp_path, token_storage, authority, smtp) as running_app:
        app = running_app.app
        environment = Path(f"/proc/{app.host.pid}/environ").read_text()
        assert "AzureWebJobsStorage__tableServiceUri=https://127.0.0.1" in environment
        assert "AzureWebJobsStorage=" not in environment
        assert "AccountKey" not in environment and ACCOUNT_KEY not in environment

        assert app.run()["baseline"]
        app.tenant.unassign(app.role)
        assert app.run()["totals"]["failing"] == 1
        assert FOR_STORAGE in running_app.audiences()

        (silence,) = running_app.says("silence", "add", "--cluster", "aks-1", *WHY)
        (ack,) = running_app.says("ack", "--registry", "acrone", *WHY)
        assert silence["author"] == ack["author"] == DEFAULT_CLIENT, "whoever the storage's token is of"
        assert [one["id"] for one in running_app.says("silence", "list")] == [silence["id"], ack["id"]]
        (ended,) = running_app.says("silence", "end", silence["id"])
        assert (ended["id"], ended["state"]) == (silence["id"], "over")
        assert [one["id"] for one in running_app.says("silence", "list")] == [ack["id"]]

        app.tenant.assign(object_id("aks-1"), ACR_PULL, app.tenant.group())
        assert app.run()["totals"]["failing"] == 0
        assert app.host.fire("sweep").ok
        app.host.wait_idle()
        assert all(call.ok for call in app.host.invocations)
        assert running_app.says("silence", "list") == [], "an acknowledgement ends when nothing of it fails any more"
        assert all(call.ok for call in app.host.invocations)
    assert [subject.split(":")[0] for subject in subjects(smtp)] == [
        "[Pullwatch] baseline",
        "[Pullwatch] FAIL",
        "[Pullwatch] RECOVERED",
    ]
