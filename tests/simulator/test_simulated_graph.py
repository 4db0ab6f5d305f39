"""Microsoft Graph: who is found by which id, refusals, mail."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from simulator import Simulator
from tests.support.tenant_server import KUBELET, KUBELET_CLIENT, Client, Folder, Reply

GRAPH = "https://graph.microsoft.com"
MAILBOX = {"id": "u-1", "userPrincipalName": "ops@simulated.example", "displayName": "Ops"}


def ask(client: Client, path: str, method: str = "GET", data: bytes | None = None, **headers: str) -> Reply:
    url = client.sim.environment["PULLWATCH_GRAPH_ENDPOINT"] + path.replace(" ", "%20")
    return client.send(url, method, data, **{"Authorization": f"Bearer {client.sim.token(GRAPH)}", **headers})


def ids_of(client: Client, query: str) -> list[str]:
    reply = ask(client, f"/v1.0/servicePrincipals?$filter={query}")
    return [item["id"] for item in reply.json["value"]]


def test_a_managed_identity_is_found_by_its_client_id(client: Client) -> None:
    assert ids_of(client, f"appId eq '{KUBELET_CLIENT}'") == [KUBELET]
    assert ids_of(client, f"servicePrincipalNames/any(c:c eq '{KUBELET_CLIENT}')") == [KUBELET]
    assert ids_of(client, f"appId eq '{KUBELET}'") == []
    assert ask(client, f"/v1.0/servicePrincipals(appId='{KUBELET_CLIENT}')?$select=id").json["id"] == KUBELET
    assert ask(client, f"/v1.0/servicePrincipals/{KUBELET}").json["servicePrincipalType"] == "ManagedIdentity"


def test_a_service_principal_of_the_folder_keeps_its_secrets_and_a_removed_one_is_gone(
    client: Client, folder: Folder
) -> None:
    secret = {"keyId": "k", "endDateTime": "2026-01-01T00:00:00Z"}
    bodies = [{"id": "sp-1", "appId": "app-1", "passwordCredentials": [secret]}, {"id": KUBELET, "@removed": {}}]
    folder.write("graph/all.json", bodies)
    shown = ask(client, "/v1.0/servicePrincipals(appId='app-1')?$select=id,passwordCredentials").json
    assert shown["passwordCredentials"] == [secret] and "appId" not in shown
    assert ids_of(client, f"appId eq '{KUBELET_CLIENT}'") == []
    missing = ask(client, f"/v1.0/servicePrincipals/{KUBELET}")
    assert (missing.status, missing.json["error"]["code"]) == (404, "Request_ResourceNotFound")


def test_objects_are_told_by_their_ids_with_their_kind(client: Client, folder: Folder) -> None:
    folder.write("graph/users.json", [MAILBOX])
    body = json.dumps({"ids": [KUBELET, "u-1", "nobody"], "types": ["user"]}).encode()
    listed = ask(client, "/v1.0/directoryObjects/getByIds", "POST", body).json["value"]
    assert [item["@odata.type"] for item in listed] == ["#microsoft.graph.servicePrincipal", "#microsoft.graph.user"]


def test_graph_may_be_closed_altogether_or_in_part(client: Client, folder: Folder) -> None:
    folder.write("authorization/caller.json", {"graph": "denied"})
    reply = ask(client, f"/v1.0/servicePrincipals/{KUBELET}")
    assert (reply.status, reply.json["error"]["code"]) == (403, "Authorization_RequestDenied")
    folder.write("authorization/caller.json", {"graph": ["/users/*"]})
    assert ask(client, f"/v1.0/servicePrincipals/{KUBELET}").status == 200
    assert ask(client, "/v1.0/users/u-1").status == 403


def test_a_token_for_arm_is_not_one_for_graph(client: Client, sim: Simulator) -> None:
    wrong = f"Bearer {sim.token('https://management.azure.com')}"
    assert ask(client, "/v1.0/users", Authorization=wrong).status == 401


def send(client: Client, kind: str, data: bytes, who: str = "ops@simulated.example") -> Reply:
    return ask(client, f"/v1.0/users/{who}/sendMail", "POST", data, Content_Type=kind)


def test_mail_is_taken_as_mime_and_as_json_and_kept(client: Client, sim: Simulator, folder: Folder) -> None:
    folder.write("graph/users.json", [MAILBOX])
    mime = b"To: team@contoso.example\r\nSubject: hello\r\n\r\nworld\r\n"
    document: dict[str, Any] = {"message": {"subject": "hello"}, "saveToSentItems": False}
    assert send(client, "text/plain", base64.b64encode(mime)).status == 202
    assert send(client, "application/json", json.dumps(document).encode()).status == 202
    assert [(mail.kind, mail.sender) for mail in sim.graph_outbox] == [
        ("mime", "ops@simulated.example"),
        ("json", "ops@simulated.example"),
    ]
    assert sim.graph_outbox[0].content == mime


def test_mail_that_is_no_mail_or_from_nobody_is_refused(client: Client, sim: Simulator, folder: Folder) -> None:
    folder.write("graph/users.json", [MAILBOX])
    refused = send(client, "text/plain", b"not base64!")
    assert (refused.status, refused.json["error"]["code"]) == (400, "ErrorMimeContentInvalidBase64String")
    assert send(client, "application/json", b"{}").status == 400
    assert send(client, "text/plain", base64.b64encode(b"x"), "nobody@simulated.example").status == 404
    assert sim.graph_outbox == []


@pytest.mark.parametrize("content", [b"", b"x", b"no header at all\r\n\r\nbody"])
def test_mail_that_is_base64_and_no_message_is_refused(
    client: Client, sim: Simulator, folder: Folder, content: bytes
) -> None:
    folder.write("graph/users.json", [MAILBOX])
    refused = send(client, "text/plain", base64.b64encode(content))
    assert (refused.status, refused.json["error"]["code"]) == (400, "ErrorMimeContentInvalidBase64String")
    assert sim.graph_outbox == []


def test_mail_may_be_closed_to_the_app_and_exchange_says_so(client: Client, sim: Simulator, folder: Folder) -> None:
    folder.write("graph/users.json", [MAILBOX])
    folder.write("authorization/caller.json", {"graph": ["/users/*/sendMail"]})
    refused = send(client, "text/plain", base64.b64encode(b"Subject: hello\r\n\r\nworld\r\n"))
    assert (refused.status, refused.json["error"]["code"]) == (403, "ErrorAccessDenied")
    assert ask(client, "/v1.0/users/u-1").status == 200
    assert sim.graph_outbox == []


def test_mail_goes_out_under_the_mailbox_s_own_address_alone(client: Client, sim: Simulator, folder: Folder) -> None:
    folder.write("graph/users.json", [{**MAILBOX, "mail": "Operations@simulated.example"}])
    for sender, status in (
        ("Ops <ops@simulated.example>", 202),
        ("operations@simulated.example", 202),
        ("boss@simulated.example", 403),
    ):
        mime = f"From: {sender}\r\nTo: team@contoso.example\r\nSubject: hello\r\n\r\nworld\r\n".encode()
        assert send(client, "text/plain", base64.b64encode(mime)).status == status
    assert len(sim.graph_outbox) == 2


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("", "A message can't be sent because it contains no recipients."),
        ("To: team@contoso.example, bad\r\n", "Recipient 'bad' is not resolved."),
        ("To: team@contoso.example\r\nCc: o@-contoso.example\r\n", "Recipient 'o@-contoso.example' is not resolved."),
        (f"Bcc: {'o' * 65}@contoso.example\r\n", f"Recipient '{'o' * 65}@contoso.example' is not resolved."),
    ],
)
def test_mail_is_taken_for_all_its_recipients_or_for_none(client: Client, sim: Simulator, to: str, why: str) -> None:
    mime = f"{to}Subject: hello\r\n\r\nworld\r\n".encode()
    refused = send(client, "text/plain", base64.b64encode(mime))
    assert (refused.status, refused.json["error"]["code"]) == (400, "ErrorInvalidRecipients")
    assert refused.json["error"]["message"].startswith(f"At least one recipient is not valid., {why}")
    assert sim.graph_outbox == []
