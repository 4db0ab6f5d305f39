"""What newer versions are allowed: ranges out of pins, pins out of what was resolved, the Node.js that npm's run on."""

import json
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.tools.scripts import ROOT, load, load_from

newest = load_from("pins", "newest")
lockfile = load_from("pins", "lockfile")
compiling = load_from("pins", "compiling")

PINS = """# azure-functions has one line per Python.
-r requirements.in
azure-functions==1.26.0; python_version < "3.13"
azure-functions==2.3.0; python_version >= "3.13"
rich[jupyter]==15.0.0
types-PyYAML==6.0.12.20261113
"""
FOUND = """
azure-functions==1.27.1 ; python_full_version < '3.13' \\
    --hash=sha256:00
azure-functions==2.4.0 ; python_full_version >= '3.13'
rich==16.1.0
types-pyyaml==6.0.12.20261122
something-else==1.0
"""


def test_a_pin_becomes_a_range_and_a_held_one_ends_at_the_next_major_version() -> None:
    assert newest.ranges(PINS) == [
        'azure-functions>=1.26.0,<2; python_version < "3.13"',
        'azure-functions>=2.3.0,<3; python_version >= "3.13"',
        "rich[jupyter]>=15.0.0",
        "types-PyYAML>=6.0.12.20261113",
    ]


def test_every_pin_moves_to_what_was_found_for_its_own_range_and_nothing_else_changes() -> None:
    assert newest.moved(PINS, lockfile.parse(FOUND)) == (
        PINS.replace("1.26.0", "1.27.1").replace("2.3.0", "2.4.0").replace("15.0.0", "16.1.0").replace("1113", "1122")
    )


@pytest.mark.parametrize(
    "found", ["", "rich==16.0.0 ; python_version < '3.12'\nrich==17.0.0 ; python_version >= '3.12'"]
)
def test_a_pin_that_has_no_version_or_two_is_no_guess(found: str) -> None:
    with pytest.raises(compiling.NotResolved, match="versions fit"):
        newest.moved("rich==15.0.0\n", lockfile.parse(found))


def test_the_pins_of_the_project_are_all_read() -> None:
    for name in (*newest.SOURCES, *(f"tools/pins/programs/{each}.in" for each in compiling.program_names(ROOT))):
        text = (ROOT / name).read_text(encoding="utf-8")
        pinned = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
        assert pinned
        assert len([Requirement(each) for each in newest.ranges(text)]) == len(pinned), name


def test_what_holds_a_package_is_about_one_that_is_pinned() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in newest.SOURCES]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "tools" / "pins" / "programs").glob("*.in")]
    assert set(newest.HELD) <= {Requirement(each).name for text in texts for each in newest.ranges(text)}


@pytest.mark.parametrize(
    ("engines", "node", "runs"),
    [
        (">=10.0.0", 18, True),
        (">=21.0.0", 18, False),
        (">=21.0.0", 22, True),
        ("^18.17.0 || >=20.5.0", 18, True),
        ("^18.17.0 || >=20.5.0", 19, False),
        ("20.x", 20, True),
        ("*", 18, True),
        ("", 18, True),
        ("<21", 18, False),
    ],
)
def test_engines_say_which_node_a_version_runs_on(engines: str, node: int, runs: bool) -> None:
    assert newest.runs_on(engines, node) is runs


def shown(*versions: tuple[str, str]) -> list[dict[str, Any]]:
    """As `npm view NAME version engines --json` answers."""
    return [{"version": version, "engines": {"node": node}} for version, node in versions]


def test_the_newest_version_is_one_that_runs_on_the_oldest_node() -> None:
    azurite = shown(("3.34.0", ">=10.0.0"), ("3.35.0", ">=10.0.0"), ("3.36.0", ">=21.0.0"), ("3.37.0", ">=22.0.0"))
    assert newest.newest("3.34.0", azurite, 18) == "3.35.0"
    assert newest.newest("3.34.0", azurite, 22) == "3.37.0"
    assert newest.newest("3.35.0", shown(("3.36.0", ">=21"))[0], 18) == "3.35.0"
    assert newest.newest("3.9.0", shown(("3.10.0", "*")), 18) == "3.10.0"


def test_npm_s_pins_are_exact_and_for_a_node_that_setup_takes() -> None:
    manifest = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert all(version.replace(".", "").isdigit() for version in manifest["dependencies"].values())
    assert newest._least(manifest["engines"]["node"]) == load("setup").OLDEST_NODE
