"""The webhook, over HTTPS to a real server on loopback: what is posted, who may be posted to, what answers mean."""

import asyncio
import json
import re
import ssl
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from checks.changes import Notice, NoticeKind, NoticeLine, Reason
from checks.collect.wire.connections import Answers
from checks.notify.incidents import Item, ItemKind, Mail, Section
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt
from checks.notify.transports.webhook import WebhookTransport
from checks.notify.transports.webhook.payload import MAX_BYTES, MAX_ITEMS, MAX_TEXT, payload_of
from checks.notify.transports.webhook.signature import signature_of
from checks.settings import ConnectTo
from tests.support.hostile_server import Say, raw, server

ROOT = Path(__file__).parents[2]
HOST = "hooks.example.com"
PATH = "/workflows/0123456789abcdef/invoke"
URL = f"https://{HOST}{PATH}?sp=%2Ftriggers%2Fmanual%2Frun&sig=a-signature-that-nobody-may-see"
POST = f"POST {PATH}?sp=%2Ftriggers%2Fmanual%2Frun&sig=a-signature-that-nobody-may-see"
SECRET = "a secret of enough characters"
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
CLUSTER = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shop"
    "/providers/Microsoft.ContainerService/managedClusters/aks-shop"
)


def item(number: int = 0, **over: Any) -> Item:
    given: dict[str, Any] = {
        "kind": ItemKind.FAIL,
        "cluster": CLUSTER + (str(number) if number else ""),
        "registry": "contoso.azurecr.io",
        "facets": ("access", "pull"),
        "cause": "role-missing",
        "since": NOW,
        "reason": Reason.REGRESSED,
        "summary": "The kubelet identity holds no role that pulls.",
        "fix": ("az role assignment create --assignee-object-id 1 --role AcrPull \\\n  --scope /x",),
    }
    return Item(**given | over)


def a_mail(*items: Item) -> Mail:
    section = Section(kind=ItemKind.FAIL, registry="contoso.azurecr.io", cause="role-missing", items=items or (item(),))
    return Mail(id="0000000000000000007-0123456789abcdef01234567", sections=(section,))


def outgoing(mail: Mail | None = None) -> Outgoing:
    message = EmailMessage()
    message["Subject"] = "[Pullwatch] FAIL: aks-shop cannot pull from contoso.azurecr.io (role-missing)"
    return Outgoing(message=message, mail=mail or a_mail())


async def sent(folder: Path, port: int, mail: Mail | None = None, secret: str = SECRET, **options: Any) -> Receipt:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    transport = WebhookTransport(
        URL,
        secret,
        clock=lambda: NOW,
        connect_to=(ConnectTo(HOST, 443, "127.0.0.1", port),),
        context=context,
        **{"seconds": 20.0, **options},
    )
    receipt = await transport.send(outgoing(mail), "pullwatch@contoso.example", ("team@contoso.example",))
    assert receipt.answer.startswith("HTTP 2")
    return msgspec.structs.replace(receipt, answer="")


async def refused(folder: Path, answers: dict[str, Say], **options: Any) -> NotDelivered:
    async with server(folder, answers, names=(HOST,)) as receiver:
        with pytest.raises(NotDelivered) as raised:
            await sent(folder, receiver.port, **options)
    assert "signature-that" not in str(raised.value)
    assert "0123456789abcdef" not in str(raised.value)
    return raised.value


def split(received: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value for name, _, value in lines}, body


async def test_what_a_mail_says_is_posted_once_and_signed(tmp_path: Path) -> None:
    async with server(tmp_path, {POST: raw("202 Accepted")}, names=(HOST,)) as receiver:
        assert await sent(tmp_path, receiver.port) == Receipt()
    assert receiver.requests == [POST]
    headers, body = split(receiver.received)
    assert headers["host"] == HOST
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == headers["x-pullwatch-id"] == a_mail().id
    assert headers["x-pullwatch-signature"] == signature_of(SECRET, body, NOW)
    assert "authorization" not in headers
    assert body == payload_of(a_mail(), str(outgoing().message["Subject"]))


async def test_without_a_secret_there_is_no_signature(tmp_path: Path) -> None:
    async with server(tmp_path, {POST: raw("200 OK", "ok")}, names=(HOST,)) as receiver:
        assert await sent(tmp_path, receiver.port, secret="") == Receipt()
    assert "x-pullwatch-signature" not in split(receiver.received)[0]


