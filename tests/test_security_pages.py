"""SECURITY.md and docs/permissions.md name files and settings that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checks import settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("SECURITY.md", "docs/permissions.md")
each_page = pytest.mark.parametrize("page", PAGES)


@each_page
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = [(ROOT / page).parent / target for target in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = [ROOT / path for path in re.findall(r"\b(?:checks|tests|infra)/[\w./-]+\.\w+", text)]
    assert named
    assert [str(path) for path in (*linked, *named) if not path.exists()] == []


@each_page
def test_settings_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(rf"{settings.PREFIX}([A-Z_]+)", (ROOT / page).read_text(encoding="utf-8")))
    assert named
    assert named <= {setting.name for setting in settings.SETTINGS}
