"""The Azure CLI and Pullwatch asked the same on the same tenant, and Pullwatch's fixes run through the Azure CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_cli import cases
from azure_cli.program import ROOT, SECONDS, Az, Tally, Wrong, environment, register_cloud
from simulator import Simulator, running
from tests.support.tenant_builder import SUBSCRIPTION, Tenant

AT_ONCE = 3  # az programs


@dataclass(frozen=True)
class Bench:
    """A served tenant folder, az logged in to it."""

    sim: Simulator
    az: Az

    def tenant(self, build: Callable[[Tenant], str]) -> str:
        """Clears the folder and builds another tenant in it, which is served from now on. Returns the registry's id."""
        for entry in self.sim.tenant_dir.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
        return build(cases.start(self.sim.tenant_dir))

    def finding(self, code: str = "PW102") -> dict[str, Any]:
        """What `python -m checks scan --json` finds about the registry. Raises Wrong where it ends otherwise."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PULLWATCH_", "IDENTITY_", "AZURE_"))}
        done = subprocess.run(
            [sys.executable, "-m", "checks", "scan", "--json", "--quiet"],
            cwd=ROOT,
            env=inherited | self.sim.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode not in (0, 1, 2) or not done.stdout.strip():
            raise Wrong(f"the scan ended with {done.returncode}: {done.stderr.strip()[-600:]}")
        (cluster,) = json.loads(done.stdout)["clusters"]
        (finding,) = [
            f for f in cluster["findings"] if f["code"] == code and f["subject"].get("registry") == cases.LOGIN_SERVER
        ]
        (row,) = [r for r in cluster["registries"] if r["registry"] == cases.LOGIN_SERVER]
        decides = code == "PW102" and finding["verdict"] != "skipped"  # skipped: something else comes first
        if decides and row["access"]["verdict"] != finding["verdict"]:
            raise Wrong(f"the row's access is {row['access']}, PW102 says {finding['verdict']}")
        if (done.returncode == 1) != (row["access"]["verdict"] == "fail"):
            raise Wrong(f"exit code {done.returncode} for access {row['access']['verdict']}")
        answer: dict[str, Any] = finding
        return answer


def run(tally: Tally, az_program: Path, folder: Path) -> None:
    """All cases, then the fixes. One line each."""
    root = folder / "tenant"
    cases.start(root)
    with running(root, page_size=2) as sim:
        az = Az(az_program, environment(sim, folder))
        bench = Bench(sim, az)
        tally.check("az cloud register, login", lambda: ready(bench))
        for case in cases.CASES:
            tally.check(case.name, lambda case=case: compare(bench, case))  # type: ignore[misc]
        for name, look in FIXES:
            tally.check(name, lambda look=look: look(bench))  # type: ignore[misc]


def ready(bench: Bench) -> str:
    register_cloud(bench.az, bench.sim)
    bench.az("login", "--identity")
    bench.az("account", "set", "--subscription", SUBSCRIPTION)
    return f"the current subscription is {SUBSCRIPTION}"


def compare(bench: Bench, case: cases.Case) -> str:
    """Holds both to what the case says."""
    registry = bench.tenant(case.build)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {
            question: pool.submit(roles, bench.az, tuple(word.format(registry=registry) for word in words))
            for question, words in cases.QUESTIONS.items()
        }
        finding = bench.finding()
    for question, future in asked.items():
        if future.result() != case.answer_to(question):
            raise Wrong(f"az, asked {question}, lists {future.result()}, not {case.answer_to(question)}")
    expect(finding, case.verdict, case.cause, case.summary_part)
    return f"az finds {case.az} | Pullwatch says {case.pullwatch} | right: {case.right}. {case.why}"


def roles(az: Az, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(a["roleDefinitionName"]) for a in az("role", "assignment", "list", *words))


def expect(finding: dict[str, Any], verdict: str, cause: str, summary_part: str = "") -> None:
    if (finding["verdict"], finding["cause"]) != (verdict, cause) or summary_part not in finding["summary"]:
        raise Wrong(f"Pullwatch says {finding['verdict']}: {finding['cause']}: {finding['summary']}")


def fixed(bench: Bench, build: Callable[[Tenant], str], cause: str, *, role: str) -> str:
    """What fails for a cause passes once the finding's first command was run as it stands."""
    bench.tenant(build)
    before = bench.finding()
    expect(before, "fail", cause)
    command = before["fix"][0]
    bench.az.shell(command)
    expect(bench.finding(), "pass", "role-held", role)
    return f"passes after {command}"


def deny_listed(bench: Bench) -> str:
    """The command of a denied pull shows the deny assignment that the finding names, and so does az's own list."""
    registry = bench.tenant(cases.denied)
    finding = bench.finding()
    expect(finding, "fail", "denied")
    listed = [item["properties"]["denyAssignmentName"] for item in bench.az.shell(finding["fix"][0])["value"]]
    own = bench.az("role", "deny-assignment", "list", "--scope", registry, "--filter", "atScope()")
    if listed != ["managed by the platform"] or [item["denyAssignmentName"] for item in own] != listed:
        raise Wrong(f"it lists {listed}, az role deny-assignment list {own}")
    return f"{listed[0]!r} is what {finding['fix'][0]} lists"


FIXES: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    (
        "the fix of role-missing, the registry in another subscription",
        lambda bench: fixed(bench, cases.nothing, "role-missing", role="AcrPull at"),
    ),
    (
        "the fix of role-missing in ABAC mode",
        lambda bench: fixed(bench, cases.nothing_in_abac_mode, "role-missing", role=cases.READER_ROLE),
    ),
    (
        "the fix of role-not-honoured",
        lambda bench: fixed(bench, cases.abac_with_acr_pull, "role-not-honoured", role=cases.READER_ROLE),
    ),
    (
        "the fix of repositories-left-out, by the assignment's own condition",
        lambda bench: fixed(bench, cases.condition_leaves_out, "repositories-left-out", role=cases.READER_ROLE),
    ),
    (
        "the fix of repositories-left-out, by a further assignment",
        lambda bench: fixed(bench, cases.condition_above_leaves_out, "repositories-left-out", role=cases.READER_ROLE),
    ),
    ("the command of a denied pull", deny_listed),
)
