"""What the reply of a mail server to RCPT means for its recipient. Pure.

A reply is final where it says that this mailbox does not take mail: by its enhanced code 5.1.x (address) or 5.2.x
(mailbox), but for those about the sender (5.1.7, 5.1.8); without one, by the code 550, 551 or 553. What it says of a
policy (5.7.x), the server (5.3.x), the network (5.4.x) or the message is repaired by somebody, and the mail still goes.

Source: RFC 3463, section 3; RFC 5321, section 4.2.3.
"""

from __future__ import annotations

import re

_ENHANCED = re.compile(r"\s*([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_MAILBOX_UNAVAILABLE = frozenset({550, 551, 553})
_ABOUT_THE_SENDER = frozenset({("1", "7"), ("1", "8")})


def refuses_mailbox(code: int, text: str) -> bool:
    """Whether a reply says that the recipient's mailbox does not take this mail, now or later."""
    if not 500 <= code <= 599:
        return False
    enhanced = _ENHANCED.match(text)
    if enhanced is None:
        return code in _MAILBOX_UNAVAILABLE
    kind, subject, detail = enhanced.groups()
    return kind == "5" and subject in ("1", "2") and (subject, detail) not in _ABOUT_THE_SENDER
