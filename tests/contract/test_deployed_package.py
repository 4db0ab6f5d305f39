"""The package as it is deployed, in an environment that has only what Azure installs, with a real Azurite as storage.

What the checkout has and Azure has not (a package of development, a file that .funcignore leaves out) is not there, so
an app that needs it does not load. Microsoft's own worker library indexes and calls it.
"""

import ast
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from checks.web.routes import ROUTES
from localhost.azurite import Storage
from localhost.functions_host import RunningHost, functions_host
from tests.support.deployed import DeployedEnvironment, NoPackageIndex, deployed_environment
from tests.support.invocations import wait_for
from tests.support.storage import empty
from tests.tools.scripts import ROOT, load, load_from

package = load("package")
DEPLOYED_PYTHON = load_from("pins", "compiling").DEPLOYED_PYTHON

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != tuple(map(int, DEPLOYED_PYTHON.split("."))),
    reason=f"the app is deployed on Python {DEPLOYED_PYTHON}",
)


@pytest.fixture(scope="module")
def environment() -> DeployedEnvironment:
    """The environment; skipped by name where there is no package index to make it from."""
    try:
        return deployed_environment()
    except NoPackageIndex as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the deployed files, out of the real zip."""
    folder = tmp_path_factory.mktemp("deployed")
    package.write(ROOT, folder / "package.zip")
    with zipfile.ZipFile(folder / "package.zip") as archive:
        archive.extractall(folder / "app")
    return folder / "app"


@pytest.fixture(scope="module")
def search_path(environment: DeployedEnvironment, tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH: the platform's parts, which are the worker library and the local host, and nothing else."""
    platform = tmp_path_factory.mktemp("platform")
    (platform / "localhost").symlink_to(ROOT / "localhost")
    return f"{platform}:{environment.worker}"


@pytest.fixture(scope="module")
def host(
    azurite: Storage,
    environment: DeployedEnvironment,
    app: Path,
    search_path: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningHost]:
    """The deployed app, with no Azure to talk to: it is loaded, fired and asked, nothing is scanned."""
    empty(azurite.connection_string)
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "PULLWATCH_MAIL_TRANSPORTS": "folder",
        "PULLWATCH_MAIL_FOLDER": str(tmp_path_factory.mktemp("mail")),
        "PYTHONPATH": search_path,
        # What is compiled stays for the next run.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    python = (str(environment.python), "-P")
    with functions_host(app, settings, visibility_timeout=600, python=python) as running:
        yield running


def test_azure_gets_what_requirements_txt_pins_and_its_parts_fit_together(environment: DeployedEnvironment) -> None:
    installed = json.loads(environment.pip("list", "--format=json"))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.removesuffix(" \\") for line in lines if line[:1].isalnum()}
    assert {f"{canonicalize_name(each['name'])}=={each['version']}" for each in installed} == pinned
    assert "No broken requirements found" in environment.pip("check")


def test_nothing_of_development_and_of_the_checkout_is_there(
    environment: DeployedEnvironment, search_path: str
) -> None:
    names = ["msgspec", "localhost", "azure_functions_runtime", "pytest", "hypothesis", "checks", "simulator", "tests"]
    code = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"
    command = [str(environment.python), "-P", "-c", code]
    found = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": search_path}, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(["msgspec", "localhost", "azure_functions_runtime"])


def test_the_worker_library_finds_every_function(host: RunningHost) -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text(encoding="utf-8"))
    written = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each).startswith("app.") for each in node.decorator_list)
    }
    listed = host.get("/admin/functions").json()
    assert isinstance(listed, list)
    assert {each["name"] for each in listed} == written | {route.name for route in ROUTES} | {"dashboard"}
    assert {"schedule", "plan"} <= written
    status = host.get("/admin/host/status").json()
    assert isinstance(status, dict)
    assert status["runner"].startswith("azure-functions-runtime ")


def test_a_timer_a_queue_and_a_request_are_answered(host: RunningHost) -> None:
    before = len(host.invocations)
    assert host.fire("schedule").ok, host.log
    (planned,) = wait_for(host, "plan", before)
    # It ran; there is no Azure here, so what it says about that is another test's matter.
    assert not re.search("ImportError|ModuleNotFoundError|TypeError", planned.error or "")
    answer = host.get("/api/health")
    assert answer.status == 200, (answer.body, host.log)


def test_without_a_package_index_nothing_else_is_claimed(
    environment: DeployedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    with pytest.raises(NoPackageIndex):
        environment.pip("download", "--no-cache-dir", "--no-deps", "--dest", "/dev/null", "pullwatch-nothing==1")
    with pytest.raises(RuntimeError, match="no-such-command"):
        environment.pip("no-such-command")
