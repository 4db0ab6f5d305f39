"""What a mail says, as JSON to one receiver over HTTPS.

transport   one send: the address is vetted, the request signed
payload     a mail as JSON. Pure
signature   who sent it, and when. Pure
"""

from __future__ import annotations

from checks.notify.transports.webhook.transport import WebhookTransport

__all__ = ["WebhookTransport"]
