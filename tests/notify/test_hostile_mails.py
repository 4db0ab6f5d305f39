"""Names and texts that others choose, in every field of a mail: headers, text, HTML and links stay what they are."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from itertools import product
from typing import Any, cast

import pytest
from msgspec.structs import replace

from checks.changes import Notice, NoticeKind, NoticeLine, Reason
from checks.notify.incidents import Mail, MailContext, items_of, mail_of, notice_mail
from checks.notify.message import MAX_MESSAGE, MAX_SUBJECT, compose
from tests.support.sample_mails import ACR, NOW, SHOP, WEB, access_and_pull, change, moved
from tests.support.sampling import sampled

EVIL = {
    "header": "x\r\nBcc: evil@evil.example\r\n\r\nbody",
    "line": "x\nFAIL  aks-9 <- evil.example",
    "separators": "x\u2028y\u2029z\x85FAIL  aks-9 <- evil.example\x0bFAIL  aks-9 <- evil.example",
    "bidi": "\u202eevil\u2066\u200f\u061c",
    "control": "\x1b[31m\x07\x00\x9b",
    "surrogate": "\ud800\udfff",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "template": "{{ 7 * 7 }}{% raw %}",
    "link": "javascript:alert(1)",
    "html": "</pre></div></td></tr></table><a href='https://evil.example'>x</a>",
    "long": "z" * 10_000,
    "words": "لا " * 2000,
    "encoded": "=?utf-8?q?Bcc=3A_evil=40evil.example?=",
    "boundary": "\n--===============\nContent-Type: text/html\n\n<script>",
}
FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
HEADERS = {
    "Subject",
    "From",
    "To",
    "Date",
    "Message-ID",
    "List-Id",
    "Auto-Submitted",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
}
TAGS = re.compile(r"html|head|meta|title|body|div|h1|p|span|b|br|table|tr|th|td|a|pre")


class Page(HTMLParser):
    """The tags, attributes and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src")}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def sent(mail: Mail, recipients: tuple[str, ...] = ("a@b.example",)) -> EmailMessage:
    """The message as a mail program reads it."""
    made = compose(mail, message_id="<1@x>", sender="pw@contoso.example", recipients=recipients, now=NOW, repeat=True)
    raw = made.as_bytes()
    assert len(raw) < MAX_MESSAGE
    return cast(EmailMessage, message_from_bytes(raw, policy=default))


def assert_intact(mail: Mail) -> None:
    message = sent(mail)
    assert set(message.keys()) <= HEADERS
    assert len(str(message["Subject"])) <= MAX_SUBJECT
    assert not any(re.search(r"[\r\n]", str(value)) for value in message.values())
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    text, html = (str(part.get_content()) for part in message.iter_parts())
    assert not FORBIDDEN.search(text + html + str(message["Subject"]))
    assert not re.search(r"^FAIL  aks-9", text, re.MULTILINE)
    assert "49" not in re.sub(r"\d+-\w+|\d\d:\d\d", "", text.replace("{{ 7 * 7 }}", ""))
    page = Page()
    page.feed(html)
    assert page.open == []
    assert all(map(TAGS.fullmatch, page.tags))
    assert page.attributes <= {"lang", "charset", "name", "content", "style", "width", "colspan", "href"}
    assert all(link.startswith(("https://portal.azure.com/#resource/", "https://pw.example/")) for link in page.links)


KNOWN = MailContext(portal="https://portal.azure.com", dashboard="https://pw.example/")