async def test_neither_netrc_nor_a_proxy_of_the_environment_has_a_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine {HOST} login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    async with server(tmp_path, {POST: raw("200 OK")}, names=(HOST,)) as receiver:
        assert await sent(tmp_path, receiver.port) == Receipt()
    assert "authorization" not in split(receiver.received)[0]


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [
        *((status, False) for status in ("301 Moved", "307 Temporary", "400 Bad", "401 No", "403 No", "404 No")),
        *((status, False) for status in ("409 Conflict", "410 Gone", "413 Large", "429 Later")),
        *((status, True) for status in ("500 Error", "502 Bad Gateway", "503 Later", "504 Timeout")),
    ],
)
async def test_any_answer_but_2xx_is_tried_again_and_no_redirect_is_followed(
    tmp_path: Path, status: str, uncertain: bool
) -> None:
    echo = f"no such flow: {PATH} sig=a-signature-that-nobody-may-see " + "x" * 100_000
    answer = raw(status, echo, Location=f"https://{HOST}/elsewhere")
    error = await refused(tmp_path, {POST: answer, "POST /elsewhere": raw("200 OK"), "GET /elsewhere": raw("200 OK")})
    assert str(error).startswith(f"webhook: {status[:3]} no such flow:")
    assert (error.uncertain, error.retry_after) == (uncertain, None)
    assert len(str(error)) < 300


@pytest.mark.parametrize(("header", "asked"), [("90", 90.0), ("86400", 3600.0), ("soon", None)])
async def test_a_receiver_that_asks_for_time_gets_it_up_to_an_hour(
    tmp_path: Path, header: str, asked: float | None
) -> None:
    error = await refused(tmp_path, {POST: raw("429 Too Many Requests", Retry_After=header)})
    assert error.retry_after == asked


async def test_a_receiver_that_hangs_up_or_never_answers_may_have_accepted(tmp_path: Path) -> None:
    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def trickle(writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK and more of it":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.2)

    assert (await refused(tmp_path, {})).uncertain
    for slow in (hang, trickle):
        began = time.monotonic()
        error = await refused(tmp_path, {POST: slow}, seconds=1.0)
        assert error.uncertain
        assert 0.9 < time.monotonic() - began < 3.0


async def test_a_receiver_that_takes_it_and_then_dawdles_has_accepted(tmp_path: Path) -> None:
    async def dawdle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await asyncio.sleep(30)

    async with server(tmp_path, {POST: dawdle}, names=(HOST,)) as receiver:
        assert await sent(tmp_path, receiver.port, seconds=5.0) == Receipt()


async def test_a_server_that_is_not_there_or_not_who_it_should_be_gets_nothing(tmp_path: Path) -> None:
    async with server(tmp_path, {POST: raw("200 OK")}, names=("other.example.com",)) as receiver:
        with pytest.raises(NotDelivered, match="certificate") as raised:
            await sent(tmp_path, receiver.port)
        assert not raised.value.uncertain
        with pytest.raises(NotDelivered, match="webhook: no connection to hooks") as raised:
            await sent(tmp_path, 1)
        assert not raised.value.uncertain
    assert receiver.requests == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.4", "192.168.1.1", "169.254.169.254", "168.63.129.16", "100.64.0.1", "::1", "fd00::1",
     "::ffff:10.0.0.4", "fe80::1", "0.0.0.0", "224.0.0.1"],
)  # fmt: skip
async def test_a_name_that_leads_inward_is_not_connected_to(address: str) -> None:
    async def lookup(host: str, port: int) -> Answers:
        return Answers(("52.168.1.1", address))

    with pytest.raises(NotDelivered, match="resolves to where Pullwatch does not connect") as raised:
        await WebhookTransport(URL, lookup=lookup).send(outgoing(), "", ())
    assert not raised.value.uncertain


@pytest.mark.parametrize("url", ["https://10.0.0.4/x", "https://localhost/x", "https://[::1]/x"])
async def test_an_address_in_place_of_a_name_is_not_connected_to(url: str) -> None:
    with pytest.raises(NotDelivered) as raised:
        await WebhookTransport(url).send(outgoing(), "", ())
    assert not raised.value.uncertain


# The body.


def test_the_body_says_what_the_mail_says() -> None:
    over = item(cause="", kind=ItemKind.RECOVERED, until=NOW, fix=(), summary="")
    body = json.loads(payload_of(a_mail(item(), over), "FAIL: aks-shop"))
    assert list(body) == ["schema", "id", "title", "text", "guide", "incidents", "more", "notice"]
    assert (body["schema"], body["id"], body["title"]) == ("pullwatch.v1", a_mail().id, "FAIL: aks-shop")
    assert body["text"].splitlines() == [
        "FAIL: aks-shop",
        "FAIL aks-shop - contoso.azurecr.io: role-missing (since 2026-11-24T08:00:00+00:00)",
        "RECOVERED aks-shop - contoso.azurecr.io (since 2026-11-24T08:00:00+00:00)",
    ]
    (incident,) = body["incidents"]
    first, second = incident["items"]
    assert (incident["registry"], incident["cause"], incident["more"]) == ("contoso.azurecr.io", "role-missing", 0)
    assert first == {
        "kind": "FAIL",
        "cluster": CLUSTER,
        "name": "aks-shop",
        "registry": "contoso.azurecr.io",
        "facets": ["access", "pull"],
        "cause": "role-missing",
        "since": "2026-11-24T08:00:00+00:00",
        "until": None,
        "summary": "The kubelet identity holds no role that pulls.",
        "fix": ["az role assignment create --assignee-object-id 1 --role AcrPull \\\n  --scope /x"],
    }
    assert second["until"] == "2026-11-24T08:00:00+00:00"
    assert (body["more"], body["notice"]) == (0, None)


