"""Fixtures that several folders of tests share: real servers on loopback."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from localhost.azurite import Storage
from localhost.azurite import azurite as run_azurite
from localhost.mailbox import Mailbox, mailbox
from simulator.action_log import VARIABLE
from tests.support.real_kubernetes.programs import NAMES, what_is_missing
from tests.support.real_kubernetes.served import ApiServer
from tests.support.real_kubernetes.server import KubeApiServer
from tests.support.real_kubernetes.server import kube_apiserver as run_kube_apiserver
from tests.support.scan_access import beyond_the_roles
from tests.support.storage import empty

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

ACTIONS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
BEYOND = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Has every simulator of this run, in any process, keep which actions of Azure it was asked for."""
    if not hasattr(config, "workerinput"):  # workers of xdist inherit the variable
        config.stash[ACTIONS] = tempfile.TemporaryDirectory(prefix="pullwatch-actions-")
        os.environ[VARIABLE] = config.stash[ACTIONS].name


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The run fails where any test had Pullwatch ask for an action that no role of infra/ holds."""
    if ACTIONS not in session.config.stash:
        return
    folder = session.config.stash[ACTIONS]
    session.config.stash[BEYOND] = beyond_the_roles(Path(folder.name))
    folder.cleanup()
    if session.config.stash[BEYOND] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Names those actions."""
    for action in config.stash.get(BEYOND, []):
        terminalreporter.write_line(f"FAILED infra/scan-roles.json: Pullwatch asks for {action}, which no role holds")


@pytest.fixture(scope="session")
def azurite() -> Iterator[Storage]:
    """One Azurite for the whole run; tests keep apart by the names of their tables and queues."""
    with run_azurite() as storage:
        yield storage


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A mail server of this test's own, without TLS."""
    with mailbox() as box:
        yield box


@pytest.fixture
def storage(azurite: Storage) -> str:
    """The connection string of storage that holds nothing."""
    empty(azurite.connection_string)
    return azurite.connection_string


@pytest.fixture(scope="session")
def running_kube_apiserver() -> Iterator[KubeApiServer]:
    """One real API server for the whole run of this process; skipped by name where its programs are not there."""
    if missing := what_is_missing():
        pytest.skip(missing)
    with run_kube_apiserver() as server:
        yield server


@pytest.fixture
def kube_apiserver(running_kube_apiserver: KubeApiServer) -> Iterator[KubeApiServer]:
    """A real API server that holds nothing but what every cluster has.

    No scheduler, no controllers: those of `kube_cluster` run to the end of its module, which is best left to it.
    """
    running_kube_apiserver.empty()
    yield running_kube_apiserver
    running_kube_apiserver.empty()


@pytest.fixture(scope="module")
def running_controllers(running_kube_apiserver: KubeApiServer) -> Iterator[None]:
    """The real scheduler and controller manager beside the API server, for one module of tests."""
    if missing := what_is_missing(NAMES):
        pytest.skip(missing)
    with running_kube_apiserver.controllers():
        yield


@pytest.fixture
def kube_cluster(running_controllers: None, kube_apiserver: KubeApiServer) -> KubeApiServer:
    """A real API server with its scheduler and its controllers; the test makes the nodes and plays the kubelet."""
    return kube_apiserver


@pytest.fixture(params=["simulated", "real"])
def api_server(request: pytest.FixtureRequest) -> ApiServer:
    """The simulated API server, and the real one: the test has one body for both."""
    return ApiServer(request.getfixturevalue("kube_apiserver") if request.param == "real" else None)
