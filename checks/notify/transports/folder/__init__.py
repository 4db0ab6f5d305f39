"""Mail as files in a folder, for development."""

from __future__ import annotations

from checks.notify.transports.folder.transport import FolderTransport

__all__ = ["FolderTransport"]
