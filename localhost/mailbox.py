"""A real SMTP server on loopback that keeps what it is given and refuses what it is told to.

with mailbox() as box:
    box.refuse("rcpt", 550, "no such mailbox", recipient="gone@example.com")
    ...
    assert box.messages[0]["Subject"] == "..."
"""

import asyncio
import contextlib
import email
import email.policy
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

START_SECONDS = 10.0
Stage = Literal["connect", "mail", "rcpt", "data"]
# Where a session can be held up: `data` is before the client may begin to write the message, `reply` after it was kept.
StallStage = Literal["connect", "mail", "rcpt", "data", "reply"]
ACCEPTED = "250 OK"


@dataclass(frozen=True)
class Delivery:
    """One message as it came: the envelope, the bytes, whether over TLS and by which login."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    tls: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@dataclass
class _Refusal:
    """`left` is how often it still applies; None: always."""

    stage: str
    answer: str | None
    recipient: str | None
    left: int | None


class Stall:
    """One session that is held up, until it is released or its client is gone. Any thread may use it."""

    def __init__(self, stage: StallStage) -> None:
        self.stage = stage
        self._reached = threading.Event()
        self._go = asyncio.Event()  # the server's loop alone touches it once there is one
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait_reached(self, timeout: float = 60.0) -> None:
        """Until a client waits there. Raises TimeoutError."""
        if not self._reached.wait(timeout):
            raise TimeoutError(f"no client came to {self.stage} within {timeout:g} s")

    def release(self) -> None:
        """Lets the session that waits there go on. Raises RuntimeError where none came to it."""
        if self._loop is None:
            raise RuntimeError(f"no client waits at {self.stage}")
        self._loop.call_soon_threadsafe(self._go.set)

    async def _hold(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached.set()
        await self._go.wait()


@dataclass
class Mailbox:
    """A running server. Any thread may use it."""

    host: str
    port: int
    # The CA that signed the server's certificate, for SSL_CERT_FILE or a client's own context; None without TLS.
    ca_file: Path | None
    _deliveries: list[Delivery] = field(default_factory=list)
    _refusals: list[_Refusal] = field(default_factory=list)
    _stalls: list[Stall] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def deliveries(self) -> list[Delivery]:
        """What was accepted, oldest first, with the envelopes."""
        with self._lock:
            return list(self._deliveries)

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages alone."""
        return [each.message for each in self.deliveries]

    def wait_for(self, count: int, timeout: float = 10.0) -> list[EmailMessage]:
        """The messages as soon as there are that many. Raises TimeoutError."""
        ends = time.monotonic() + timeout
        while len(self.deliveries) < count:
            if time.monotonic() >= ends:
                raise TimeoutError(f"{len(self.deliveries)} of {count} messages after {timeout:g} s")
            time.sleep(0.02)
        return self.messages

    def clear(self) -> None:
        """Forget messages, refusals and stalls that no session came to."""
        with self._lock:
            self._deliveries.clear()
            self._refusals.clear()
            self._stalls.clear()

    def refuse(
        self, stage: Stage, code: int, text: str = "refused", recipient: str | None = None, times: int | None = 1
    ) -> None:
        """Answer `code` at that stage the next `times` times (None: always).

        `connect` instead of the greeting (then the connection is closed), `mail` after MAIL FROM, `rcpt` after RCPT TO
        (of `recipient` only where one is given, in any case), `data` after the whole message, which is not kept.
        """
        self._add(_Refusal(stage, f"{code} {text}", recipient, times))

    def drop(self, stage: Literal["connect", "data"] = "data", times: int | None = 1) -> None:
        """Cut the connection without an answer. At `data` the message is kept, which the sender cannot know."""
        self._add(_Refusal(stage, None, None, times))

    def stall(self, stage: StallStage) -> Stall:
        """Hold the next session that comes to that stage up there.

        `connect`: before the greeting; `mail`, `rcpt`: before the answer; `data`: before the client may write the
        message; `reply`: when the message is kept, before the answer that says so. A client that is gone meanwhile ends
        its session.
        """
        stall = Stall(stage)
        with self._lock:
            self._stalls.append(stall)
        return stall

    async def _pause(self, stage: StallStage) -> None:
        """Holds a session up where it was asked for."""
        with self._lock:
            stall = next((each for each in self._stalls if each.stage == stage), None)
            if stall is not None:
                self._stalls.remove(stall)
        if stall is not None:
            await stall._hold()

    def _add(self, refusal: _Refusal) -> None:
        with self._lock:
            self._refusals.append(refusal)

    def _keep(self, delivery: Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)

    def _refusal(self, stage: Stage, recipient: str | None = None) -> _Refusal | None:
        """The first refusal that applies, counted down."""
        with self._lock:
            for each in self._refusals:
                addressed_here = each.recipient is None or (recipient or "").lower() == each.recipient.lower()
                if each.stage == stage and each.left != 0 and addressed_here:
                    each.left = None if each.left is None else each.left - 1
                    return each
        return None


