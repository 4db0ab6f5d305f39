"""Transport ``folder``: each mail is an ``.eml`` file. The default where no mail server is set (local use)."""

from __future__ import annotations

import asyncio
import os
import re
from email.message import EmailMessage
from pathlib import Path

from checks.notify.transports.base import NotDelivered, Outgoing, Receipt


class FolderTransport:
    """Writes into ``folder``, which is made where it is missing. The same Message-ID is the same file."""

    name = "folder"
    addressed = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Write the file at once and whole. NotDelivered where the folder cannot be written."""
        try:
            await asyncio.to_thread(self._write, _file_name(outgoing.message), outgoing.message.as_bytes())
        except OSError as error:
            raise NotDelivered(f"folder: {error.strerror or type(error).__name__}") from error
        return Receipt(answer="written")

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.{os.getpid()}.tmp"
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)


def _file_name(message: EmailMessage) -> str:
    local = str(message["Message-ID"] or "mail").strip("<>").partition("@")[0]
    return re.sub(r"[^A-Za-z0-9.-]", "_", local)[:150].lstrip(".") + ".eml"
