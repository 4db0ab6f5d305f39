"""Mail through Microsoft Graph, over TLS to the simulated one: what is accepted, and what becomes of what is not."""

import email
import email.policy
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks.changes import Notice, NoticeKind
from checks.history.model import MailStatus
from checks.jobs.context import JobContext
from checks.jobs.deliver import Delivered, deliver_all
from checks.notify.incidents import Mail
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt
from checks.notify.transports.graph import GraphTransport
from simulator import Simulator, running
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import Tenant

MAILBOX = "pullwatch@contoso.example"
TEAM = ("team@contoso.example", "o'neil+k8s@contoso.example")
SEND = f"/v1.0/users/{MAILBOX}/sendMail"
SETTINGS = {"MAIL_TRANSPORTS": "graph", "MAIL_FROM": MAILBOX, "MAIL_TO": ",".join(TEAM)}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    made = Tenant(tmp_path / "tenant")
    made.write("graph", [{"id": "u-1", "userPrincipalName": MAILBOX, "displayName": "Pullwatch"}], "users")
    return made


@pytest.fixture
def simulator(tenant: Tenant) -> Iterator[Simulator]:
    with running(tenant.root) as started:
        yield started


def fault(tenant: Tenant, effect: dict[str, Any], service: str = "graph", times: int | None = None) -> None:
    tenant.write("", [{"service": service, "effect": effect, "times": times}], "faults")


def a_message(sender: str = MAILBOX) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Über den Köpfen"
    message["From"] = sender
    message["To"] = ", ".join(TEAM)
    message["Message-ID"] = "<one@contoso.example>"
    message.set_content("one line\n.\nanother line ü\n")
    return message


def outgoing(sender: str = MAILBOX) -> Outgoing:
    return Outgoing(message=a_message(sender), mail=Mail(id="one"))


@asynccontextmanager
async def a_job(simulator: Simulator, storage: str, clock: Clock, **more: str) -> AsyncIterator[JobContext]:
    async with job_context(simulator.environment | app_settings(storage, **SETTINGS | more), clock) as job:
        yield job


async def sent(
    simulator: Simulator,
    storage: str,
    *,
    sender: str = MAILBOX,
    recipients: tuple[str, ...] = TEAM,
    seconds: float = 20.0,
) -> Receipt:
    """Sends one message by the app's own identity."""
    async with a_job(simulator, storage, Clock()) as job:
        scope = f"{job.settings.cloud.graph}/.default"
        transport = GraphTransport(job.settings.graph, lambda: job.azure.token(scope), seconds)
        receipt = await transport.send(outgoing(sender), sender, recipients)
        assert receipt.answer in ("HTTP 202", "")
        return msgspec.structs.replace(receipt, answer="")


async def refused(simulator: Simulator, storage: str, **options: Any) -> NotDelivered:
    with pytest.raises(NotDelivered) as raised:
        await sent(simulator, storage, **options)
    return raised.value


async def test_the_message_arrives_as_it_was_made(simulator: Simulator, storage: str) -> None:
    assert await sent(simulator, storage) == Receipt()
    (mail,) = simulator.graph_outbox
    assert (mail.sender, mail.kind) == (MAILBOX, "mime")
    assert mail.content == a_message().as_bytes(policy=a_message().policy.clone(linesep="\r\n"))
    read = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert read["Subject"] == "Über den Köpfen"
    assert tuple(one.addr_spec for one in read["To"].addresses) == TEAM
    assert [r.path for r in simulator.requests if r.service == "graph"] == [SEND]


async def test_a_sender_s_name_is_one_part_of_the_address_whatever_is_in_it(simulator: Simulator, storage: str) -> None:
    sender = "a?b#c%2f+d'e&f=g@contoso.example"
    assert "404" in str(await refused(simulator, storage, sender=sender))
    (request,) = [r for r in simulator.requests if r.service == "graph"]
    assert (request.path, request.query) == (f"/v1.0/users/{sender}/sendMail", "")


@pytest.mark.parametrize(
    ("caller", "sender", "told"),
    [
        ({"graph": ["/users/*/sendMail"]}, MAILBOX,
         "graph: 403 ErrorAccessDenied: Access is denied. Check credentials and try again. (the app's identity needs "
         "Mail.Send for this mailbox"),
        ({}, "nobody@contoso.example",
         "graph: 404 ErrorInvalidUser: The requested user 'nobody@contoso.example' is invalid. "
         "(PULLWATCH_MAIL_FROM has to be a mailbox)"),
    ],
)  # fmt: skip
async def test_what_the_identity_may_not_do_and_a_mailbox_that_is_not_there_are_no_fault_of_the_message(
    simulator: Simulator, tenant: Tenant, storage: str, caller: dict[str, Any], sender: str, told: str
) -> None:
    tenant.caller(**caller)
    error = await refused(simulator, storage, sender=sender)
    assert not error.uncertain
    assert str(error).startswith(told)


