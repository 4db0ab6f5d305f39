"""Mail by Microsoft Graph's sendMail, under the app's own identity, without a password.

transport   one send: the token, the requests
answers     what an answer of Microsoft Graph means. Pure
"""

from __future__ import annotations

from checks.notify.transports.graph.transport import GraphTransport

__all__ = ["GraphTransport"]