def test_a_run_s_own_notice_is_in_the_body() -> None:
    line = NoticeLine(cluster=CLUSTER, registry="r.azurecr.io", facets=("pull",), cause="no-route", since=NOW)
    notice = Notice(
        kind=NoticeKind.BASELINE, run="r", sequence=1, at=NOW, title="3 clusters", facts=("One fails.",), lines=(line,),
        more=4,
    )  # fmt: skip
    body = json.loads(payload_of(Mail(id="one", notice=notice), "baseline: 3 clusters"))["notice"]
    assert (body["kind"], body["title"], body["facts"], body["more"]) == ("baseline", "3 clusters", ["One fails."], 4)
    assert [(one["name"], one["cause"]) for one in body["items"]] == [("aks-shop", "no-route")]


@pytest.mark.parametrize("size", [1, 200_000])
@pytest.mark.parametrize("sections", [1, 300])
def test_the_body_is_bounded_and_counts_what_it_leaves_out(sections: int, size: int) -> None:
    long = ("x " * size)[:size]
    items = tuple(item(number, summary=long, cause=long, fix=(long,) * 50) for number in range(1, 301))
    made = tuple(
        Section(kind=ItemKind.FAIL, registry="r", cause=long, items=items[: 300 // sections]) for _ in range(sections)
    )
    content = payload_of(Mail(id="one", sections=made), long)
    body = json.loads(content)
    assert len(content) <= MAX_BYTES
    assert len(body["text"]) <= MAX_TEXT
    shown = sum(len(incident["items"]) for incident in body["incidents"])
    assert 0 < shown <= MAX_ITEMS
    assert shown + sum(incident["more"] for incident in body["incidents"]) + body["more"] == 300


def test_no_secret_and_nothing_that_steers_a_terminal_is_in_the_body() -> None:
    hostile = "password=hunter2hunter2 \x1b[31m \u202e \r\n ![x](https://evil.example)"
    content = payload_of(
        a_mail(item(summary=hostile, fix=(hostile,), cause=hostile, registry=hostile, facets=(hostile,))), hostile
    )
    assert "hunter2" not in content.decode()
    text = json.dumps(json.loads(content), ensure_ascii=False)
    assert "\x1b" not in text and "\\u001b" not in text and "\u202e" not in text


# docs/webhook.md


def blocks(language: str) -> list[str]:
    """The examples of the page."""
    page = (ROOT / "docs" / "webhook.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_page_shows_the_body_as_it_is() -> None:
    title = "[Pullwatch] FAIL: aks-shop cannot pull from contoso.azurecr.io (role-missing)"
    fixed = a_mail(item(fix=("az role assignment create --role AcrPull --assignee-object-id ID --scope SCOPE",)))
    assert json.loads(blocks("json")[0]) == json.loads(payload_of(fixed, title))


@pytest.mark.parametrize(
    ("change", "age", "taken"),
    [
        (lambda header, body: (header, body), 0, True),
        (lambda header, body: (header, body), 299, True),
        (lambda header, body: (header, body), 301, False),
        (lambda header, body: (header, body), -301, False),
        (lambda header, body: (header, body + b" "), 0, False),
        (lambda header, body: (header.replace("t=1", "t=2"), body), 0, False),
        (lambda header, body: (header[:-1], body), 0, False),
        (lambda header, body: ("", body), 0, False),
        (lambda header, body: ("t=x,v1=y", body), 0, False),
    ],
)
def test_the_page_s_receiver_takes_what_pullwatch_signed_and_nothing_else(change: Any, age: int, taken: bool) -> None:
    namespace: dict[str, Any] = {}
    exec(blocks("python")[0], namespace)
    body = payload_of(a_mail(), "FAIL")
    header, changed = change(signature_of(SECRET, body, NOW), body)
    with mock.patch("time.time", lambda: NOW.timestamp() + age):
        assert namespace["is_from_pullwatch"](SECRET, header, changed) is taken


def test_the_body_is_what_its_schema_says() -> None:
    names = {"schema", "id", "title", "text", "guide", "incidents", "more", "notice"}
    page = (ROOT / "docs" / "webhook.md").read_text()
    decoded = msgspec.json.decode(payload_of(a_mail(), "FAIL"), type=dict[str, Any])
    assert set(decoded) == names
    for name in names | set(decoded["incidents"][0]) | set(decoded["incidents"][0]["items"][0]):
        assert f"`{name}`" in page
