"""Pull times through a whole run: kubelet's events, the judge, and the baseline in the cluster's row."""

import json
from pathlib import Path

from azure.data.tables import TableServiceClient

from localhost.mailbox import Mailbox
from tests.e2e.test_app import app
from tests.support.tenant_builder import Tenant

WEB = "acrone.azurecr.io/team/web:1"


def test_a_runs_median_is_kept_as_the_clusters_baseline(tmp_path: Path, storage: str, smtp: Mailbox) -> None:
    tenant = Tenant(tmp_path / "tenant")
    for number, seconds in enumerate(("1s", "2s", "9s")):
        pod = tenant.pod(WEB, name=f"slow-{number}", spec={"nodeName": f"aks-system-12345678-vmss00000{number}"})
        took = f"in {seconds} ({seconds} including waiting). Image size: 104857600 bytes."
        tenant.event(pod, "Pulled", f'Successfully pulled image "{WEB}" {took}')
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        running_app.run()
    kept = {}
    with TableServiceClient.from_connection_string(storage) as service:
        for row in service.get_table_client("pullwatch").query_entities("baselines_n ge 1"):
            kept |= json.loads(row["baselines_0"])
    assert kept == {"acrone.azurecr.io|system|s/MiB": {"medians": [0.02], "latest": "2026-11-24T08:01:00Z"}}
