"""Facts about registries beyond who may pull: what probing one showed, what ARM tells of its performance, and the pulls
that Azure Monitor counted.

Like ``facts``: frozen plain data, names of the field, None for what the wire did not carry. Times are ISO 8601, UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What a probe came to. Stable: the causes of PW201. ``reached`` is the good one."""

    REACHED = "reached"
    NOT_CONTACTED = "not-contacted"
    ADDRESS_REFUSED = "address-refused"
    DNS_ERROR = "dns-error"
    DNS_UNANSWERED = "dns-unanswered"
    CONNECT_REFUSED = "connect-refused"
    CONNECT_TIMEOUT = "connect-timeout"
    CONNECT_ERROR = "connect-error"
    SSL_ERROR = "ssl-error"
    CERTIFICATE_EXPIRED = "certificate-expired"
    FORBIDDEN = "forbidden-error"
    CHALLENGE = "challenge-error"
    WWW_AUTHENTICATE = "www-authenticate-error"
    AAD_LOGIN = "aad-login-error"
    IDENTITY = "identity-error"
    REFRESH_TOKEN = "refresh-token-error"
    ACCESS_TOKEN = "access-token-error"
    TOO_MANY_REQUESTS = "too-many-requests-error"


class DataEndpoint(msgspec.Struct, frozen=True):
    """One data endpoint of a registry (``dataEndpointHostNames``), looked at as far as TLS."""

    host: str
    outcome: Outcome
    detail: str


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What one login server showed from where Pullwatch runs.

    ``steps`` tell in order what was done and seen. ``canonical`` is the name at the end of the CNAME chain where the
    resolver told one; ``elsewhere``: a developer's PULLWATCH_CONNECT_TO said where the host is, so no name was asked.
    ``client_address`` is the address a registry's firewall named when it refused. ``signed_in``: the token exchange
    was gone through; ``repository`` is the one an access token was asked for.
    """

    host: str
    outcome: Outcome
    detail: str
    steps: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    canonical: str | None = None
    elsewhere: bool = False
    certificate_from: str | None = None
    certificate_until: str | None = None
    status: int | None = None
    retry_after: int | None = None
    client_address: str | None = None
    signed_in: bool = False
    repository: str | None = None
    data: tuple[DataEndpoint, ...] = ()


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """A replica. ``status`` is status.displayStatus ("Ready"), ``routed`` regionEndpointEnabled."""

    name: str
    location: str
    provisioning_state: str | None = None
    status: str | None = None
    routed: bool | None = None


class Usage(msgspec.Struct, frozen=True):
    """One row of ``listUsages``. A limit of -1 is none; "Size" has the billing threshold as its limit, not a cap."""

    name: str
    current: int
    limit: int | None
    unit: str | None = None


class CacheRule(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact cache rule: ``target`` (may end in "*") is filled from ``source``."""

    name: str
    source: str
    target: str
    credential_set_id: str | None = None
    provisioning_state: str | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One of a credential set's ``authCredentials`` with its ``credentialHealth``."""

    name: str | None = None
    health: str | None = None
    error_code: str | None = None
    error: str | None = None
    secret: str | None = None


class CredentialSet(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials with which cache rules reach an upstream. ``principal_id`` is the identity that reads them."""

    id: str
    name: str
    login_server: str | None = None
    principal_id: str | None = None
    credentials: tuple[Credential, ...] = ()


class PullHour(msgspec.Struct, frozen=True, gc=False):
    """The pulls that a registry counted in the hour from ``start`` (UTC): never more successful ones than all."""

    start: datetime
    pulls: int
    successful: int

    @property
    def failed(self) -> int:
        """Those that did not succeed."""
        return self.pulls - self.successful


class PullCounts(msgspec.Struct, frozen=True):
    """Pulls by all callers of a registry, by the hour, oldest first, and ``until`` when they were asked for (UTC).

    An hour in which nothing was counted may be missing or have zero pulls.
    """

    until: datetime
    hours: tuple[PullHour, ...]