@contextlib.contextmanager
def mailbox(tls: bool = False, login: tuple[str, str] | None = None, port: int = 0) -> Iterator[Mailbox]:
    """Serve on 127.0.0.1 for as long as the block runs; `port` 0 lets the system choose.

    `tls`: STARTTLS is offered and required, with a certificate for 127.0.0.1 and localhost that `box.ca_file` signed.
    `login` (user, password) is then required as well; without TLS it would go over the wire in the clear, so that is a
    ValueError.
    """
    if login and not tls:
        raise ValueError("a login needs tls=True")
    with tempfile.TemporaryDirectory(prefix="mailbox-") as folder:
        context, ca_file = _certificate(Path(folder)) if tls else (None, None)
        box = Mailbox("127.0.0.1", port, ca_file)
        server = _Thread(box, context, login)
        server.start()
        try:
            yield box
        finally:
            server.stop()


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context and the file of the CA behind it, both made now."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return context, ca_file


class _Thread:
    """The server's event loop, on a thread of its own."""

    def __init__(self, box: Mailbox, context: ssl.SSLContext | None, login: tuple[str, str] | None) -> None:
        self._box = box
        self._context = context
        self._login = login
        self._up = threading.Event()
        self._error: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mailbox", daemon=True)

    def start(self) -> None:
        """Until it listens. Raises OSError where the port is taken."""
        self._thread.start()
        self._up.wait(START_SECONDS)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        if self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_SECONDS)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await self._loop.create_server(self._session, self._box.host, self._box.port)
        except OSError as error:
            self._error = error
            self._up.set()
            return
        self._box.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._end.wait()
        server.close()

    def _session(self) -> "_Server":
        return _Server(
            _Handler(self._box),
            box=self._box,
            # Named, because the default looks this machine up in the DNS.
            hostname="localhost",
            ident="Pullwatch test mailbox",
            enable_SMTPUTF8=True,
            tls_context=self._context,
            require_starttls=self._context is not None,
            auth_required=self._login is not None,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        """AUTH PLAIN and LOGIN against the one login."""
        if not isinstance(given, LoginPassword) or self._login is None:
            return AuthResult(success=False, handled=False)
        user, password = given.login.decode(), given.password.decode()
        return AuthResult(success=(user, password) == self._login, handled=False, auth_data=user)


class _Server(SMTP):
    """aiosmtpd's protocol, with a way to refuse before the greeting."""

    def __init__(self, *arguments: Any, box: Mailbox, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._box = box

    def eof_received(self) -> bool | None:
        """A client that is gone, be it while it is held up, ends its session: nothing else would close it."""
        keep_open = super().eof_received()
        if self.transport is not None:
            self.transport.close()
        return keep_open

    async def smtp_DATA(self, arg: str) -> None:
        await self._box._pause("data")
        await super().smtp_DATA(arg)

    async def _handle_client(self) -> None:
        await self._box._pause("connect")
        refusal = self._box._refusal("connect")
        if refusal is None:
            await super()._handle_client()
            return
        if refusal.answer:
            await self.push(refusal.answer)
        if self.transport is not None:
            self.transport.close()


class _Handler:
    """aiosmtpd's hooks; their names are its interface."""

    def __init__(self, box: Mailbox) -> None:
        self._box = box

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._box._pause("mail")
        if refusal := self._box._refusal("mail"):
            return refusal.answer or ACCEPTED
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return ACCEPTED

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._box._pause("rcpt")
        if refusal := self._box._refusal("rcpt", address):
            return refusal.answer or ACCEPTED
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return ACCEPTED

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        refusal = self._box._refusal("data")
        if refusal and refusal.answer:
            return refusal.answer
        self._box._keep(_delivery(session, envelope))
        if refusal and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        await self._box._pause("reply")
        return ACCEPTED


def _delivery(session: Session, envelope: Envelope) -> Delivery:
    raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
    return Delivery(
        sender=envelope.mail_from or "",
        recipients=tuple(envelope.rcpt_tos),
        raw=raw,
        tls=session.ssl is not None,
        user=session.auth_data if session.authenticated else None,
    )
