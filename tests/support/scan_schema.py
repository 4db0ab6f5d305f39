"""The published JSON Schema of scans, as tests take it: what it does not name may not be there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs" / "schema" / "scan.json"


def published() -> dict[str, Any]:
    """The schema as it is in docs/."""
    document: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(document)
    return document


def problems(document: Any, schema: dict[str, Any] | None = None) -> list[str]:
    """Where a document is not as published, members that the schema does not name among it."""
    validator = Draft202012Validator(_closed(schema or published()), format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]


def _closed(part: Any) -> Any:
    """The schema with no member allowed but those that it names."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {key: _closed(each) for key, each in part.items()}
    return closed | ({"additionalProperties": False} if part.get("type") == "object" and "properties" in part else {})