@pytest.mark.parametrize("status", [400, 402, 409, 413, 415, 422, 451])
@pytest.mark.parametrize("code", ["ErrorMessageSizeExceeded", "ErrorInvalidRequest", "ErrorSendAsDenied"])
async def test_no_answer_ends_a_mail_for_good(
    simulator: Simulator, tenant: Tenant, storage: str, status: int, code: str
) -> None:
    fault(tenant, {"status": status, "body": {"error": {"code": code, "message": "No."}}})
    error = await refused(simulator, storage)
    assert (str(error), error.uncertain) == (f"graph: {status} {code}: No.", False)


GONE = f"{'o' * 65}@contoso.example"


def to_of(simulator: Simulator) -> list[list[str]]:
    """Whom the messages that Exchange took are addressed to."""
    texts = [mail.content.decode() for mail in simulator.graph_outbox]
    read = [email.message_from_string(text, policy=email.policy.SMTPUTF8) for text in texts]
    return [[address.addr_spec for address in message["To"].addresses] for message in read]


async def test_a_recipient_that_cannot_be_resolved_is_refused_alone(simulator: Simulator, storage: str) -> None:
    receipt = await sent(simulator, storage, recipients=(TEAM[0], GONE, TEAM[1]))
    assert list(receipt.refused) == [GONE]
    assert receipt.refused[GONE].startswith("graph: 400 ErrorInvalidRecipients: At least one recipient is not valid., ")
    assert (receipt.later, receipt.uncertain) == ({}, False)
    assert to_of(simulator) == [[TEAM[0]], [TEAM[1]]]


async def test_where_no_recipient_can_be_resolved_each_is_refused(simulator: Simulator, storage: str) -> None:
    gone = (GONE, "ops@-contoso.example")
    receipt = await sent(simulator, storage, recipients=gone)
    assert (tuple(receipt.refused), receipt.later, simulator.graph_outbox) == (gone, {}, [])


@pytest.mark.parametrize(
    ("effect", "uncertain"),
    [({"status": 503}, False), ({"status": 429}, False), ({"status": 500}, True), ({"hang": True}, True)],
    ids=str,
)
async def test_recipients_that_were_not_reached_in_time_are_tried_later(
    simulator: Simulator, tenant: Tenant, storage: str, effect: dict[str, Any], uncertain: bool
) -> None:
    # For all of them, for the first alone, for the one that is refused; what comes next is for the last.
    rule = {"service": "graph", "effect": effect, "after": 3}
    tenant.write("", [rule], "faults")
    receipt = await sent(simulator, storage, recipients=(TEAM[0], GONE, TEAM[1]), seconds=2.0)
    assert (list(receipt.refused), list(receipt.later), receipt.uncertain) == ([GONE], [TEAM[1]], uncertain)
    assert to_of(simulator) == [[TEAM[0]]]


async def test_a_message_that_is_said_to_have_no_recipients_is_tried_again(
    simulator: Simulator, tenant: Tenant, storage: str
) -> None:
    said = "At least one recipient is not valid., A message can't be sent because it contains no recipients."
    fault(tenant, {"status": 400, "body": {"error": {"code": "ErrorInvalidRecipients", "message": said}}})
    error = await refused(simulator, storage)
    assert not error.uncertain
    assert simulator.count("graph") == 1


async def test_only_the_recipients_of_this_send_get_the_message(simulator: Simulator, storage: str) -> None:
    assert await sent(simulator, storage, recipients=TEAM[1:]) == Receipt()
    assert to_of(simulator) == [[TEAM[1]]], "the first had it already"


async def test_an_address_that_is_not_ascii_costs_no_other_the_mail(
    simulator: Simulator, tenant: Tenant, storage: str
) -> None:
    assert await sent(simulator, storage, recipients=("öps@contoso.example", *TEAM)) == Receipt()
    assert to_of(simulator) == [list(TEAM), ["öps@contoso.example"]]


@pytest.mark.parametrize("malformed", ["ops", "a b@c.example", "a@b.example\r\nBcc: x@y.example", "", "<a@b.example>"])
async def test_a_malformed_recipient_is_refused_alone(simulator: Simulator, storage: str, malformed: str) -> None:
    receipt = await sent(simulator, storage, recipients=(malformed, *TEAM))
    assert receipt == Receipt(refused={malformed: "graph: it is no address of a mailbox"})
    assert to_of(simulator) == [list(TEAM)]


@pytest.mark.parametrize("malformed", ["ops", "a b@c.example", "a@b.example\r\nBcc: x@y.example", ""])
async def test_a_malformed_sender_is_told_by_the_name_of_its_setting(
    simulator: Simulator, storage: str, malformed: str
) -> None:
    async with a_job(simulator, storage, Clock()) as job:
        transport = GraphTransport(job.settings.graph, lambda: job.azure.token("x"))
        with pytest.raises(NotDelivered, match="PULLWATCH_MAIL_FROM") as raised:
            await transport.send(outgoing(), malformed, TEAM)
    assert not raised.value.uncertain
    assert simulator.count("graph") == 0


