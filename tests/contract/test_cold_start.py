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
from typing import Any

import msgspec
import pytest

from checks.watchdog import TRIGGERS
from checks.web.addresses import ADDRESSES

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


def fresh(code: str) -> Any:
    """What this code writes last in a fresh process, as JSON; it has ``sys`` and ``json``, and no settings."""
    text = f"import json, sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PULLWATCH_", "Azure"))}
    command = [sys.executable, "-P", "-c", text]
    ran = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def loaded_after(code: str) -> set[str]:
    """The names of all modules that a fresh process has loaded after this code."""
    return set(fresh(f"{code}\nprint(json.dumps([*sys.modules]))"))


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


# Every function, all at once: a setting that cannot be used keeps requests from going further than their imports, and a
# body that is no message the queues' functions. Whatever a thread loads without holding the lock is noted.
CALLED_AT_ONCE = """
import os, threading
os.environ["PULLWATCH_SCHEDULE"] = "now and then"
import azure.functions as func
import function_app
from checks.loading import LOADING

functions = function_app.app.get_functions()
ready, said, beside = threading.Barrier(len(functions)), {}, set()

def on_import(event, arguments):
    if event == "import" and threading.current_thread() in threads and not LOADING._is_owned():
        beside.add(arguments[0])

def call(function):
    kind, handle = function.get_trigger().type, function.get_user_function()
    given = func.HttpRequest("GET", "/api/x", body=b"") if kind == "httpTrigger" else func.QueueMessage(body=b"junk")
    ready.wait()
    try:
        said[function.get_function_name()] = str(getattr(handle(given), "status_code", "done"))
    except BaseException as error:
        said[function.get_function_name()] = f"{type(error).__name__}: {error}"

threads = [threading.Thread(target=call, args=(function,)) for function in functions]
sys.addaudithook(on_import)
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([said, [name for name in beside if name.split(".")[0] not in sys.stdlib_module_names]]))
"""


def test_functions_that_are_called_at_once_in_a_fresh_process_load_what_they_need_one_at_a_time() -> None:
    said, beside = fresh(CALLED_AT_ONCE)
    assert not beside
    assert len(said) == len(ADDRESSES) + len(TRIGGERS) + 1
    assert {said[address.name] for address in ADDRESSES} | {said["dashboard"]} == {"503"}
    for name in ("plan", "scan", "close", "deliver"):
        assert said[name].startswith("MessageError: no "), said[name]
    for name in ("plan_poison", "scan_poison", "close_poison", "deliver_poison", "schedule", "sweep"):
        assert said[name] == "done", (name, said[name])


class Late(msgspec.Struct, frozen=True):
    """Something that is imported in a function's body; ``alone``: while no other thread imports so."""

    where: str
    module: str
    name: str
    alone: bool


def late_imports() -> Iterator[Late]:
    """Those of the app, and of the command line."""
    for path in (ROOT / "function_app.py", *sorted((ROOT / "checks").rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        held = {
            each
            for node in ast.walk(tree)
            if isinstance(node, ast.With) and ast.unparse(node.items[0]) == "LOADING"
            for each in node.body
        }
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        for node in (node for function in functions for node in ast.walk(function)):
            if isinstance(node, ast.ImportFrom | ast.Import):
                for each in node.names:
                    module, name = (node.module, each.name) if isinstance(node, ast.ImportFrom) else (each.name, "")
                    yield Late(str(path.relative_to(ROOT)), module or "", name, node in held)


def test_threads_of_the_host_import_one_at_a_time() -> None:
    beside = {late.where for late in late_imports() if not late.alone}
    assert not {where for where in beside if not where.startswith("checks/cli/")}


def test_what_is_imported_at_its_first_use_is_there() -> None:
    found = set(late_imports())
    assert {late.where for late in found} >= {
        "function_app.py",
        "checks/web/blueprint.py",
        "checks/web/dashboard/blueprint.py",
        "checks/collect/arm/client.py",
        "checks/collect/kubernetes/connection.py",
    }
    for late in found:
        module = importlib.import_module(late.module)
        assert not late.name or hasattr(module, late.name) or importlib.util.find_spec(f"{late.module}.{late.name}"), (
            late
        )
