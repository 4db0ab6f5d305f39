"""What the package and the workflow that deploys it ask of infra/ is there."""

import re

import pytest

from tests.tools.scripts import ROOT, load_from

MAIN = ROOT / "infra" / "main.bicep"

pytestmark = pytest.mark.skipif(not MAIN.is_file(), reason="infra/main.bicep is not there")


def test_each_output_that_the_workflow_reads_is_one_of_the_template() -> None:
    workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
    template = MAIN.read_text(encoding="utf-8")
    read = set(re.findall(r"\$\(output (\w+)\)", workflow))
    assert {"AZURE_RESOURCE_GROUP", "FUNCTION_APP_NAME"} <= read
    assert read <= set(re.findall(r"^output (\w+) ", template, re.MULTILINE))
    assert "targetScope = 'subscription'" in template


def test_the_app_runs_on_the_python_that_its_packages_are_pinned_for() -> None:
    templates = [path.read_text(encoding="utf-8") for path in (ROOT / "infra").rglob("*.bicep")]
    runtimes = [found for text in templates for found in re.findall(r"name: 'python',?\s+version: '([\d.]+)'", text)]
    assert runtimes == [load_from("pins", "compiling").DEPLOYED_PYTHON]
