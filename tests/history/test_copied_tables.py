"""docs/operations.md has a script that copies what the app keeps: here it is run, as it stands there."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from azure.data.tables import TableServiceClient

from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.history.table.store import open_store
from localhost.azurite import azurite
from tests.support.cli import ROOT
from tests.support.reports import CLUSTER, report
from tests.support.storage import Clock, app_settings, job_context

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def script() -> str:
    """The page's script."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return str(found)


def rows(storage: str) -> dict[str, list[Any]]:
    """Every row of every table, with its types."""
    with TableServiceClient.from_connection_string(storage) as service:
        return {
            table.name: [dict(row) for row in service.get_table_client(table.name).list_entities()]
            for table in service.list_tables()
        }


async def test_the_script_copies_every_row_with_its_types_and_the_app_goes_on_from_the_copy(storage: str) -> None:
    async with job_context(app_settings(storage), Clock()) as context:
        await context.store.ensure_tables()
        ticket = await context.store.next_sequence(NOW, "a request")
        decision = decide(None, report("fail"), RunRef(ticket.run_id, ticket.sequence), Policy(), NOW)
        await context.store.commit(decision, report("fail"), None)
    with TableServiceClient.from_connection_string(storage) as service:
        service.create_table("pullwatchruns202611").create_entity({"PartitionKey": "a", "RowKey": "b", "at": NOW})
        service.create_table("somebodyelse").create_entity({"PartitionKey": "a", "RowKey": "b"})
    with azurite() as second:
        places = {"https://old": storage, "https://new": second.connection_string}

        def signed_in(address: str, credential: object) -> TableServiceClient:
            return TableServiceClient.from_connection_string(places[address])

        with (
            mock.patch("azure.data.tables.TableServiceClient", signed_in),
            mock.patch.object(sys, "argv", ["", *places]),
        ):
            exec(script(), {})
        copied = rows(second.connection_string)
        original = rows(storage)
        assert set(copied) == {"pullwatch", "pullwatchruns202611"}
        assert all(copied[name] == original[name] for name in copied)
        async with open_store(connection_string=second.connection_string) as store:
            kept = await store.load_state(CLUSTER)
            assert kept is not None and kept.state == decision.state
            assert (await store.next_sequence(NOW, "another request")).sequence == ticket.sequence + 1
