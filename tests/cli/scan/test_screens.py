"""What a terminal shows of fleets of 6, 100 and 700 clusters, of which 0, 3 and 30 are broken, at three widths.

The screens are files, to be reviewed like code. After a change that is meant: ``make screens``, then read
the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.cells import cell_len

from checks.arm_ids import name_of
from checks.cli.layout import Page, short_registry
from checks.cli.scan.screen.page import Shown, lines
from checks.findings import ScanReport
from checks.report.fleet.broken import broken_groups
from tests.support.fleet_reports import ScannedFleet, scanned_fleet

SCREENS = Path(__file__).parent / "screens"
WIDTHS = (80, 120, 200)
FLEETS = [(6, 0), (6, 3), (6, 6), (100, 0), (100, 3), (100, 30), (700, 0), (700, 3), (700, 30)]
FIRST_SCREEN = 24
SECONDS = 5.5


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> ScannedFleet:
    return scanned_fleet(tmp_path_factory.mktemp("fleet"))


def screen(report: ScanReport, width: int | None, shown: Shown | None = None) -> str:
    page = lines(report, SECONDS, shown or Shown(), Page(width))
    return "".join(f"{line.plain}\n" for line in page)


def unknown_beside(clusters: int, broken: int) -> int:
    return 2 if clusters > 6 and broken == 30 else 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("clusters", "broken"), FLEETS)
def test_a_screen_is_the_one_that_was_reviewed(fleet: ScannedFleet, clusters: int, broken: int, width: int) -> None:
    text = screen(fleet.of(clusters, broken, unknown_beside(clusters, broken)), width)
    file = SCREENS / f"{clusters}-clusters-{broken}-broken-{width}.txt"
    if os.environ.get("PULLWATCH_WRITE_SCREENS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name} differs: see this module's docstring"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("clusters", "broken"), [fleet for fleet in FLEETS if fleet[1]])
def test_the_first_screen_shows_every_broken_cluster_or_its_count(
    fleet: ScannedFleet, clusters: int, broken: int, width: int
) -> None:
    report = fleet.of(clusters, broken)
    first = screen(report, width).splitlines()[:FIRST_SCREEN]
    overview = "\n".join(first)
    for group in broken_groups(report.clusters):
        counted = f"{len(group.members)} of {group.using}"
        assert any(counted in line and short_registry(group.registry) in line for line in first), overview


@pytest.mark.parametrize("width", WIDTHS)
def test_no_name_breaks_and_nothing_but_commands_is_too_long(fleet: ScannedFleet, width: int) -> None:
    text = screen(fleet.of(100, 30, 2), width)
    broken = {
        name_of(member.cluster) for group in broken_groups(fleet.of(100, 30).clusters) for member in group.members
    }
    assert all(any(name in line.split() for line in text.splitlines()) for name in broken)
    long = [line for line in text.splitlines() if cell_len(line) > width]
    assert all(line.startswith("    ") for line in long), "a line that is no command is too long"


@pytest.mark.parametrize("clusters", [6, 100, 700])
def test_a_healthy_fleet_prints_three_lines(fleet: ScannedFleet, clusters: int) -> None:
    for width in (*WIDTHS, None):
        assert len(screen(fleet.of(clusters, 0), width).splitlines()) == 3


def test_every_broken_row_has_a_line_with_its_check_and_cause_and_a_command_however_many_there_are(
    fleet: ScannedFleet,
) -> None:
    report = fleet.of(700, 30)
    shown = screen(report, None).splitlines()
    for group in broken_groups(report.clusters):
        for member in group.members:
            name = name_of(member.cluster)
            assert any(name in line and group.code in line and group.cause in line for line in shown)
            assert not member.fix or any(line.strip() in member.fix for line in shown), name


@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize(("clusters", "broken"), FLEETS)
def test_no_number_of_the_count_is_parted_from_its_words(
    fleet: ScannedFleet, clusters: int, broken: int, width: int
) -> None:
    page = screen(fleet.of(clusters, broken, unknown_beside(clusters, broken)), width).splitlines()
    first = max(number for number, line in enumerate(page) if line.startswith(f"{clusters} cluster"))
    assert all(len(line) <= width and line.endswith((",", ";")) for line in page[first:-1])
    assert len(page[-1]) <= width and page[-1].endswith("5.5 s")


def test_the_count_is_the_last_line(fleet: ScannedFleet) -> None:
    last = screen(fleet.of(100, 30, 2), 120).splitlines()[-1]
    assert last.startswith("100 clusters: 68 can pull, ")
    assert "2 unknown" in last and "calls; 5.5 s" in last
    assert screen(fleet.of(100, 30, 2), 80).endswith("5.5 s\n")
