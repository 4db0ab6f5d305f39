"""The script that grants Pullwatch's identity what it lacked. Pure.

It is made of grants that were understood, never of texts: a step is a grant only where the helper that writes such
commands would write just that one, with a role that reads and a scope made of plain names. So nothing that a pod or a
tag is called gets into it. It looks before it grants, so it may be run again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

import msgspec

from checks.rules.fixes import az_roles
from checks.rules.fixes.kinds import FixKind, kind_of
from checks.rules.fixes.shell import command
from checks.text import counted

MAX_GRANTS = 500
READING = frozenset(
    {
        "Reader",
        "Azure Kubernetes Service Cluster User Role",
        "Azure Kubernetes Service RBAC Reader",
    }
)
# What only makes a look from Pullwatch's own place complete: people decide whether it is worth the right to pull.
OPTIONAL = frozenset({"AcrPull", "Container Registry Repository Reader"})
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCOPE = re.compile(r"/subscriptions/[0-9a-fA-F-]{36}(/[A-Za-z0-9][A-Za-z0-9._()-]{0,127}){0,14}")
_WORDS = 11  # of the command that assigns a role without a condition


class Grant(msgspec.Struct, frozen=True, order=True):
    """A role of Pullwatch's identity at a scope. ``object_id`` "": it was not known when the command was made."""

    scope: str
    role: str
    object_id: str = ""


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the script. ``others`` counts steps that are not: people read them on the page."""

    needed: tuple[Grant, ...] = ()
    optional: tuple[Grant, ...] = ()
    others: int = 0
    cut: int = 0


def grants_in(steps: Iterable[str]) -> Grants:
    """The grants among the steps of fixes, each once; ``cut`` counts those beyond a limit."""
    found: set[Grant] = set()
    others: set[str] = set()
    for step in steps:
        if kind_of(step) is FixKind.COMMAND:
            grant = _grant(step)
            if grant is None:
                others.add(step)
            else:
                found.add(grant)
    needed = sorted(grant for grant in found if grant.role in READING)
    optional = sorted(grant for grant in found if grant.role in OPTIONAL)
    cut = max(0, len(needed) - MAX_GRANTS) + max(0, len(optional) - MAX_GRANTS)
    return Grants(needed=tuple(needed[:MAX_GRANTS]), optional=tuple(optional[:MAX_GRANTS]), others=len(others), cut=cut)


def _grant(step: str) -> Grant | None:
    """The grant that a command is; None where it is anything else, or not just what the helper writes."""
    try:
        words = shlex.split(step)
    except ValueError:
        return None
    if len(words) != _WORDS + 1:
        return None
    object_id, role, scope = words[5], words[9], words[11]
    if step != az_roles.assign_role(object_id, role, scope):
        return None
    if role not in READING | OPTIONAL or not _SCOPE.fullmatch(scope) or ".." in scope:
        return None
    if "/namespaces/" in scope.lower():  # whose names people in a cluster choose
        return None
    if object_id == az_roles.OWN_IDENTITY:
        return Grant(scope, role)
    return Grant(scope, role, object_id) if _OBJECT_ID.fullmatch(object_id) else None


def script(grants: Grants, made: str) -> str:
    """The script, for a POSIX shell. ``made``: when what it is made of was seen, in words of our own."""
    lines = [
        "#!/bin/sh",
        "# Grants Pullwatch's identity what it lacked to see everything. Read it before you run it:",
        "# each line assigns one role that reads, and only where it is not assigned yet.",
        f"# Made of the last reports, {made}.",
        "set -eu",
    ]
    if any(not grant.object_id for grant in (*grants.needed, *grants.optional)):
        lines += [
            "# The object id of Pullwatch's identity was not known where some of this was found.",
            "own=${PULLWATCH_OBJECT_ID:?set it to the object id of the identity of Pullwatch}",
        ]
    lines += ["", *_FUNCTION.splitlines(), ""]
    lines += [_line(grant) for grant in grants.needed] or ["# Nothing is missing that a role would show."]
    if grants.optional:
        lines += ["", "# Optional: lets Pullwatch itself try to pull. Take the # away where you want that."]
        lines += [f"# {_line(grant)}" for grant in grants.optional]
    left = grants.others + grants.cut
    if left:
        lines += [
            "",
            f"# {counted(left, 'more step')} of the page {'is' if left == 1 else 'are'} for a person to decide.",
        ]
    return "\n".join([*lines, ""])


_FUNCTION = """grant() { # object id, role, scope
  there=$(az role assignment list --role "$2" --scope "$3" --query "[?principalId=='$1'] | length(@)" --output tsv)
  if [ "$there" = 0 ]; then
    az role assignment create --assignee-object-id "$1" --assignee-principal-type ServicePrincipal \\
      --role "$2" --scope "$3" --output none
    echo "granted: $2 at $3"
  else
    echo "there already: $2 at $3"
  fi
}"""


def _line(grant: Grant) -> str:
    if grant.object_id:
        return command("grant", grant.object_id, grant.role, grant.scope)
    return f'grant "$own" {command(grant.role, grant.scope)}'
