"""``incidents``: what fails for one root, since when, and who knows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from checks.arm_ids import name_of
from checks.cli import stored, terminal
from checks.cli.arguments import Parser
from checks.cli.layout import Column, Page, command, short_registry, table
from checks.cli.stored import NO_STORAGE
from checks.collect.arm.client import Azure
from checks.fleet.answers import incident_shown, state_of
from checks.fleet.incidents import Incident, incidents_of
from checks.fleet.load import load_fleet
from checks.history.table.store import Store
from checks.notify.roots import RootKind
from checks.settings import Settings
from checks.text import counted

_COLUMNS = (
    Column("SINCE (UTC)", 0),
    Column("REGISTRY", 0),
    Column("CAUSE", 0),
    Column("CLUSTERS", 1),
    Column("STATE", 2),
    Column("UNTIL (UTC)", 3),
    Column("NOTIFIED", 4),
    Column("ID", 5),
)


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _incidents.__doc__
    parser.epilog = stored.EXIT_CODES
    parser.add_argument("--all", action="store_true", help="those of the last week that are over, too")
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, _incidents, "Incidents are kept"))


async def _incidents(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Shows what fails now by what is at fault: a registry with a cause, or a cluster's own identity; since when, how
    many of the clusters that use it, and whether people know."""
    fleet = await load_fleet(store, datetime.now(UTC))
    found = [one for one in incidents_of(fleet) if options.all or one.until is None]
    for broken in fleet.unreadable:
        terminal.say(f"{broken.ref.row} cannot be read: what it holds is not shown")
    if fleet.hidden:
        terminal.say(f"{counted(fleet.hidden, 'cluster')} cannot be shown: the last run found more than is kept here")
    blind = bool(fleet.unreadable or fleet.hidden)
    if options.output == "json":
        shown = [incident_shown(one, fleet) for one in found]
        terminal.write_json(
            {"incidents": shown, "unreadable": len(fleet.unreadable), "not_shown": fleet.hidden}, sys.stdout
        )
    else:
        _show(found)
        watched = counted(sum(1 for _ in fleet.clusters()), "cluster") + " of those that can be read" * blind
        going_on = counted(sum(one.until is None for one in found), "incident")
        terminal.say(f"{going_on} at {watched}" if found else f"nothing fails at {watched}")
    return NO_STORAGE if blind else 0


def _show(incidents: Sequence[Incident]) -> None:
    if not incidents:
        return
    page, out = Page(terminal.width_of(sys.stdout)), terminal.console(sys.stdout)
    heading, *lines = table(_COLUMNS, [_cells(one) for one in incidents], page, "")
    terminal.write([heading], out)
    for one, line in zip(incidents, lines, strict=True):
        terminal.write([line], out)
        terminal.write((step for text in _commands(one) for step in command(text)), out)


def _cells(incident: Incident) -> tuple[str, ...]:
    of_a_cluster = incident.root.kind is RootKind.CLUSTER
    name = f"(cluster {name_of(incident.name)})" if of_a_cluster else short_registry(incident.name)
    using = f" of {incident.using}" if incident.using >= incident.clusters > 0 else ""
    return (
        f"{incident.since:%Y-%m-%d %H:%M}",
        name,
        incident.root.cause,
        f"{incident.clusters}{using}",
        state_of(incident),
        f"{incident.until:%Y-%m-%d %H:%M}" if incident.until else "",
        "yes" if incident.notified else "no",
        incident.id,
    )


def _commands(incident: Incident) -> Iterable[str]:
    """The first command, where it is the same for all."""
    commands = {failure.command for failure in incident.failing}
    return commands if len(commands) == 1 and "" not in commands else ()
