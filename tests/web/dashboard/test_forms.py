"""Forms are taken only from the dashboard's own pages: every combination of headers, tokens, shapes."""

from __future__ import annotations

import itertools
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from checks.web.dashboard import forms
from checks.web.dashboard.forms import browser, read_form, token_of
from checks.web.dashboard.refusal import RefusedError
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked
from checks.web.reading import MAX_BODY
from tests.support.dashboard import BROWSER, HOST, VIEWER, sent, token

LOCAL = Viewer(name="Jo", operator=True, local=True)


class Form(msgspec.Struct, frozen=True):
    """A form."""

    comment: Annotated[str, Meta(max_length=9)]
    hours: int = 1


def refused(asked: Asked, viewer: Viewer = VIEWER) -> int:
    with pytest.raises(RefusedError) as raised:
        read_form(asked, viewer, Form)
    assert raised.value.refusal.title == "Nothing was done"
    return raised.value.refusal.status


def without(asked: Asked, *names: str) -> Asked:
    headers = {name: value for name, value in asked.headers.items() if name not in names}
    return msgspec.structs.replace(asked, headers=headers)


def with_body(body: bytes, **headers: str) -> Asked:
    return msgspec.structs.replace(sent("x", None, **headers), body=body)


def test_a_form_is_read_with_its_types() -> None:
    assert read_form(sent("x", {"comment": "a &=ü", "hours": "4"}), VIEWER, Form) == Form("a &=ü", 4)
    assert read_form(sent("x", {"comment": ""}), VIEWER, Form) == Form("")
    typed = sent("x", {"comment": "a"}, content_type="Application/x-www-form-urlencoded; charset=UTF-8")
    assert read_form(typed, VIEWER, Form) == Form("a")


SITES = ("same-origin", "same-site", "cross-site", "none", "", "SAME-ORIGIN", "same-origin,cross-site", None)
ORIGINS = {
    f"https://{HOST}": True,
    f"HTTPS://{HOST.upper()}": True,
    f"http://{HOST}": False,
    f"https://{HOST}:8443": False,
    f"https://{HOST}.evil.example": False,
    f"https://evil.example/{HOST}": False,
    "https://evil.example": False,
    "null": False,
    "": False,
}


@pytest.mark.parametrize(("site", "origin"), list(itertools.product(SITES, [*ORIGINS, None])))
def test_both_headers_have_to_fit_where_they_are_there_and_one_has_to_be(site: str | None, origin: str | None) -> None:
    asked = without(sent("x", {"comment": "a"}), "sec-fetch-site", "origin")
    given = {"sec-fetch-site": site, "origin": origin}
    headers = asked.headers | {name: value for name, value in given.items() if value is not None}
    asked = msgspec.structs.replace(asked, headers=headers)
    fits = site in ("same-origin", None) and (origin is None or ORIGINS[origin]) and (site, origin) != (None, None)
    if fits:
        assert read_form(asked, VIEWER, Form) == Form("a")
    else:
        assert refused(asked) == 403


def test_an_origin_without_a_host_to_compare_with_is_none() -> None:
    assert refused(without(sent("x", {"comment": "a"}, origin="https://"), "host", "sec-fetch-site")) == 403


def test_behind_a_front_end_of_the_platform_the_origin_is_that_which_people_see() -> None:
    asked = sent("x", {"comment": "a"}, host="10.0.0.4", disguised_host=HOST)
    assert read_form(asked, VIEWER, Form) == Form("a")


