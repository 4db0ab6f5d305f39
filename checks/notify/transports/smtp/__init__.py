"""Mail by an SMTP server: submission on port 587 with STARTTLS, or TLS from the first byte.

transport   one send: the session, its recipients, the message
replies     what a reply of the server means. Pure
"""

from __future__ import annotations

from checks.notify.transports.smtp.transport import SmtpSettings, SmtpTransport, Tls

__all__ = ["SmtpSettings", "SmtpTransport", "Tls"]
