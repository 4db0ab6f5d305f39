"""Every answer of the dashboard: the gate before it, the headers on it, a page for whatever goes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import ServiceRequestError

from checks.dashboard.assets import ICON, SCRIPT, STYLE_SHEET, asset
from checks.history.errors import SchemaError
from checks.jobs.context import JobContext
from checks.settings import UnusableSettings, load
from checks.web.dashboard import forms, pages
from checks.web.dashboard.respond import CONTENT_SECURITY, HEADERS, respond
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse
from checks.web.problems import QUERY, Refused, problem
from localhost.azurite import Storage
from localhost.functions_host import RunningHost, functions_host
from tests.support.dashboard import AUTH_ON, BROWSER, NAME, OBJECT_ID, answered, principal, sent, signed_in, text
from tests.support.storage import Clock, app_settings, empty, job_context

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def job(storage: str) -> AsyncIterator[JobContext]:
    async with job_context(app_settings(storage), Clock()) as opened:
        yield opened


def got(page: str = "", *roles: str, method: str = "GET", **headers: str) -> Asked:
    return Asked(method, {"page": page} if page else {}, headers=signed_in(*(roles or ("Reader",)), **headers))


def secured(answer: HttpResponse) -> None:
    """Whatever is answered has these."""
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY
    assert "unsafe" not in CONTENT_SECURITY


@asynccontextmanager
async def never() -> AsyncIterator[JobContext]:
    raise AssertionError("opened")
    yield


async def test_a_page_has_its_headers_and_gives_the_browser_a_cookie(job: JobContext) -> None:
    answer = await answered(job, got("", "Operator"))
    assert (answer.status, answer.media_type) == (200, "text/html; charset=utf-8")
    secured(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = re.fullmatch(
        rf"{forms.COOKIE}=([A-Za-z0-9_-]{{43}}); Path=/; HttpOnly; SameSite=Strict; Secure",
        answer.headers["Set-Cookie"],
    )
    assert cookie is not None
    assert forms.token_of(cookie[1], Viewer(name=NAME, id=OBJECT_ID)) in text(answer)
    again = await answered(job, got("", "Operator", cookie=f"{forms.COOKIE}={BROWSER}"))
    assert "Set-Cookie" not in again.headers


async def test_the_form_of_a_page_is_taken_back(job: JobContext) -> None:
    """What the page shows and what the browser then holds fit together."""
    page = await answered(job, got("", "Operator"))
    (token,) = set(re.findall(r'name="token" value="([0-9a-f]{64})"', text(page)))
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    assert (await answered(job, sent("runs", {"token": token}, cookie=cookie))).status == 303
    assert (await answered(job, sent("runs", {"token": token}))).status == 403


@pytest.mark.parametrize(
    "page", ["", "clusters.csv", "runs/1", "static", "static/", "static/../x", "static/a/b", "staticx/a"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_who_may_not_look_gets_nothing_and_nothing_is_opened(storage: str, page: str, method: str) -> None:
    entra = load(app_settings(storage, SIGN_IN="entra"))
    forged = got(page, "Operator", method=method)
    nobody = Asked(method, {"page": page}, headers={"host": "x"})
    for asked, environment in ((forged, {}), (nobody, AUTH_ON), (got(page, "Writer", method=method), AUTH_ON)):
        answer = await respond(asked, never, entra, environment)
        assert answer.status == 403
        secured(answer)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        assert (text(answer) == "") == (method == "HEAD")
    off = await respond(forged, never, load(app_settings(storage)), AUTH_ON)
    assert (off.status, "The dashboard is off" in text(off)) == (403, method != "HEAD")


async def test_its_own_files_are_for_the_pages_of_who_may_not_look_too() -> None:
    for file in (STYLE_SHEET, SCRIPT, ICON):
        page = Asked("GET", {"page": f"static/{asset(file).name}"})
        answer = await respond(page, never, load({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}), {})
        secured(answer)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert answer.body == asset(file).body and "Set-Cookie" not in answer.headers


async def test_a_file_that_is_not_there_is_kept_by_nobody(job: JobContext) -> None:
    gone = await answered(job, got("static/other.css"))
    assert (gone.status, gone.headers["Cache-Control"]) == (404, "no-store")
    assert (await answered(job, Asked("GET", {"page": "static/other.css"}), {})).status == 403


async def test_what_no_page_is_asks_for_no_cookie_and_is_not_kept(
    job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def progress(context: JobContext, asked: Asked, viewer: Viewer) -> HttpResponse:
        return HttpResponse(200, {"done": 1})

    monkeypatch.setattr(pages, "page", progress)
    answer = await answered(job, got("runs/1/progress.json"))
    assert (json.loads(answer.encoded()), answer.headers["Cache-Control"]) == ({"done": 1}, "no-store")
    assert "Set-Cookie" not in answer.headers


async def test_head_is_get_without_a_body(job: JobContext) -> None:
    answer = await answered(job, got(method="HEAD"))
    assert (answer.status, answer.encoded(), answer.media_type) == (200, b"", "text/html; charset=utf-8")
    assert (await answered(job, got("nothing", method="HEAD"))).status == 404


@pytest.mark.parametrize("page", ["incidents/x/acknowledge", "incidents/x/silence", "silences/x/end"])
async def test_an_address_of_forms_is_no_page(job: JobContext, page: str) -> None:
    """Somebody who had to sign in again comes back to such an address by GET."""
    answer = await answered(job, got(page, "Operator"))
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert "Nothing was done" in text(answer)


SECRET = "AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zg=="


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SchemaError(f"row x {SECRET}"), 503, "A row in storage cannot be read"),
        (ServiceRequestError(f"no route {SECRET}"), 503, "Storage does not answer"),
        (TimeoutError(), 503, "Storage does not answer"),
        (RuntimeError(SECRET), 500, "RuntimeError"),
        (Refused(problem(QUERY, "there is no parameter <x>", parameter="x")), 400, "there is no parameter &lt;x&gt;"),
    ],
)
async def test_whatever_goes_wrong_is_a_page(
    job: JobContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    said: str,
) -> None:
    async def fails(context: JobContext, asked: Asked, viewer: Viewer) -> HttpResponse:
        raise error

    monkeypatch.setattr(pages, "page", fails)
    answer = await answered(job, got())
    assert (answer.status, answer.media_type) == (status, "text/html")
    secured(answer)
    assert said in text(answer)
    assert "Zm9v" not in text(answer)
    assert bool(caplog.records) == (status != 400), "somebody can find out why"


async def test_a_hostile_name_is_text_on_the_page_that_refuses_it(job: JobContext) -> None:
    name = "</p><script src=//evil.example></script><img onerror=x>"
    said = principal("Writer")
    said["claims"] = [claim for claim in said["claims"] if claim["typ"] != "preferred_username"]
    said["claims"].append({"typ": "preferred_username", "val": name})
    page = text(await answered(job, Asked("GET", headers=signed_in(said=said))))
    assert "&lt;script" in page
    assert not re.search(r"<(script|img|style)", page)


async def test_storage_that_is_away_is_said_to_who_acts(job: JobContext) -> None:
    @asynccontextmanager
    async def away() -> AsyncIterator[JobContext]:
        raise ServiceRequestError("no route to 10.0.0.4")
        yield

    entra = load(app_settings("UseDevelopmentStorage=true", SIGN_IN="entra"))
    answer = await respond(sent("runs"), away, entra, AUTH_ON)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert "It is not known whether anything was done" in text(answer)
    assert "10.0.0.4" not in text(answer)


async def test_who_may_ask_is_not_told_which_setting_it_is() -> None:
    answer = await respond(got(), never, UnusableSettings("PULLWATCH_X takes y"), AUTH_ON)
    assert (answer.status, "PULLWATCH_X" in text(answer)) == (503, False)
    secured(answer)


@pytest.fixture(scope="module")
def host(azurite: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The real app with the stand-in for signing in, as `make demo` has it."""
    empty(azurite.connection_string)
    environment = {
        "AzureWebJobsStorage": azurite.connection_string,
        "PULLWATCH_MAIL_TRANSPORTS": "folder",
        "PULLWATCH_MAIL_FOLDER": str(tmp_path_factory.mktemp("mail")),
        "PULLWATCH_LOCAL_VIEWER": "Jo:Operator",
    }
    with functions_host(ROOT, environment, visibility_timeout=600) as running:
        yield running


