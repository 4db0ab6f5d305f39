"""JSON Schemas as they are published."""

from __future__ import annotations

from typing import Any


def plain(schema: Any) -> Any:
    """A schema whose descriptions are plain text: docstrings mark names with two backticks and break lines."""
    if isinstance(schema, list | tuple):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(part.replace("``", "`").split())
        if key == "description" and isinstance(part, str)
        else plain(part)
        for key, part in schema.items()
    }