def of_field(field: str, evil: str) -> Mail:
    """A mail with a hostile text in one place."""
    steps: dict[str, Any] = {}
    known, of, rows, mail_id, route = KNOWN, WEB, {}, "1-a", ""
    if field in ("registry", "cause", "summary", "before_cause"):
        steps[field] = evil
    elif field == "fix":
        steps["fix"] = (evil, f"# {evil}")
    elif field == "cluster":
        of = f"{WEB}{evil}"
    elif field == "facet":
        return mail_of(items_of([change(moved(Reason.REGRESSED, evil))]), mail_id, known=known)
    elif field == "verdict":
        rows = {"pull": evil, "basis": (evil,)}
    elif field == "subscription":
        known = replace(known, subscriptions={SHOP: evil})
    elif field == "waiting":
        known = replace(known, waiting={(WEB.lower(), ACR): (evil, evil)})
    elif field == "registry_id":
        known = replace(known, registry_ids={ACR: f"/subscriptions/{evil}"})
    elif field in ("why", "portal", "dashboard"):
        known = replace(known, **{field: evil})
    elif field == "refused":
        known = replace(known, refused=(evil,))
    elif field == "route":
        route = evil
    reason = Reason.CAUSE_CHANGED if field == "before_cause" else Reason.REGRESSED
    made = change(*access_and_pull(reason, **steps), of=of)
    made = replace(made, rows=tuple(replace(row, **rows) for row in made.rows))
    return mail_of(items_of([made]), mail_id, route, known=known)


FIELDS = [
    *("cluster", "registry", "cause", "before_cause", "summary", "fix", "facet", "verdict", "subscription", "waiting"),
    *("registry_id", "why", "portal", "dashboard", "refused", "route"),
]


@pytest.mark.parametrize(("field", "evil"), sampled(product(FIELDS, EVIL), 4))
def test_a_hostile_text_in_a_field_stays_text(field: str, evil: str) -> None:
    assert_intact(of_field(field, EVIL[evil]))


@pytest.mark.parametrize(("kind", "evil"), sampled(product(NoticeKind, EVIL), 4))
def test_a_hostile_text_in_a_notice_stays_text(kind: NoticeKind, evil: str) -> None:
    text = EVIL[evil]
    line = NoticeLine(
        cluster=f"{WEB}{text}",
        registry=text,
        facets=(text,),
        cause=text,
        since=NOW,
        summary=text,
        fix=(text,),
        basis=(text,),
    )
    facts = (text,) * 40
    notice = Notice(kind=kind, run=text, sequence=1, at=NOW, title=text, facts=facts, lines=(line,) * 3, more=2)
    assert_intact(notice_mail(notice, "1-a", known=KNOWN))


@pytest.mark.parametrize(
    "evil", ["a@b.example\r\nBcc: x@evil.example", "a b", "", "@", "müller@b.example", "a@", "<a@b>"]
)
def test_a_recipient_that_no_header_can_name_keeps_no_other_from_it(evil: str) -> None:
    message = sent(of_field("", ""), (evil, "ops@contoso.example"))
    assert "ops@contoso.example" in str(message["To"])
    assert set(message.keys()) <= HEADERS
    assert str(sent(of_field("", ""), (evil,))["Auto-Submitted"]) == "auto-generated"


def test_a_mail_has_a_list_id_and_names_its_threads() -> None:
    message = sent(of_field("before_cause", "identity-deleted"))
    assert str(message["List-Id"]) == "Pullwatch <pullwatch.contoso.example>"
    assert str(message["References"]).split()[-1] == str(message["In-Reply-To"])
    assert len(str(message["References"]).split()) == 2


@pytest.mark.parametrize("field", ["cluster", "registry", "cause"])
def test_a_name_like_an_encoded_word_is_shown_and_not_decoded(field: str) -> None:
    name = "=?utf-8?q?all_is_well?="
    of = WEB.replace("aks-shop-web", name) if field == "cluster" else WEB
    more = {field: name} if field != "cluster" else {}
    mail = mail_of(items_of([change(*access_and_pull(Reason.REGRESSED, **more), of=of)]), "1")
    message = sent(mail)
    assert "= ?utf-8?q?all_is_well?=" in str(message["Subject"])
    assert "all is well" not in str(message["Subject"])
    assert name in str(message.get_body(("plain",)).get_content())  # type: ignore[union-attr]


@pytest.mark.parametrize("reason", [Reason.REGRESSED, Reason.CAUSE_CHANGED, Reason.BLIND, Reason.MORE_FAILING])
def test_without_a_cause_a_subject_has_no_brackets(reason: Reason) -> None:
    message = sent(mail_of(items_of([change(moved(reason, cause="", gap=""))]), "1"))
    assert "(" not in str(message["Subject"])
    assert "aks-shop-web" in str(message["Subject"])
