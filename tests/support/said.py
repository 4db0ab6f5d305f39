"""A command on the app's storage, run in this process as somebody types it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.cli import typed


class Said:
    """What a command said, and its exit code."""

    def __init__(self, storage: str | None, *arguments: str, **environment: str) -> None:
        done = typed(({"AzureWebJobsStorage": storage} if storage else {}) | environment, *arguments)
        self.code, self.out, self.errors = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> dict[str, Any]:
        """Its JSON."""
        answer: dict[str, Any] = json.loads(self.out)
        return answer
