"""What checkov says of infra/, beside what was decided about it. Run by `make checkov`.

checkov reads nothing of a template of language version 2.0, which is what Bicep makes, and calls that no error. So it
gets the reviewed snapshots of the samples: the resources as they would be deployed. Every finding is mended or has a
reason in checkov_suppressions.txt. Finds checkov as CHECKOV or on PATH; install it into an environment of its own
(`python -m venv DIR && DIR/bin/pip install checkov`): its dependencies are many. Without it: said, and exit code 0.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOTS = ROOT / "tests" / "infra" / "snapshots"
SUPPRESSIONS = ROOT / "tools" / "checkov_suppressions.txt"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
SECONDS = 300


def main() -> int:
    """0 where every finding has a reason, and where there is no checkov; 1 otherwise."""
    program = os.environ.get("CHECKOV") or shutil.which("checkov")
    if program is None:
        print("skip  no checkov: set CHECKOV to its path, or install it\n0 passed, 0 failed, 1 skipped")
        return 0
    reasons = suppressions(SUPPRESSIONS.read_text(encoding="utf-8"))
    failed = 0
    files = sorted(SNAPSHOTS.glob("*.json"))
    for file in files:
        resources = json.loads(file.read_text(encoding="utf-8"))["predictedResources"]
        report = run(program, resources)
        wrong = problems(report, resources, reasons.get(file.stem, {}))
        summary = report.get("summary", report)
        counts = ", ".join(f"{key} {summary.get(key)}" for key in ("passed", "failed", "parsing_errors"))
        print(f"{'FAIL' if wrong else 'ok  '}  {file.stem}: {len(resources)} resources, {counts}")
        print("".join(f"      {line}\n" for line in wrong), end="")
        failed += bool(wrong)
    print(f"{len(files) - failed} passed, {failed} failed, 0 skipped")
    return int(bool(failed))


def run(program: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    """checkov's report on resources. Raises ValueError with its words where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.json"
        template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}
        file.write_text(json.dumps(template, indent=1), encoding="utf-8")
        command = [program, "--file", str(file), "--framework", "arm", "--output", "json", "--skip-download"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ValueError(f"{program}: exit {done.returncode}: {done.stderr.strip()[-600:]}") from None
    return report


def problems(report: Mapping[str, Any], resources: list[dict[str, Any]], reasons: Mapping[str, str]) -> list[str]:
    """What is wrong with a report: a file it did not read, findings without a reason, reasons without a finding."""
    summary = report.get("summary", report)
    wrong = []
    if summary["parsing_errors"]:
        wrong.append(f"Parsing errors: {summary['parsing_errors']}")
    if summary["resource_count"] != len(resources):
        wrong.append(f"checkov saw {summary['resource_count']} of {len(resources)} resources")
    found = report.get("results", {}).get("failed_checks", [])
    wrong += [
        f"{finding['check_id']} {finding['check_name']}: {finding['resource']}"
        for finding in found
        if finding["check_id"] not in reasons
    ]
    stale = sorted(set(reasons) - {finding["check_id"] for finding in found})
    return wrong + [f"{check} is suppressed and no longer found" for check in stale]


def suppressions(text: str) -> dict[str, dict[str, str]]:
    """Reasons by sample and check. ValueError for a line that has no reason or none of a check's parts."""
    reasons: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"takes CHECK | samples | reason, not {line!r}")
        check, samples, reason = parts
        for sample in samples.split(","):
            reasons.setdefault(sample.strip(), {})[check] = reason
    return reasons


if __name__ == "__main__":
    sys.exit(main())
