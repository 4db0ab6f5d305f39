"""A registry: what the rows of its clusters say, as *Now* says it."""

from __future__ import annotations

import msgspec

from checks.dashboard.views.registry import RegistryView, dependents_of, registry_view
from checks.fleet.model import Fleet
from checks.report.outcome import Outcome
from tests.fleet.test_incidents import SHOP, ago, entry, fails, fleet, row


def view(held: Fleet, registry: str = SHOP) -> RegistryView:
    return registry_view(held, dependents_of(held, registry), (), ())


def test_a_cluster_that_was_not_found_is_marked_whatever_it_is_held_to_be() -> None:
    gone = [entry("bad", row(SHOP, fails(3))), entry("good", row(SHOP))]
    held = fleet(*(msgspec.structs.replace(one, outcome=Outcome.UNKNOWN, missed_since=ago(0.5)) for one in gone))
    assert [(one.standing.word, one.cause) for one in view(held).dependents] == [
        ("cannot pull", "role-missing; not found in the last run"),
        ("not seen", "not found in the last run"),
    ]
