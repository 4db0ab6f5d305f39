"""Makes a fleet: a tenant of any size in which every cluster pulls from its registries without trouble.

The same numbers and seed give the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from simulator.entra.app_permissions import DEFAULT_ADDRESS, DEFAULT_CLIENT, DEFAULT_PRINCIPAL, DEFAULT_TENANT
from simulator.fleet import arm_bodies, kubernetes_objects
from simulator.fleet.model import SYSTEM_REGISTRY, SYSTEM_REPOSITORIES, Fleet, Refused, Wanted, made_repositories, plan

PARTS = ("arm", "authorization", "graph", "kubernetes", "registries")
MARK = "generated.json"


def generate(root: Path, wanted: Wanted, *, force: bool = False) -> Fleet:
    """Writes the tenant. Raises Refused for a folder that holds something else, unless forced."""
    _clear(root, force)
    fleet = plan(wanted)
    for path, content in files(fleet):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(msgspec.json.encode(content))
    return fleet


def files(fleet: Fleet) -> Iterator[tuple[str, Any]]:
    """(path below the tenant, content) of every file."""
    yield MARK, {"wanted": asdict(fleet.wanted)}
    for index, subscription in enumerate(fleet.subscriptions):
        yield f"arm/subscription-{index:03}.json", list(arm_bodies.bodies(fleet, index, subscription))
        yield f"authorization/subscription-{index:03}.json", list(arm_bodies.assignments(fleet, subscription))
    person = {"principalId": DEFAULT_PRINCIPAL, "clientId": DEFAULT_CLIENT, "tenantId": DEFAULT_TENANT}
    yield "authorization/caller.json", {**person, "address": DEFAULT_ADDRESS, "denied": []}
    yield "authorization/groups.json", {}
    yield "graph/users.json", [_user(fleet, "pullwatch"), _user(fleet, "platform")]
    for registry in fleet.registries:
        yield f"registries/{registry.login_server}.json", {"repositories": registry.repositories}
    yield f"registries/{SYSTEM_REGISTRY}.json", {"repositories": made_repositories(SYSTEM_REPOSITORIES, ("v1.9.4",))}
    for cluster in fleet.clusters:
        yield f"kubernetes/{cluster.name}/objects.json", kubernetes_objects.objects(fleet, cluster)


def _clear(root: Path, force: bool) -> None:
    if not root.is_dir() or not any(root.iterdir()):
        return
    if (root / MARK).is_file():
        for part in PARTS:
            shutil.rmtree(root / part, ignore_errors=True)
    elif not force:
        raise Refused(f"{root} holds something that this command did not make; --force writes into it all the same")


def _user(fleet: Fleet, name: str) -> dict[str, Any]:
    address = f"{name}@simulated.example"
    return {
        "@odata.type": "#microsoft.graph.user",
        "id": fleet.guid("user", name),
        "displayName": name,
        "userPrincipalName": address,
        "mail": address,
    }
