"""The whole app on a simulated fleet with something broken, and a browser in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from demo.environment import Stage, stage
from demo.incidents import RemovedRole, break_image, remove_role
from tests.support.browser import program
from tests.support.site import Site, chromium

SEED = 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser nothing here can be seen."""
    if not program():
        for item in items:
            if "e2e/dashboard" in str(item.path):
                item.add_marker(
                    pytest.mark.skip(reason="Chromium is not installed (CONTRIBUTING.md says how to get it)")
                )


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, RemovedRole]]:
    """Two runs: all is well, then a role is gone and an image asks for a tag that is not there."""
    folder = tmp_path_factory.mktemp("dashboard") / "stage"
    with stage(folder, SEED, 0, lambda line: None) as running:
        running.run(lambda line: None)
        removed = remove_role(running.tenant, SEED)
        break_image(running.tenant, SEED, not_in=removed.cluster)
        running.run(lambda line: None)
        yield running, removed


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def visitor(fleet: tuple[Stage, RemovedRole], browser: Browser) -> Site:
    return Site(fleet[0].host.url, browser)


@pytest.fixture
def dashboard(visitor: Site) -> Iterator[Site]:
    """The dashboard; at the end of each test no request left the host, and the browser complained of nothing."""
    visitor.strays.clear()
    visitor.complaints.clear()
    yield visitor
    assert visitor.strays == []
    assert visitor.complaints == []
