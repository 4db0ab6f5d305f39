"""Whatever is asked over HTTP is answered as openapi.json says: schemathesis against the app on the local host.

Left out are two of its checks of what the platform does in Azure (keys, methods that no function has), and one that a
request which fits the shapes is taken: that a silence names something is no shape.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localhost.mailbox import Mailbox
from tests.e2e.test_app import app
from tests.support.sampling import sampled
from tests.support.tenant_builder import Tenant

PLATFORM = "ignored_auth,unsupported_method,positive_data_acceptance"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("phases", "examples"), sampled([("fuzzing", 3), ("coverage,fuzzing,stateful", 150)], 2))
def test_no_request_is_answered_otherwise_than_described(
    tmp_path: Path, storage: str, smtp: Mailbox, phases: str, examples: int
) -> None:
    tenant = Tenant(tmp_path / "tenant")
    with app(tenant, storage, smtp) as running_app:
        running_app.run()
        tenant.unassign(running_app.role)
        running_app.run()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{running_app.host.url}/api/openapi.json"),
                *("--phases", phases, "--max-examples", str(examples), "--seed", "1", "--exclude-checks", PLATFORM),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=1100,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2000:]}"
    assert "API Operations:\n  Selected: " in done.stdout