@pytest.mark.parametrize("address", ["/api/dashboard", "/api/dashboard/", "/API/Dashboard?all=1"])
def test_the_host_serves_the_dashboard_at_its_bare_address(host: RunningHost, address: str) -> None:
    answer = host.get(address)
    assert answer.status == 200, (answer.body, host.log)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY
    assert b"You are Jo, an operator." in answer.body


def posted(host: RunningHost, body: bytes, **headers: str) -> tuple[int, str]:
    """The status and Location of a form that is sent, which is not followed."""
    connection = HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    try:
        connection.request("POST", "/api/dashboard/runs", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Location", "")
    finally:
        connection.close()


def test_through_the_host_a_form_is_taken_when_it_comes_from_the_page(host: RunningHost) -> None:
    page = host.get("/api/dashboard")
    (token,) = set(re.findall(rb'name="token" value="([0-9a-f]{64})"', page.body))
    cookie = page.headers["set-cookie"]
    assert re.fullmatch(r"pullwatch-form=[A-Za-z0-9_-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie), cookie
    headers = {"Content-Type": forms.MEDIA_TYPE, "Cookie": cookie.partition(";")[0], "Origin": host.url}
    status, location = posted(host, b"token=" + token, **headers)
    assert status == 303, host.log
    run = location.removeprefix("/api/dashboard/runs/")
    shown = host.get(f"/api/runs/{run}").json()
    assert isinstance(shown, dict)
    assert shown["run"] == run
    for wrong in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Cookie": ""}):
        assert posted(host, b"token=" + token, **(headers | wrong))[0] == 403


def test_through_the_host_nothing_else_is_answered(host: RunningHost) -> None:
    assert host.request("GET", "/api/dashboard", None, {"Host": "pullwatch.example"}).status == 403
    assert host.request("DELETE", "/api/dashboard/runs").status == 404
    assert host.request("HEAD", "/api/dashboard").status == 200
