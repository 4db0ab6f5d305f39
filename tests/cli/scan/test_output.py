"""What is written where: formats, files, filters; totals and exit codes are those of all that was looked at."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import Simulator, running
from tests.support.cli import scan, typed
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = "acrone.azurecr.io/team/web:1"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """aks-1 may pull, aks-2 may not, and of aks-3 the pods cannot be read."""
    tenant = Tenant(tmp_path_factory.mktemp("output") / "tenant")
    registry = tenant.registry()
    for name in ("aks-1", "aks-2", "aks-3"):
        tenant.cluster(name)
        if name != "aks-2":
            tenant.assign(object_id(name), ACR_PULL, registry)
        tenant.pod(IMAGE, cluster=name)
    rule = {"service": "kubernetes", "path": "^.*/aks-3/api/v1/pods", "effect": {"status": 403}}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))
    with running(tenant.root) as served:
        yield served


def test_only_filters_what_is_printed_and_neither_totals_nor_the_exit_code(simulator: Simulator) -> None:
    codes, last = set(), set()
    for word, named in (("fail", "aks-2"), ("unknown", "aks-3"), ("pass", "aks-1")):
        done = typed(simulator.environment, "scan", "--quiet", "--only", word)
        names = {name for name in ("aks-1", "aks-2", "aks-3") if name in done.stdout}
        assert names == {named}, done.stdout
        codes.add(done.returncode)
        last.add(done.stdout.splitlines()[-1].partition(";")[0])
        answer = scan(simulator.environment, "--quiet", "--only", word).answer
        assert [cluster["id"].rpartition("/")[2] for cluster in answer["clusters"]] == [named]
        assert answer["totals"]["clusters"] == 3
    assert codes == {1}
    assert last == {"3 clusters: 1 can pull, 1 cannot, 1 unknown, 0 warnings"}


@pytest.mark.parametrize(
    ("cluster", "only", "said"),
    [
        ("aks-1", ("unknown",), ["No cluster is unknown."]),
        ("aks-1", ("fail", "unknown"), ["No cluster fails.", "No cluster is unknown."]),
        ("aks-2", ("pass",), ["No cluster passes."]),
        ("aks-1", ("pass",), []),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_said(
    simulator: Simulator, cluster: str, only: tuple[str, ...], said: list[str]
) -> None:
    wanted = [word for outcome in only for word in ("--only", outcome)]
    *page, last = typed(simulator.environment, "scan", "--quiet", "--cluster", cluster, *wanted).stdout.splitlines()
    assert [line for line in page if line.startswith("No cluster ")] == said
    assert page == said or not said
    assert last.startswith("1 cluster: ")


def test_severity_leaves_milder_failures_out_of_json(simulator: Simulator) -> None:
    def severities(*arguments: str) -> set[str]:
        answer = scan(simulator.environment, "--quiet", *arguments).answer
        findings = [f for c in answer["clusters"] for f in c["findings"]]
        return {finding["severity"] for finding in findings if finding["verdict"] == "fail"}

    assert severities("--severity", "error") == {"error"}
    assert severities() >= {"error"}


@pytest.mark.parametrize(
    ("name", "begins"),
    [("scan.json", "{"), ("scan.csv", "subscription"), ("scan.xml", "<?xml"), ("scan.html", "<!doctype html")],
)
def test_a_file_is_written_in_the_format_of_its_name_and_the_screen_gets_the_totals(
    simulator: Simulator, tmp_path: Path, name: str, begins: str
) -> None:
    file = tmp_path / name
    done = typed(simulator.environment, "scan", "--quiet", "--output-file", str(file))
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == f"wrote {file}"
    assert done.stdout.startswith("3 clusters: 1 can pull")
    assert file.read_text(encoding="utf-8-sig").lower().startswith(begins)
    assert "aks-2" in file.read_text()
    assert list(tmp_path.iterdir()) == [file], "nothing is left beside it"


def test_an_output_option_wins_over_the_name_of_the_file(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "scan.txt"
    typed(simulator.environment, "scan", "--quiet", "-o", "json", "--output-file", str(file))
    assert json.loads(file.read_text())["totals"]["clusters"] == 3


def test_a_pipe_has_no_width_unless_columns_is_set(simulator: Simulator) -> None:
    piped = typed(simulator.environment, "scan", "--quiet").stdout
    narrow = typed(simulator.environment | {"COLUMNS": "60"}, "scan", "--quiet").stdout
    line = next(line for line in piped.splitlines() if line.strip().startswith("aks-2"))
    assert len(line) > 60 and "role-missing" in line
    assert all(len(line) <= 60 for line in narrow.splitlines() if not line.startswith("    "))


def test_canaries_show_what_each_pool_proved(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pod(IMAGE)
    with running(tenant.root) as served:
        done = typed(served.environment, "scan", "--quiet", "--canary")
    assert "Canary pulls" in done.stdout
    after = done.stdout.partition("Canary pulls")[2].splitlines()
    assert after[1].split()[:4] == ["CLUSTER", "POOL", "REGISTRY", "CANARY"]
    assert after[2].split()[0] == "aks-1"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--subscription", "nope"), 2, "'nope' is neither the id nor the name"),
        (("--cluster", "aks-9"), 2, "'aks-9' is not among the 3 clusters"),
        (("--registry", "acro"), 2, "Did you mean acrone?"),
    ],
)
def test_what_is_named_and_not_there_is_said_on_the_screen(
    simulator: Simulator, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = typed(simulator.environment, "scan", "--quiet", *arguments)
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout


def test_what_is_no_plain_file_is_written_to_and_never_replaced(simulator: Simulator, tmp_path: Path) -> None:
    target, link = tmp_path / "there.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    typed(simulator.environment, "scan", "--quiet", "--output-file", str(link))
    assert link.is_symlink() and json.loads(target.read_text())["totals"]["clusters"] == 3
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        typed(simulator.environment, "scan", "--quiet", "-o", "csv", "--output-file", str(pipe))
        assert reader.communicate(timeout=60)[0].startswith("subscription,")
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no folder that takes no files from anyone")
@pytest.mark.parametrize(("name", "begins"), [("nope.json", "{"), ("nope.csv", "subscription,")])
def test_a_file_that_turns_out_to_be_unwritable_costs_the_verdict_and_not_the_result(
    simulator: Simulator, tmp_path: Path, name: str, begins: str
) -> None:
    link = tmp_path / name  # leads to where nobody may make a file, which shows when it is written
    link.symlink_to(f"/proc/{name}")
    done = typed(simulator.environment, "scan", "--quiet", "--output-file", str(link))
    assert done.returncode == 74
    assert done.stderr == (
        f"pullwatch: {link} cannot be written: No such file or directory; standard output gets the result\n"
    )
    assert done.stdout.startswith(begins) and "aks-2" in done.stdout


def test_failures_at_other_registries_are_no_part_of_the_answer_about_one(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pulled(IMAGE)
    gone = "acrother.azurecr.io/web:1"
    tenant.pod(gone, name="other", waiting=("ErrImagePull", f'failed to resolve reference "{gone}": {gone}: not found'))
    with running(tenant.root) as served:
        assert scan(served.environment).code == 1
        one = scan(served.environment, "--registry", "acrone")
        explained = typed(served.environment, "explain", "--quiet", "--cluster", "aks-1", "--registry", "acrone")
    assert (one.code, one.answer["verdict"]) == (0, "pass")
    assert {finding["subject"].get("registry") for finding in one.cluster()["findings"]} <= {None, "acrone.azurecr.io"}
    assert (explained.returncode, explained.stderr) == (0, "")
