"""What the doctor's script and commands come to with the real az: roles are granted, and the next doctor is clean.

The script is run by somebody who may assign roles: while it runs, the simulated tenant enforces nobody's. What is for a
person to decide (custom roles, Microsoft Graph) is parsed by the real az, and changes nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from azure_cli import documented
from azure_cli.program import ROOT, SECONDS, Az, Tally, Wrong, environment, register_cloud, signed_out
from simulator import running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.cli import clean
from tests.support.doctor_cases import CASES, Case
from tests.support.tenant_builder import Tenant


def doctor(settings: dict[str, str]) -> Any:
    """The answer of ``pullwatch doctor -o json``."""
    command = [sys.executable, "-m", "checks", "doctor", "-o", "json"]
    done = subprocess.run(
        command, env=clean(settings), cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode not in (0, 1):
        raise Wrong(f"doctor: exit {done.returncode}: {done.stderr[-400:]}")
    return json.loads(done.stdout)


def granted(case: Case, program: Path, folder: Path) -> str:
    """Runs the script twice; then nothing is missing. Raises Wrong otherwise."""
    tenant = case.make(folder / "tenant")
    with running(tenant.root, kubelet_delay=0.02) as sim:
        settings = {**sim.environment, **case.environment}
        script = doctor(settings)["script"]
        tenant.caller(assignments=[])  # whoever runs the script may assign roles, and reads those that there are
        own = environment(sim, folder)
        az = Az(program, own)
        register_cloud(az, sim)
        az("login", "--identity")
        for word in ("granted: ", "there already: "):
            said = _run(script, program, own)
            if said.count(word) != case.grants:
                raise Wrong(f"{said!r} instead of {case.grants} times {word!r}")
        tenant.caller(enforced=True)
        lacks = doctor(settings)["diagnosis"]["lacks"]
    if lacks:
        raise Wrong(f"still missing: {[(one['kind'], one['what'], one['places'][0]['why']) for one in lacks]}")
    return f"{case.grants} granted, and nothing is missing any more"


def _run(script: str, program: Path, own: dict[str, str]) -> str:
    path = f"{program.parent}{os.pathsep}{own.get('PATH', '')}"
    done = subprocess.run(
        ["sh", "-s"],
        input=script,
        env={**own, "PATH": path, "AZURE_CORE_ONLY_SHOW_ERRORS": "yes", "PULLWATCH_OBJECT_ID": DEFAULT_PRINCIPAL},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise Wrong(f"the script: exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def commands_of(case: Case, folder: Path) -> list[str]:
    """The commands of az that a case's doctor proposes, those of the script apart."""
    tenant: Tenant = case.make(folder)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        lacks = doctor({**sim.environment, **case.environment})["diagnosis"]["lacks"]
    steps = [step for lack in lacks for place in lack["places"] for step in place["fix"]]
    return [step for step in dict.fromkeys(steps) if step.startswith("az ")]


def run(tally: Tally, program: Path, folder: Path) -> None:
    """Has what can be granted granted, and what a person decides parsed."""
    nobody = signed_out(folder / "nobody")
    for name, case in CASES.items():
        own = folder / name.replace(" ", "-")
        if case.grants:
            tally.check(f"doctor, without {name}", partial(granted, case, program, own))
            continue
        for number, command in enumerate(commands_of(case, own / "tenant")):
            what = " ".join(command.split()[:4])
            tally.check(
                f"doctor, without {name}: {number + 1}. {what}",
                partial(documented.understood, program, command, nobody),
            )
