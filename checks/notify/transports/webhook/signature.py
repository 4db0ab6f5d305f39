"""The signature of a request: HMAC-SHA256 with the shared secret over the time, a dot and the body. Pure."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

HEADER = "X-Pullwatch-Signature"


def signature_of(secret: str, body: bytes, now: datetime) -> str:
    """``t=<unix seconds>,v1=<hex>``. The time is signed too, so that a receiver can turn down what is old."""
    seconds = int(now.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
