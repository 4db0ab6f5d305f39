"""A command on the app's storage, run in this process as somebody types it."""

from __future__ import annotations

import contextlib
import io
import json
import os
from typing import Any
from unittest import mock

from checks.cli.main import main
from tests.support.cli import clean


class Said:
    """What a command said, and its exit code."""

    def __init__(self, storage: str | None, *arguments: str, **environment: str) -> None:
        given = {"AzureWebJobsStorage": storage} if storage else {}
        out, errors = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, clean(given | environment), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            try:
                self.code: Any = main(list(arguments))
            except SystemExit as stopped:
                self.code = stopped.code
        self.out, self.errors = out.getvalue(), errors.getvalue()

    @property
    def json(self) -> dict[str, Any]:
        """Its JSON."""
        answer: dict[str, Any] = json.loads(self.out)
        return answer
