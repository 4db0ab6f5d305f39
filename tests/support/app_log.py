"""The app's log as a workspace holds it: its tables with the columns that queries read, and what a query answers.

Queries are read by the simulated Log Analytics (simulator/monitor/kql/); what that does not know, it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from simulator.monitor.kql.query import run
from simulator.monitor.kql.tables import Table

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
TIME = "TimeGenerated"
_EVERYWHERE = {TIME: "datetime", "AppRoleName": "string"}
COLUMNS = {
    "AppTraces": {**_EVERYWHERE, "Message": "string"},
    "AppRequests": {**_EVERYWHERE, "OperationName": "string", "Success": "bool"},
    "AppExceptions": {**_EVERYWHERE, "OperationName": "string", "ExceptionType": "string"},
}


def ask(query: str, tables: Tables, now: datetime) -> list[Row]:
    """The rows that a query answers; there are the tables that are given. Raises QueryError."""
    return list(run(query, {name: Table(COLUMNS[name], rows) for name, rows in tables.items()}, now).rows)
