"""Where the HTTP interface answers, and whom: all that the host indexes. The functions of the app are made of these.

What is at an address (``checks.web.routes``) is loaded at the first request: a host that starts reads only this.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Level(Enum):
    """Who may ask: anybody, or holders of a function key."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"


class Address(msgspec.Struct, frozen=True):
    """A method at an address below ``/api/``. ``name`` is that of its function in Azure."""

    name: str
    method: str
    route: str
    level: Level = Level.FUNCTION

    @property
    def methods(self) -> tuple[str, ...]:
        """What it answers to: whoever may GET may also ask for the head alone, as monitors do."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


POST_CHECKS = Address("post_checks", "POST", "checks")
DOCTOR = Address("doctor", "GET", "doctor")
LIST_RUNS = Address("list_runs", "GET", "runs")
RUNS = Address("runs", "GET", "runs/{id}")
CLUSTERS = Address("clusters", "GET", "clusters")
CLUSTER = Address("cluster", "GET", "clusters/{subscription}/{resource_group}/{name}")
CLUSTER_HISTORY = Address("cluster_history", "GET", "clusters/{subscription}/{resource_group}/{name}/history")
REGISTRY = Address("registry", "GET", "registries/{login_server}")
INCIDENTS = Address("incidents", "GET", "incidents")
INCIDENT = Address("incident", "GET", "incidents/{id}")
ACKNOWLEDGE = Address("acknowledge", "POST", "incidents/{id}/acknowledgement")
SILENCES = Address("silences", "GET", "silences")
SILENCE = Address("silence", "POST", "silences")
GET_SILENCE = Address("get_silence", "GET", "silences/{id}")
END_SILENCE = Address("end_silence", "DELETE", "silences/{id}")
METRICS = Address("metrics", "GET", "metrics")
HEALTH = Address("health", "GET", "health", Level.ANONYMOUS)
HEALTH_DETAILS = Address("health_details", "GET", "health/details")
OPENAPI = Address("openapi", "GET", "openapi.json")

ADDRESSES = (
    POST_CHECKS,
    DOCTOR,
    LIST_RUNS,
    RUNS,
    CLUSTERS,
    CLUSTER,
    CLUSTER_HISTORY,
    REGISTRY,
    INCIDENTS,
    INCIDENT,
    ACKNOWLEDGE,
    SILENCES,
    SILENCE,
    GET_SILENCE,
    END_SILENCE,
    METRICS,
    HEALTH,
    HEALTH_DETAILS,
    OPENAPI,
)
