"""docs/output-formats.md names what the formats have."""

from __future__ import annotations

import re
from pathlib import Path

from checks.causes import ScanCause
from checks.report.formats.as_csv import COLUMNS
from checks.report.formats.json_shapes import SCHEMA_VERSION, ScanAnswer

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "output-formats.md").read_text(encoding="utf-8")


def named(heading: str) -> list[str]:
    """The names in the first column of the first table under a heading."""
    section = PAGE.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"\| --- .*\n((?:\|.*\n)+)", section)
    assert table
    return [name for row in table[1].splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_columns_of_csv_are_named_in_their_order() -> None:
    assert tuple(named("## CSV")) == COLUMNS


def test_every_member_of_the_json_is_named() -> None:
    assert tuple(named("## JSON")) == ScanAnswer.__struct_fields__
    assert f"`{SCHEMA_VERSION}`" in PAGE


def test_the_causes_of_errors_exist() -> None:
    assert set(named("### Causes of `errors`")) <= {cause.value for cause in ScanCause}
