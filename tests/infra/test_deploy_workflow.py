"""What the workflow that deploys asks of infra/ is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "infra" / "main.bicep"

pytestmark = pytest.mark.skipif(not MAIN.is_file(), reason="infra/main.bicep is not there")


def test_each_output_that_the_workflow_reads_is_one_of_the_template() -> None:
    workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
    template = MAIN.read_text(encoding="utf-8")
    read = set(re.findall(r"\$\(output (\w+)\)", workflow))
    assert {"AZURE_RESOURCE_GROUP", "FUNCTION_APP_NAME"} <= read
    assert read <= set(re.findall(r"^output (\w+) ", template, re.MULTILINE))
    assert "targetScope = 'subscription'" in template
