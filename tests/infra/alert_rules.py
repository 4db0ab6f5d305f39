"""The watchdog's alert rules as the Bicep compiler predicts them, for a schedule."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.support import bicep
from tests.support.cli import ROOT

APP = "func-pullwatch"
WORKSPACE = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/log-pullwatch"
RECIPIENTS = ("ops@example.com", "on-call@example.com")
MODULE = ROOT / "infra" / "modules" / "watchdog.bicep"

_MAIN = """
targetScope = 'subscription'
param minutes int
module watchdog 'modules/watchdog.bicep' = {
  scope: resourceGroup('rg-pullwatch')
  params: {
    name: 'pullwatch'
    location: 'westeurope'
    tags: { workload: 'pullwatch' }
    workspaceId: '%s'
    appName: '%s'
    recipients: [%s]
    scanIntervalMinutes: minutes
  }
}
"""


def resources(folder: Path, interval: int) -> list[dict[str, Any]]:
    """What the module deploys for a schedule with that many minutes between two runs."""
    infra = folder / str(interval) / "infra"
    shutil.copytree(MODULE.parent, infra / "modules")
    listed = ", ".join(f"'{address}'" for address in RECIPIENTS)
    (infra / "main.bicep").write_text(_MAIN % (WORKSPACE, APP, listed))
    parameters = infra / "main.bicepparam"
    parameters.write_text(f"using 'main.bicep'\nparam minutes = {interval}\n")
    predicted: list[dict[str, Any]] = bicep.snapshot(parameters, folder / "out" / str(interval))["predictedResources"]
    return predicted


def rules(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The properties of the alert rules, by the end of their name."""
    prefix = "alert-pullwatch-"
    kind = "Microsoft.Insights/scheduledQueryRules"
    return {r["name"].removeprefix(prefix): r["properties"] for r in resources if r["type"] == kind}
