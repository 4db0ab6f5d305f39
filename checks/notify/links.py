"""Links in mails: only to addresses that the app's own settings or its cloud name. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

MAX_LINK = 1000


def portal_link(portal: str, resource_id: str) -> str:
    """A resource's page in the Azure portal; "" where either is not known."""
    if not resource_id.lower().startswith("/subscriptions/") or not web_address(portal):
        return ""
    return web_address(f"{portal.rstrip('/')}/#resource{quote(resource_id, safe='/', errors='replace')}")


def web_address(address: str) -> str:
    """The address where it is one of a web page; "" for anything else, such as a script."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    plain = address.isascii() and address.isprintable() and not set(address) & set(" \"'<>\\`")
    return address if plain and parts.scheme in ("https", "http") and parts.netloc and len(address) <= MAX_LINK else ""
