"""Which commands of a page the real az is asked about. What it says of them is checked by `make peers`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests.tools.scripts import ROOT, load

with mock.patch.object(sys, "path", [str(ROOT / "tools"), *sys.path]):
    documented = load("azure_cli/documented")


def test_commands_are_those_of_the_indented_blocks() -> None:
    page = "az no\n\n    az one --x 'y'\n    APP=$(az two \"$A\")\n    azd env set A b\n    curl az\n"
    assert list(documented.commands(page)) == ["az one --x 'y'", 'az two "$A"']


@pytest.mark.parametrize("page", documented.PAGES, ids=str)
def test_each_page_has_commands(page: Path) -> None:
    assert len(list(documented.commands((ROOT / page).read_text(encoding="utf-8")))) >= 5


def test_what_az_does_not_know_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "az").write_text('#!/bin/sh\necho "ERROR: unrecognized arguments: $2" >&2\nexit 2\n')
    (tmp_path / "az").chmod(0o755)
    with pytest.raises(documented.Wrong, match="unrecognized arguments: two"):
        documented.understood(tmp_path / "az", "az one two", os.environ)
    (tmp_path / "az").write_text("#!/bin/sh\necho \"ERROR: Please run 'az login' to setup account.\" >&2\nexit 1\n")
    assert documented.understood(tmp_path / "az", "az one two", os.environ) == "understood"
