"""What an answer of Microsoft Graph to sendMail means. Pure.

Of all that it says, one thing is final: that a recipient cannot be resolved (400, ErrorInvalidRecipients: "At least one
recipient is not valid., Recipient 'bad' is not resolved. All recipients must be resolved before a message can be
submitted."), and only where the request was for this recipient alone. The same code with "contains no recipients" comes
and goes (microsoftgraph/msgraph-sdk-dotnet, issue 1891), so it says nothing of anybody. What the identity may not do
(401, 403), a mailbox that is not there (404), throttling and 5xx are repaired by somebody, and the mail still goes.

Source: "user: sendMail" in the reference of Microsoft Graph v1.0; the codes are those of Exchange Web Services
(ResponseCode: ErrorInvalidRecipients, ErrorInvalidSmtpAddress).
"""

from __future__ import annotations

import msgspec

from checks.notify.transports.base import reason_of
from checks.notify.transports.http import Answer

ACCEPTED = 202
# After these the message may have been taken all the same.
UNCERTAIN = frozenset({500, 502, 504})
_ABOUT_RECIPIENTS = frozenset({"errorinvalidrecipients", "errorinvalidsmtpaddress"})
_ABOUT_NOBODY = "contains no recipients"
_HINTS = {
    401: "the app's identity was not accepted",
    403: "the app's identity needs Mail.Send for this mailbox, and PULLWATCH_MAIL_FROM has to be its own address",
    404: "PULLWATCH_MAIL_FROM has to be a mailbox",
}


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Body(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def is_about_recipients(answer: Answer) -> bool:
    """Whether the message was not taken for one of its recipients."""
    error = _error(answer)
    if answer.status != 400 or error is None or _ABOUT_NOBODY in error.message.lower():
        return False
    return error.code.lower() in _ABOUT_RECIPIENTS


def reason(answer: Answer) -> str:
    """Status, code and message of an answer, with what is to be done where that is known."""
    hint = f" ({_HINTS[answer.status]})" if answer.status in _HINTS else ""
    return f"{answer.status} {_said(answer)}".strip() + hint


def _said(answer: Answer) -> str:
    error = _error(answer)
    if error is None:
        return reason_of(answer.body.decode("utf-8", "replace"))
    return reason_of(f"{error.code}: {error.message}" if error.code else error.message)


def _error(answer: Answer) -> _Error | None:
    try:
        return msgspec.json.decode(answer.body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
