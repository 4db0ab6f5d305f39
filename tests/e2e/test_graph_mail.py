"""The whole app with mail by Microsoft Graph: the baseline mail leaves under the app's identity, over TLS."""

import email
import email.policy
from pathlib import Path

from localhost.functions_host import functions_host
from simulator import running
from tests.support.cli import ROOT
from tests.support.storage import app_settings
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

MAILBOX = "pullwatch@contoso.example"


def test_the_baseline_mail_leaves_by_graph_and_the_app_is_well(storage: str, tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.write("graph", [{"id": "u-1", "userPrincipalName": MAILBOX, "displayName": "Pullwatch"}], "users")
    settings = app_settings(
        storage, MAIL_TRANSPORTS="graph", MAIL_FROM=MAILBOX, MAIL_TO="team@contoso.example,ops@contoso.example"
    )
    with running(tenant.root) as simulator, functions_host(ROOT, simulator.environment | settings) as host:
        for name in ("schedule", "sweep"):
            assert host.fire(name).ok
            host.wait_idle()
        assert host.get("/api/health").json() == {"status": "ok"}
        details = host.get("/api/health/details").json()
        (mail,) = simulator.graph_outbox
    assert isinstance(details, dict)
    mail_details = details["mail"]
    assert (mail_details["waiting"], mail_details["refused"], mail_details["stuck"]) == (0, {}, False)
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert message["Subject"] == "[Pullwatch] baseline: 1 cluster watched, 0 failing"
    assert [one.addr_spec for one in message["To"].addresses] == ["team@contoso.example", "ops@contoso.example"]
