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
# What shows whether images exist. AcrPull also allows downloading them, which people may want to decide on.
PULLING = frozenset({"AcrPull", "Container Registry Repository Reader"})
CANARY = "Azure Kubernetes Service RBAC Writer"
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCOPE = re.compile(r"/subscriptions/[0-9a-fA-F-]{36}(/[A-Za-z0-9][A-Za-z0-9._()-]{0,127}){0,14}")
_WORDS = 11  # of the command that assigns a role without a condition


class Grant(msgspec.Struct, frozen=True, order=True):
    """A role of Pullwatch's identity at a scope. ``object_id`` "": it was not known when the command was made."""

    scope: str
    role: str
    object_id: str = ""


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the script. ``pulling`` are the roles that also allow downloading images. ``others`` counts steps that
    are not in it: people read them where they stand.
    """

    needed: tuple[Grant, ...] = ()
    pulling: tuple[Grant, ...] = ()
    others: int = 0
    cut: int = 0


def grants_in(steps: Iterable[str], canary_namespace: str = "") -> Grants:
    """The grants among the steps of fixes, each once; ``cut`` counts those beyond a limit.

    ``canary_namespace``: the one namespace, which a setting names, at which a role may be granted.
    """
    found: set[Grant] = set()
    others: set[str] = set()
    for step in steps:
        if kind_of(step) is FixKind.COMMAND:
            grant = _grant(step, canary_namespace)
            if grant is None:
                others.add(step)
            else:
                found.add(grant)
    needed = sorted(grant for grant in found if grant.role not in PULLING)
    pulling = sorted(grant for grant in found if grant.role in PULLING)
    cut = max(0, len(needed) - MAX_GRANTS) + max(0, len(pulling) - MAX_GRANTS)
    return Grants(needed=tuple(needed[:MAX_GRANTS]), pulling=tuple(pulling[:MAX_GRANTS]), others=len(others), cut=cut)


def _grant(step: str, canary_namespace: str) -> Grant | None:
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
    canary = role == CANARY and bool(canary_namespace) and scope.endswith(f"/namespaces/{canary_namespace}")
    if not (canary or role in READING | PULLING) or not _SCOPE.fullmatch(scope) or ".." in scope:
        return None
    if "/namespaces/" in scope.lower() and not canary:  # whose names people in a cluster choose
        return None
    if object_id == az_roles.OWN_IDENTITY:
        return Grant(scope, role)
    return Grant(scope, role, object_id) if _OBJECT_ID.fullmatch(object_id) else None


def script(grants: Grants, made: str) -> str:
    """The script, for a POSIX shell. ``made``: when what it is made of was seen, in words of our own."""
    lines = [
        "#!/bin/sh",
        "# Grants Pullwatch's identity what it lacked to see everything. Read it before you run it:",
        "# each line assigns one role, and only where it is not assigned yet.",
        f"# Made of reports {made}.",
        "# Where Pullwatch runs as a person: PULLWATCH_PRINCIPAL_TYPE=User.",
        "set -eu",
    ]
    if any(not grant.object_id for grant in (*grants.needed, *grants.pulling)):
        lines += [
            "# The object id of Pullwatch's identity was not known where some of this was found.",
            "own=${PULLWATCH_OBJECT_ID:?set it to the object id of the identity of Pullwatch}",
        ]
    lines += ["", *_FUNCTION.splitlines(), ""]
    if not grants.needed and not grants.pulling:
        lines.append("# Nothing is missing that a role would show.")
    lines += [_line(grant) for grant in grants.needed]
    if grants.pulling:
        lines += [
            "",
            "# These show whether images exist before a node needs them. They also allow downloading images: leave",
            "# them out where you do not want that, and set PULLWATCH_CHECK_IMAGES to false.",
        ]
        lines += [_line(grant) for grant in grants.pulling]
    left = grants.others + grants.cut
    if left:
        lines += [
            "",
            f"# {counted(left, 'more step')} {'is' if left == 1 else 'are'} for a person to decide.",
        ]
    return "\n".join([*lines, ""])


_FUNCTION = """grant() { # object id, role, scope
  there=$(az role assignment list --role "$2" --scope "$3" --query "[?principalId=='$1'] | length(@)" --output tsv)
  if [ "$there" = 0 ]; then
    az role assignment create --assignee-object-id "$1" --role "$2" --scope "$3" --output none \\
      --assignee-principal-type "${PULLWATCH_PRINCIPAL_TYPE:-ServicePrincipal}"
    echo "granted: $2 at $3"
  else
    echo "there already: $2 at $3"
  fi
}"""


def _line(grant: Grant) -> str:
    if grant.object_id:
        return command("grant", grant.object_id, grant.role, grant.scope)
    return f'grant "$own" {command(grant.role, grant.scope)}'
