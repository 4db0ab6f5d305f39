"""Hostile texts in every field of what is kept: they are shown as text, and nothing of them happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from playwright.sync_api import Browser

from checks.facts import subscription_of
from checks.findings import ScanReport
from checks.history.decide import Policy, decide
from checks.history.model import Run, RunScope, RunStatus, Totals
from checks.history.table.overviews import Look
from checks.history.table.store import open_store
from checks.silences import Matchers, Silence, SilenceKind
from localhost.azurite import azurite
from localhost.functions_host import functions_host
from tests.support.browser import DESK, PHONE
from tests.support.cli import ROOT
from tests.support.sample_chains import NASTY
from tests.support.sample_fleets import hostile_scan
from tests.support.sampling import sampled
from tests.support.site import Site, links, overflow, violations

ACTIVE = "script:not([src]), iframe, object, embed, img, [onerror], [onload], [style]"
PAGES = ("?all=1", "/incidents", "/silences", "/runs", "/unseen")


@pytest.fixture(scope="module")
def hostile(browser: Browser) -> Iterator[Site]:
    """A dashboard over a run in which every name and text is hostile."""
    with azurite() as storage:
        filling = fill(storage.connection_string, hostile_scan(), datetime.now(UTC).replace(microsecond=0))
        with ThreadPoolExecutor() as other:  # in this thread Playwright has a loop of its own
            other.submit(asyncio.run, filling).result()
        settings = {
            "AzureWebJobsStorage": storage.connection_string,
            "PULLWATCH_MAIL_TRANSPORTS": "folder",
            "PULLWATCH_LOCAL_VIEWER": "<i>Eve</i>:Operator",
        }
        with functions_host(ROOT, settings) as host:
            yield Site(host.url, browser)


async def fill(connection_string: str, scan: ScanReport, now: datetime) -> None:
    """Keeps a scan as a run that was closed, and a silence with a hostile author and reason."""
    async with open_store(connection_string=connection_string) as store:
        await store.ensure_tables()
        ticket = await store.next_sequence(now, "request")
        run = Run(
            id=ticket.run_id,
            sequence=ticket.sequence,
            requested_by=NASTY,
            scope=RunScope(),
            created=now - timedelta(minutes=3),
            deadline=now + timedelta(minutes=20),
            subscriptions=tuple(msgspec.structs.replace(one, name=NASTY, summary=NASTY) for one in scan.subscriptions),
            inventory_complete=True,
        )
        await store.create_run(run, [])
        looks: dict[str, list[Look]] = {}
        for report in scan.clusters:
            decision = decide(None, report, run.ref, Policy(), now)
            await store.commit(decision, report, None)
            looks.setdefault(subscription_of(report.id), []).append(Look(decision.state, decision.change))
        for subscription, own in looks.items():
            await store.fold_into_overview(subscription, own)
        stored = await store.load_run(run.id)
        assert stored is not None
        totals = Totals(clusters=len(scan.clusters))
        closed = msgspec.structs.replace(run, status=RunStatus.CLOSED, closed=now, totals=totals)
        assert await store.try_close(closed, stored.etag)
        await store.finish_run(closed)
        await store.add_silence(
            Silence(
                id="0a0b0c0d",
                kind=SilenceKind.SILENCE,
                matchers=Matchers(registry="*"),
                author=NASTY,
                reason=NASTY,
                created=now,
                expires=now + timedelta(hours=1),
            )
        )


@pytest.mark.parametrize("width", sampled([PHONE, DESK], 2))
def test_hostile_texts_are_text_on_every_page(hostile: Site, width: int) -> None:
    faults: dict[str, list[str]] = {}
    with hostile.visit("?all=1", width=width) as page:
        kinds = ("/clusters/", "/registries/", "/incidents/", "/runs/")
        found = [address for kind in kinds for address in links(page) if kind in address]
        addresses = dict.fromkeys(
            [*(f"{hostile.address}{path}" for path in PAGES), *(hostile.root + one for one in found)]
        )
        # A registry with such a name has no page of its own to be linked to.
        assert {kind for kind in kinds for one in addresses if kind in one} >= {
            "/clusters/",
            "/incidents/",
            "/runs/",
        }, addresses
        for address in addresses:
            answer = page.goto(address)
            assert answer is not None and answer.status == 200, address
            for summary in page.locator("summary").all():
                summary.click()
            wrong = violations(page)
            wrong += [f"{overflow(page)} px too wide"] if overflow(page) else []
            wrong += [one.inner_html() for one in page.locator(ACTIVE).all()]
            if wrong:
                faults[address] = wrong
    assert faults == {}
    assert hostile.strays == []
    assert hostile.complaints == []
