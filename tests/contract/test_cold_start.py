"""What a host that starts has to load: the functions are indexed before anything is asked, and somebody waits for it.

Nothing is timed here (tests/benchmarks/cold_start.py does); what would cost time is not loaded.
"""

import ast
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Packages that jobs and answers need, and no start does. azure.functions itself loads werkzeug.
HEAVY = (
    "aiohttp",
    "aiosmtplib",
    "azure.core",
    "azure.data",
    "azure.identity",
    "azure.mgmt",
    "azure.storage",
    "checks.catalog",
    "checks.dashboard.render",
    "checks.history",
    "checks.report",
    "checks.web.routes",
    "cryptography",
    "jinja2",
    "kubernetes",
    "msal",
    "pydantic",
    "requests",
    "urllib3",
    "yaml",
    "yarl",
)
MOST_MODULES = 450  # azure.functions and asyncio with what these need are 260 of them
OF_CLUSTERS = ("azure.mgmt.containerservice", "kubernetes", "pydantic")


def loaded_after(code: str) -> set[str]:
    """The names of all modules that a fresh process has loaded after this code."""
    text = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\nimport json\nprint(json.dumps([*sys.modules]))"
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PULLWATCH_", "Azure"))}
    command = [sys.executable, "-P", "-c", text]
    ran = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_a_host_that_indexes_the_functions_loads_no_client_of_anything() -> None:
    loaded = loaded_after("import function_app\nassert len(function_app.app.get_functions()) > 20")
    assert not loaded & {*HEAVY}
    assert {"azure.functions", "checks.settings", "checks.web.addresses"} <= loaded
    assert len(loaded) < MOST_MODULES


def test_every_heavy_package_is_one_that_could_be_loaded() -> None:
    for name in HEAVY:
        importlib.import_module(name)


@pytest.mark.parametrize(
    "module", ["checks.jobs.plan", "checks.jobs.close", "checks.jobs.canaries", "checks.web.routes"]
)
def test_what_reads_no_cluster_loads_no_client_of_clusters(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert not loaded & {*OF_CLUSTERS}
    assert "azure.identity" in loaded


def late_imports() -> Iterator[tuple[str, str, str]]:
    """Where something is imported in a function's body, with the module and the name that it takes from there."""
    for path in (ROOT / "function_app.py", *sorted((ROOT / "checks").rglob("*.py"))):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                        yield from ((str(path.relative_to(ROOT)), node.module, each.name) for each in node.names)


def test_what_is_imported_at_its_first_use_is_there() -> None:
    found = set(late_imports())
    assert {where for where, _, _ in found} >= {
        "function_app.py",
        "checks/web/blueprint.py",
        "checks/web/dashboard/blueprint.py",
        "checks/collect/arm/client.py",
        "checks/collect/kubernetes/connection.py",
    }
    for where, module, name in sorted(found):
        assert hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}"), where