def test_the_stand_in_is_served_without_tls() -> None:
    cookie = f"{forms.LOCAL_COOKIE}={BROWSER}"
    fields = {"comment": "a", "token": token(LOCAL)}
    here = sent("x", fields, host="127.0.0.1:7071", origin="http://127.0.0.1:7071", cookie=cookie)
    assert read_form(here, LOCAL, Form) == Form("a")
    assert (
        refused(sent("x", fields, host="127.0.0.1:7071", origin="http://127.0.0.1:7072", cookie=cookie), LOCAL) == 403
    )
    assert refused(sent("x", fields, host="127.0.0.1:7071", origin="http://127.0.0.1:7071"), LOCAL) == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"token": ""},
        {"token": "0" * 64},
        {"token": BROWSER},
        {"token": token(browser="c" * 43)},
        {"token": token(Viewer(name="eve@contoso.example", id=VIEWER.id))},
        {"token": token(Viewer(name=VIEWER.name, id="0" * 36))},
        {"token": token() + "0"},
        {"token": token().upper()},
        {"token": "é"},
    ],
    ids=str,
)
def test_a_token_of_another_browser_or_person_is_refused(fields: dict[str, str]) -> None:
    assert refused(sent("x", fields | {"comment": "a"})) == 403


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "AppServiceAuthSession=x",
        f"{forms.LOCAL_COOKIE}={BROWSER}",
        f"pullwatch-form={BROWSER}; __host-pullwatch-form={BROWSER}",
        f"{forms.COOKIE}=",
        f"{forms.COOKIE}=short",
        f"{forms.COOKIE}={'c' * 43}",
        f"{forms.COOKIE}={BROWSER}; {forms.COOKIE}={'c' * 43}",
        f"{forms.COOKIE}={BROWSER}; {forms.COOKIE}={BROWSER}",
        f'{forms.COOKIE}="{BROWSER}"',
    ],
)
def test_without_the_one_cookie_that_was_set_nothing_is_taken(cookie: str) -> None:
    assert refused(sent("x", {"comment": "a"}, cookie=cookie)) == 403


def test_no_token_at_all_is_refused() -> None:
    assert refused(with_body(b"comment=a")) == 403
    assert refused(with_body(b"")) == 403


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "application/json", f"{forms.MEDIA_TYPE}2"])
def test_only_a_form_is_a_form(kind: str) -> None:
    assert refused(sent("x", {"comment": "a"}, content_type=kind)) == 415


def test_another_charset_and_a_missing_type_are_refused() -> None:
    assert refused(sent("x", {"comment": "a"}, content_type=f"{forms.MEDIA_TYPE}; charset=utf-7")) == 415
    assert refused(without(sent("x", {"comment": "a"}), "content-type")) == 415


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"", 400),
        (b"&comment=a&comment=a", 400),
        (b"&comment=a&token=x", 400),
        (b"&comment=a&other=1", 400),
        (b"&comment=a&Comment=a", 400),
        (b"&comment=0123456789", 400),
        (b"&comment=a&hours=x", 400),
        (b"&comment=a&hours=", 400),
        (b"&comment=a&hours=1.5", 400),
        (b"&comment=%ff", 400),
        (b"&comment=\xc3\xbc", 400),
        (b"&comment", 400),
        (b"&comment=a" + b"&x=" * 30, 400),
        (b"&comment=" + b"a" * MAX_BODY, 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unknown_repeated_missing_and_broken_fields_are_refused(more: bytes, status: int) -> None:
    assert refused(with_body(b"token=" + token().encode() + more)) == status


def test_what_was_sent_is_repeated_bounded_and_without_secrets() -> None:
    name = "AccountKey%3DZm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zg%3D%3D"
    with pytest.raises(RefusedError) as raised:
        read_form(with_body(f"token={token()}&comment=a&{name}=1&".rstrip("&").encode()), VIEWER, Form)
    assert "Zm9v" not in str(raised.value)
    with pytest.raises(RefusedError) as raised:
        read_form(with_body(f"token={token()}&comment=a&{'x' * 9000}=1".encode()), VIEWER, Form)
    assert len(str(raised.value)) < 250


def test_a_browser_gets_its_cookie_once() -> None:
    value, header = browser(Asked("GET"), VIEWER)
    assert header == f"{forms.COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert browser(Asked("GET", headers={"cookie": f"a=b; {forms.COOKIE}={value}"}), VIEWER) == (value, "")
    assert browser(Asked("GET"), VIEWER)[0] != value
    assert value not in token_of(value, VIEWER)


def test_over_http_the_cookie_has_a_name_that_browsers_take() -> None:
    value, header = browser(Asked("GET"), LOCAL)
    assert header == f"{forms.LOCAL_COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict"
    other, fresh = browser(Asked("GET", headers={"cookie": f"{forms.COOKIE}={value}"}), LOCAL)
    assert (other != value, bool(fresh)) == (True, True)
