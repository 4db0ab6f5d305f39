"""``watch``: only what changes is printed, and ``--until pass`` answers whether a repair worked."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from checks.cli import watch as watching
from checks.cli.main import main
from simulator import running
from tests.support.cli import clean
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = "acrone.azurecr.io/team/web:1"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """One cluster without the role that it needs."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.registry()
    tenant.pod(IMAGE)
    return tenant


class Watched(io.StringIO):
    """What a watch printed, line by line without the times; after some lines something happens to the tenant."""

    def __init__(self, after: int = 0, then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._after, self._then = after, then

    def write(self, text: str) -> int:
        before = len(self.lines)
        written = super().write(text)
        if before < self._after <= len(self.lines):
            self._then()
        return written

    @property
    def lines(self) -> list[str]:
        return [re.sub(r"^\d\d:\d\d:\d\dZ ", "", line) for line in self.getvalue().splitlines()]


def watch(tenant: Tenant, out: Watched, *arguments: str) -> tuple[int, str]:
    """Its exit code and what it said on standard error; here looks follow each other faster than users may ask for."""
    errors = io.StringIO()
    with (
        running(tenant.root) as simulator,
        mock.patch.dict(os.environ, clean(simulator.environment), clear=True),
        mock.patch.object(watching, "LEAST_INTERVAL", 1.0),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        return main(["watch", "--interval", "1s", *arguments]), errors.getvalue()


def test_a_repair_ends_the_watch_with_0_and_only_the_change_is_printed(tenant: Tenant) -> None:
    out = Watched(2, lambda: tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry()))
    assert watch(tenant, out, "--until", "pass", "--timeout", "1m") == (0, "")
    first, totals, change, last = out.lines
    assert first == "aks-1 <- acrone: access fail (role-missing), pull fail (role-missing)"
    assert totals.startswith("1 cluster: 0 can pull, 1 cannot, ")
    assert change == f"{first} -> pull pass"
    assert last.startswith("1 cluster: 1 can pull, 0 cannot, ")


def test_when_the_time_is_over_it_exits_like_a_scan(tenant: Tenant) -> None:
    out = Watched()
    assert watch(tenant, out, "--until", "pass", "--timeout", "3s") == (1, "pullwatch: the time is over\n")
    assert len(out.lines) == 2, "what did not change is not printed again"


def test_a_look_that_fails_says_so_once_and_changes_nothing_that_is_known(tenant: Tenant) -> None:
    rule = '[{"service": "arm", "path": "/subscriptions", "after": 1, "effect": {"status": 403}}]'
    (tenant.root / "faults.json").write_text(rule)
    out = Watched()
    code, _ = watch(tenant, out, "--timeout", "6s")
    assert code == 3
    assert len(out.lines) == 3, out.lines
    assert out.lines[2].startswith("Nothing could be checked: ")


def test_a_watch_that_cannot_begin_ends_at_once(tenant: Tenant) -> None:
    (tenant.root / "faults.json").write_text('[{"service": "arm", "effect": {"status": 403}}]')
    out = Watched()
    assert watch(tenant, out)[0] == 3
    assert out.lines[0].startswith("Nothing could be checked: ")


def test_pods_that_cannot_be_read_for_a_while_make_their_rows_unknown_and_not_gone(tenant: Tenant) -> None:
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry())
    tenant.pod("mcr.microsoft.com/oss/kubernetes/pause:3.6", name="system")
    rule = '[{"service": "kubernetes", "path": "*", "after": AFTER, "times": 2, "effect": {"status": 403}}]'
    out = Watched(1, lambda: (tenant.root / "faults.json").write_text(rule.replace("AFTER", "0")))
    watch(tenant, out, "--timeout", "8s")
    mcr = [line for line in out.lines if line.startswith("aks-1 <- mcr.microsoft.com: ")]
    assert mcr[0] == "aks-1 <- mcr.microsoft.com: pull pass -> unknown (pods not read)", out.lines
    assert mcr[1] == "aks-1 <- mcr.microsoft.com: unknown (pods not read) -> pull pass"
    assert not any("gone" in line or "new ->" in line for line in out.lines)


def test_subscriptions_that_cannot_be_listed_are_named_with_the_reason(tenant: Tenant) -> None:
    rule = '[{"service": "arm", "path": "*managedClusters*", "effect": {"status": 403}}]'
    (tenant.root / "faults.json").write_text(rule)
    out = Watched()
    assert watch(tenant, out)[0] == 3
    assert "The clusters could not be listed" in out.lines[0] and "403" in out.lines[0]
