"""A file of environment variables that a shell can source: ``. .demo/env``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def write_exports(file: Path, variables: Mapping[str, str]) -> None:
    """Writes ``export NAME=value`` lines, readable by the owner alone: some are keys."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.writelines(lines)
