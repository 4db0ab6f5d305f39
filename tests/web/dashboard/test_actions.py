"""What is done on the dashboard is done as over the API, and who did it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from checks.history.errors import LimitError
from checks.history.table.store import Store
from checks.jobs.messages import PlanMessage
from checks.settings import LocalViewer
from checks.silences import MAX_REASON
from checks.web.dashboard.gate import OPERATOR
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked
from tests.support.dashboard import NAME, OBJECT_ID, OID, answered, encoded, principal, sent, text, token
from tests.support.held import SUBSCRIPTION, Held, held_fleet
from tests.support.queued_jobs import take
from tests.support.reports import REGISTRY

WHO = f"{NAME} ({OBJECT_ID})"


@pytest.fixture
async def held(storage: str) -> AsyncIterator[Held]:
    async with held_fleet(storage) as there:
        yield there


async def incident(held: Held) -> str:
    (one,) = (await held.get("incidents"))["incidents"]
    return str(one["id"])


async def silences(held: Held, **query: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await held.get("silences", query={k: [v] for k, v in query.items()}))["silences"]
    return listed


async def test_an_acknowledgement_is_kept_with_who_made_it(held: Held) -> None:
    name = await incident(held)
    done = await answered(held.job, sent(f"incidents/{name}/acknowledge", {"comment": " I look at it "}))
    assert (done.status, done.headers["Location"]) == (303, f"/api/dashboard/incidents/{name}?done=acknowledged")
    (kept,) = await silences(held)
    assert (kept["kind"], kept["author"], kept["reason"]) == ("ack", WHO, "I look at it")
    assert (await held.get("incident", path={"id": name}))["state"] == "acknowledged"


def by(number: int, page: str, fields: dict[str, str]) -> Asked:
    """A form of somebody else."""
    other = f"{OBJECT_ID[:-1]}{number}"
    claims = [{"typ": OID, "val": other}, {"typ": "preferred_username", "val": NAME}, {"typ": "roles", "val": OPERATOR}]
    signed = {"x_ms_client_principal": encoded(principal(claims=claims)), "x_ms_client_principal_id": other}
    return sent(page, fields | {"token": token(Viewer(name=NAME, id=other, operator=True))}, OPERATOR, **signed)


async def test_who_was_first_is_told_to_who_comes_after(held: Held) -> None:
    name = await incident(held)
    forms = [by(number, f"incidents/{name}/acknowledge", {"comment": f"comment {number}"}) for number in range(4)]
    answers = await asyncio.gather(*(answered(held.job, form) for form in forms))
    assert sorted(answer.status for answer in answers) == [303, 412, 412, 412]
    (kept,) = await silences(held)
    for answer in answers:
        assert answer.status == 303 or (kept["author"] in text(answer) and kept["reason"] in text(answer))
    late = await answered(held.job, by(5, f"incidents/{name}/acknowledge", {"comment": "late"}))
    assert late.status == 412
    assert f'href="/api/dashboard/incidents/{name}"' in text(late)


async def test_a_form_that_is_sent_twice_is_no_conflict_with_oneself(held: Held) -> None:
    name = await incident(held)
    form = sent(f"incidents/{name}/acknowledge", {"comment": "I look at it"})
    done = [(await answered(held.job, form)).headers["Location"].rpartition("=")[2] for _ in range(2)]
    assert done == ["acknowledged", "already"]
    (kept,) = await silences(held)
    end = sent(f"silences/{kept['id']}/end")
    done = [(await answered(held.job, end)).headers["Location"].rpartition("=")[2] for _ in range(2)]
    assert done == ["ended", "over"]


@pytest.mark.parametrize("comment", ["", "   ", "\x00\x1b", "\u200b"], ids=ascii)
@pytest.mark.parametrize(("page", "more"), [("acknowledge", {}), ("silence", {"hours": "1"})])
async def test_a_comment_says_something(held: Held, page: str, more: dict[str, str], comment: str) -> None:
    answer = await answered(held.job, sent(f"incidents/{await incident(held)}/{page}", more | {"comment": comment}))
    assert (answer.status, "The comment is empty" in text(answer)) == (400, True)
    assert await silences(held) == []


@pytest.mark.parametrize("hours", [1, 4, 8, 24, 72])
async def test_a_silence_is_of_the_incidents_root_for_as_long_as_was_chosen(held: Held, hours: int) -> None:
    name = await incident(held)
    done = await answered(held.job, sent(f"incidents/{name}/silence", {"hours": str(hours), "comment": "why"}))
    assert (done.status, done.headers["Location"]) == (303, f"/api/dashboard/incidents/{name}?done=silenced")
    (kept,) = (await held.job.store.list_silences()).silences
    assert kept.matchers.given() == {"registry": REGISTRY, "cause": "role-missing"}
    assert kept.until - kept.created == timedelta(hours=hours)
    assert (kept.author, kept.reason) == (WHO, "why")
    assert (await held.get("incident", path={"id": name}))["state"] == "silenced"


@pytest.mark.parametrize("hours", ["0", "2", "-1", "72000", "1.5", "", "x"])
async def test_other_hours_are_refused(held: Held, hours: str) -> None:
    asked = sent(f"incidents/{await incident(held)}/silence", {"hours": hours, "comment": "why"})
    assert (await answered(held.job, asked)).status == 400
    assert await silences(held) == []


async def test_a_silence_is_ended(held: Held) -> None:
    await answered(held.job, sent(f"incidents/{await incident(held)}/acknowledge", {"comment": "why"}))
    (kept,) = await silences(held)
    done = await answered(held.job, sent(f"silences/{kept['id']}/end"))
    assert (done.status, done.headers["Location"]) == (303, "/api/dashboard/silences?done=ended")
    assert await silences(held) == []


@pytest.mark.parametrize("given", ["", SUBSCRIPTION, SUBSCRIPTION.upper()])
async def test_a_run_is_asked_for_in_the_name_of_who_asks(storage: str, held: Held, given: str) -> None:
    fields = {"subscription": given} if given else {}
    done = await answered(held.job, sent("runs", fields))
    assert done.status == 303
    run = done.headers["Location"].removeprefix("/api/dashboard/runs/")
    assert (await held.get("runs", path={"id": run}))["status"] == "requested"
    (message,) = take(storage)
    assert isinstance(message, PlanMessage)
    assert (message.requested_by, message.subscriptions) == (
        WHO,
        (SUBSCRIPTION.replace("-", "").lower(),) if given else (),
    )
    again = await answered(held.job, sent("runs", fields))
    assert again.headers["Location"] == done.headers["Location"], "who asks for the same gets the same run"


@pytest.mark.parametrize("given", ["x", f"{SUBSCRIPTION}\n", f"{SUBSCRIPTION},{SUBSCRIPTION}", "../../x"])
async def test_a_run_over_what_is_no_subscription_is_refused(storage: str, held: Held, given: str) -> None:
    assert (await answered(held.job, sent("runs", {"subscription": given}))).status == 400
    assert take(storage) == []


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("incidents/0000000000000000/acknowledge", {"comment": "why"}),
        ("incidents/' or 1 eq 1/acknowledge", {"comment": "why"}),
        ("incidents/0000000000000000/silence", {"comment": "why", "hours": "1"}),
        ("silences/0a0a/end", {}),
        ("silences/' or RowKey ge 'a/end", {}),
        ("", {}),
        ("incidents", {}),
        ("incidents/x/acknowledge/y", {"comment": "why"}),
        ("runs/x", {}),
        ("static/dashboard.css", {}),
    ],
)
async def test_what_is_not_there_is_a_page_that_says_that_nothing_was_done(
    held: Held, page: str, fields: dict[str, str]
) -> None:
    answer = await answered(held.job, sent(page, fields))
    assert (answer.status, answer.media_type) == (404, "text/html")
    assert "Nothing was done" in text(answer)


async def test_an_incident_that_is_over_is_not_acknowledged(held: Held) -> None:
    name = await incident(held)
    await held.look(aks_1="pass", aks_4="pass")
    assert (await answered(held.job, sent(f"incidents/{name}/acknowledge", {"comment": "why"}))).status == 404
    assert await silences(held) == []


async def test_too_many_silences_are_a_conflict(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    name = await incident(held)

    async def full(self: Store, silence: object) -> None:
        raise LimitError("1000 silences hold")

    monkeypatch.setattr(Store, "add_silence", full)
    for page, fields in (("acknowledge", {}), ("silence", {"hours": "1"})):
        answer = await answered(held.job, sent(f"incidents/{name}/{page}", {"comment": "why"} | fields))
        assert (answer.status, "1000 silences hold" in text(answer)) == (409, True)


@pytest.mark.parametrize("page", ["incidents/{}/acknowledge", "incidents/{}/silence", "silences/0a0a/end", "runs"])
async def test_a_reader_does_nothing_and_is_told_what_it_takes(storage: str, held: Held, page: str) -> None:
    asked = sent(page.format(await incident(held)), {"comment": "why", "hours": "1"}, "Reader")
    answer = await answered(held.job, asked)
    assert answer.status == 403
    assert "The app role Operator is missing" in text(answer)
    assert "appRoleAssignedTo" in text(answer)
    assert (await silences(held), take(storage)) == ([], [])


async def test_a_reader_on_this_machine_is_told_of_the_setting(held: Held) -> None:
    reader = msgspec.structs.replace(held.job.settings, local_viewer=LocalViewer("Jo", "Reader"))
    answer = await answered(held.job, sent("runs", host="localhost:7071"), {}, reader)
    assert (answer.status, "PULLWATCH_LOCAL_VIEWER" in text(answer), "az " in text(answer)) == (403, True, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"origin": "https://evil.example"},
        {"cookie": ""},
        {"content_type": "text/plain"},
    ],
    ids=str,
)
async def test_another_site_does_nothing(storage: str, held: Held, headers: dict[str, str]) -> None:
    name = await incident(held)
    for page in (f"incidents/{name}/acknowledge", f"incidents/{name}/silence", "runs"):
        answer = await answered(held.job, sent(page, {"comment": "why", "hours": "1"}, **headers))
        assert (answer.status in (403, 415), "Nothing was done" in text(answer)) == (True, True)
    assert (await silences(held), take(storage)) == ([], [])


async def test_a_comment_is_bounded_and_kept_without_secrets_and_control_characters(held: Held) -> None:
    name = await incident(held)
    long = await answered(held.job, sent(f"incidents/{name}/acknowledge", {"comment": "x" * (MAX_REASON + 1)}))
    assert long.status == 400
    hostile = "<script>\x1b[31m AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYg=="
    await answered(held.job, sent(f"incidents/{name}/acknowledge", {"comment": hostile}))
    (kept,) = await silences(held)
    assert "Zm9v" not in kept["reason"]
    assert kept["reason"].isprintable()
    again = await answered(held.job, by(1, f"incidents/{name}/acknowledge", {"comment": "why"}))
    assert "<script>" not in text(again)
    assert "&lt;script&gt;" in text(again)
