"""A tenant's folder: one object per part of it, each up to date at every look."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from simulator.arm.authorization import Authorization, ManagementGroups, is_at_or_above
from simulator.arm.own_roles import own_roles
from simulator.arm.rbac import Rights
from simulator.arm.resources import Resources
from simulator.entra.app_permissions import DEFAULT_TENANT, Caller, read_caller
from simulator.jsonfiles import JsonFile, JsonFolder

T = TypeVar("T")
_SPECIAL = frozenset({"groups.json", "managementGroups.json", "caller.json"})


class Tenant:
    """Reads TENANT/arm, authorization, graph, kubernetes and registries; see the package's docstring for the layout.

    `still`: nobody changes these folders while they are served, but for kubernetes, so they are read once.
    """

    def __init__(self, root: Path, *, still: bool = False) -> None:
        self.root = root
        self._arm = JsonFolder(root / "arm", self.report, deep=True, still=still)
        self._authorization = JsonFolder(root / "authorization", self.report, skip=_SPECIAL, still=still)
        self._graph = JsonFolder(root / "graph", self.report, still=still)
        self._registries = JsonFolder(root / "registries", self.report, still=still)
        self._groups = JsonFile(root / "authorization" / "groups.json", {}, self.report)
        self._management = JsonFile(root / "authorization" / "managementGroups.json", None, self.report)
        self._caller = JsonFile(root / "authorization" / "caller.json", {}, self.report)
        self._cached: dict[str, tuple[Hashable, Any]] = {}

    def report(self, message: str) -> None:
        print(f"simulator: {message}", file=sys.stderr, flush=True)  # noqa: T201 - a command line's own channel

    def resources(self) -> Resources:
        generation = self._arm.refresh()
        return self._once("arm", generation, self._index_resources)

    def authorization(self) -> Authorization:
        """What the folder says. Registries go by it, so that a test says there whether the app may pull."""
        groups, management = self._groups.value(), self._management.value()
        generation = (self._authorization.refresh(), self._groups.generation, self._management.generation)
        return self._once(
            "authorization", generation, lambda: Authorization(self._authorization.bodies(), groups, management)
        )

    def authorization_with_own_roles(self) -> Authorization:
        """What the folder says and the app's own roles beside it, as Azure Resource Manager shows them."""
        groups, management, caller = self._groups.value(), self._management.value(), self.caller()
        generation = (
            self._authorization.refresh(),
            self._groups.generation,
            self._management.generation,
            self._caller.generation,
            self._arm.generation,
        )

        def index() -> Authorization:
            given = list(self._authorization.bodies())
            return Authorization([*own_roles(caller, self.resources(), given), *given], groups, management)

        return self._once("authorization with own roles", generation, index)

    def caller(self) -> Caller:
        document, management, resources = self._caller.value(), self._management.value(), self.resources()
        generation = (self._caller.generation, self._management.generation, self._arm.generation)

        def read() -> Caller:
            known, above = read_caller(document, self._tenant_id(resources)), ManagementGroups(management)
            return known.with_denials_below(resources.subscriptions, partial(is_at_or_above, groups=above))

        known: Caller = self._once("caller", generation, read)
        return replace(known, roles=self._roles(known, management)) if known.enforced else known

    def _roles(self, caller: Caller, management: Any) -> Rights:
        """What the app's roles allow, as the folder has them now."""
        groups = self._groups.value()
        generation = (self._authorization.refresh(), self._groups.generation, self._caller.generation)

        def index() -> Rights:
            held = [*(caller.assignments or ()), *self._authorization.bodies()]
            return Rights(Authorization(held, groups, management), caller.principal)

        return self._once("roles", (*generation, self._management.generation), index)

    def graph(self) -> list[tuple[Path, dict[str, Any]]]:
        """Bodies of TENANT/graph with the file each stands in."""
        generation = self._graph.refresh()
        return self._once("graph", generation, lambda: list(self._graph.bodies_with_files()))

    def registries(self) -> dict[str, dict[str, Any]]:
        """TENANT/registries by login server (lower case)."""
        generation = self._registries.refresh()
        return self._once("registries", generation, self._index_registries)

    def authorization_file(self, resource_id: str) -> Path | None:
        """The file that holds an assignment, for those who remove one."""
        self._authorization.refresh()
        for path, body in self._authorization.bodies_with_files():
            if str(body.get("id", "")).lower() == resource_id.lower():
                return path
        return None

    def _index_resources(self) -> Resources:
        bodies = list(self._arm.bodies())
        for path, body in self._arm.bodies_with_files():
            if not isinstance(body.get("id"), str):
                self.report(f"{path}: a body without `id` cannot be found by anybody: left out")
        return Resources(bodies, DEFAULT_TENANT)

    def _index_registries(self) -> dict[str, dict[str, Any]]:
        return {path.name.removesuffix(".json").lower(): body for path, body in self._registries.bodies_with_files()}

    def _tenant_id(self, resources: Resources) -> str | None:
        """The app's tenant where nobody names it: the first subscription's, those without managing tenants first."""
        bodies = [subscription.body for subscription in resources.subscriptions.values()]
        tenants = (body.get("tenantId") for body in sorted(bodies, key=lambda body: bool(body.get("managedByTenants"))))
        return next((tenant for tenant in tenants if isinstance(tenant, str)), None)

    def _once(self, name: str, generation: Hashable, make: Callable[[], T]) -> T:
        known = self._cached.get(name)
        if known is None or known[0] != generation:
            known = self._cached[name] = (generation, make())
        return cast(T, known[1])
