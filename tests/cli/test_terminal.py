"""What a person reads in a terminal."""

import io

import msgspec

from checks.cli import terminal
from checks.findings import ClusterReport, Facet, Fail, RegistryRow, ScanReport, Skipped
from tests.support.reports import report


def shown(*clusters: ClusterReport) -> str:
    out = io.StringIO()
    terminal.show(ScanReport(clusters=clusters), terminal.console(out, width=200))
    return out.getvalue()


def changed(row: RegistryRow, **over: object) -> ClusterReport:
    return msgspec.structs.replace(report("pass"), registries=(msgspec.structs.replace(row, **over),))


def test_the_row_has_every_facet_and_what_the_answer_rests_on() -> None:
    line = next(line for line in shown(report("fail")).splitlines() if "acrone" in line)
    cells = [cell.strip() for cell in line.strip("│┃ ").split("│")]
    assert cells == [
        "aks-1", "acrone.azurecr.io", "fail", "pass", "fail", "not judged", "nodes, azure", "role-missing",
    ]  # fmt: skip


def test_what_nobody_can_judge_does_not_look_like_trouble() -> None:
    facet = Facet(Skipped("no Azure registry"), "not-judged")
    text = shown(changed(report("pass").registries[0], access=facet, pull=facet, basis=()))
    assert "skipped" not in text and "unknown" not in text
    assert "1 cluster: 1 pass. Registries: access 1 not judged; path 1 pass; pull 1 not judged" in text


def test_an_image_in_trouble_is_the_cause_that_is_shown_where_the_registry_can_be_pulled_from() -> None:
    broken = Facet(Fail(), "tag-absent", ("PW302",), "The tag does not exist.")
    text = shown(changed(report("pass").registries[0], images=broken))
    assert "tag-absent" in text
    assert "1 cluster: 1 fail." in text, "an image that cannot be pulled fails its cluster, not its registry"


def test_other_names_of_a_registry_stand_beside_its_login_server() -> None:
    name = "acrone.westeurope.geo.azurecr.io"
    assert f"acrone.azurecr.io (also {name})" in shown(changed(report("pass").registries[0], names=(name,)))