@pytest.mark.parametrize(
    ("effect", "uncertain", "asked"),
    [
        ({"status": 429, "retry_after": 90}, False, 90.0),
        ({"status": 503, "retry_after": 5}, False, 5.0),
        ({"status": 503}, False, None),
        ({"status": 401}, False, None),
        ({"status": 408}, False, None),
        ({"status": 500}, True, None),
        ({"status": 504}, True, None),
        ({"status": 302, "headers": {"Location": f"/v1.0/users/{MAILBOX}/sendMail"}}, False, None),
        ({"garbage": True, "status": 200}, False, None),
        ({"garbage": True, "status": 503}, False, None),
        ({"close": True}, True, None),
        ({"hang": True}, True, None),
    ],
    ids=str,
)
async def test_what_may_go_better_later_is_temporary_and_uncertain_where_it_may_have_been_taken(
    simulator: Simulator, tenant: Tenant, storage: str, effect: dict[str, Any], uncertain: bool, asked: float | None
) -> None:
    fault(tenant, effect)
    error = await refused(simulator, storage, seconds=1.0)
    assert (error.uncertain, error.retry_after) == (uncertain, asked)
    assert len(str(error)) < 450
    assert len([r for r in simulator.requests if r.service == "graph"]) <= 1


async def test_without_a_token_nothing_is_asked_of_graph(simulator: Simulator, tenant: Tenant, storage: str) -> None:
    fault(tenant, {"status": 400, "body": {"statusCode": 400, "message": "no identity"}}, service="identity")
    error = await refused(simulator, storage)
    assert str(error).startswith("graph: no token for Microsoft Graph")
    assert not error.uncertain
    assert simulator.count("graph") == 0


async def test_a_server_that_cannot_be_reached_or_whose_authority_is_unknown_gets_no_message(
    simulator: Simulator,
) -> None:
    async def token() -> str:
        return "a-token-that-nobody-may-see"

    for endpoint in ("https://127.0.0.1:1", simulator.environment["PULLWATCH_GRAPH_ENDPOINT"]):
        with pytest.raises(NotDelivered) as raised:
            await GraphTransport(endpoint, token, 5.0).send(outgoing(), MAILBOX, TEAM)
        assert not raised.value.uncertain
        assert str(raised.value).startswith("graph: no connection to 127.0.0.1")
        assert "a-token" not in str(raised.value)
    assert simulator.count("graph") == 0


async def a_notice(job: JobContext) -> None:
    """Something that is to be sent."""
    await job.store.add_notice(
        Notice(kind=NoticeKind.BASELINE, run="r", sequence=1, at=job.clock(), title="3 clusters")
    )


async def test_what_is_pending_is_delivered_once(simulator: Simulator, storage: str) -> None:
    async with a_job(simulator, storage, Clock()) as job:
        await a_notice(job)
        assert await deliver_all(job) == Delivered(sent=1)
        assert await deliver_all(job) == Delivered()
        (mail,) = await job.store.list_mails()
    assert (mail.status, mail.channel.transport) == (MailStatus.SENT, "graph")
    (taken,) = simulator.graph_outbox
    read = email.message_from_bytes(taken.content, policy=email.policy.default)
    assert read["From"].addresses[0].addr_spec == MAILBOX
    assert read["Message-ID"] == mail.message_id


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (None, timedelta(minutes=1)),
        (20, timedelta(minutes=1)),
        (600, timedelta(minutes=10)),
        (86_400, timedelta(hours=1)),
    ],
)
async def test_a_service_that_asks_for_time_gets_it_but_no_more_than_an_hour(
    simulator: Simulator, tenant: Tenant, storage: str, asked: int | None, waits: timedelta
) -> None:
    clock = Clock()
    fault(tenant, {"status": 429} | ({"retry_after": asked} if asked else {}), times=1)
    async with a_job(simulator, storage, clock) as job:
        await a_notice(job)
        assert await deliver_all(job) == Delivered(later=1)
        (mail,) = await job.store.list_mails()
        assert mail.next_try == clock() + waits
        clock.forward(seconds=waits.total_seconds() - 1)
        assert await deliver_all(job) == Delivered(later=1)
        clock.forward(seconds=1)
        assert await deliver_all(job) == Delivered(sent=1)
    assert len(simulator.graph_outbox) == 1


async def test_a_mail_whose_answer_was_lost_is_sent_again_and_says_so(
    simulator: Simulator, tenant: Tenant, storage: str
) -> None:
    clock = Clock()
    fault(tenant, {"close": True}, times=1)
    async with a_job(simulator, storage, clock) as job:
        await a_notice(job)
        assert await deliver_all(job) == Delivered(later=1)
        clock.forward(minutes=1)
        assert await deliver_all(job) == Delivered(sent=1)
    (taken,) = simulator.graph_outbox
    assert "may be a repeat" in email.message_from_bytes(taken.content, policy=email.policy.default).as_string()
