"""What the tests of the simulator share: a folder to write a tenant into, and plain HTTP to talk to it."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator import Simulator

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-one"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks-one"
REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/regone"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-one"
KUBELET = "aaaaaaaa-0000-0000-0000-000000000001"
KUBELET_CLIENT = "aaaaaaaa-0000-0000-0000-000000000002"
ARM = "https://management.azure.com/"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class Folder:
    """A tenant's folder, written piece by piece."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, content: Any) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def assignment(self, name: str, scope: str, principal: str, role: str = ACR_PULL, **properties: Any) -> None:
        above = scope if scope != "/" else ""
        self.write(
            f"authorization/{name}.json",
            {
                "id": f"{above}/providers/Microsoft.Authorization/roleAssignments/{name}",
                "type": "Microsoft.Authorization/roleAssignments",
                "name": name,
                "properties": {
                    "scope": scope,
                    "principalId": principal,
                    "principalType": "ServicePrincipal",
                    "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
                    **properties,
                },
            },
        )


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def names(self) -> list[str]:
        return [item["name"] for item in self.json["value"]]


class Client:
    """Plain HTTP to a running tenant, with the token each service wants unless a header says otherwise."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.timeout = 20.0
        context = ssl.create_default_context(cafile=str(sim.ca_file))
        handler = urllib.request.HTTPSHandler(context=context)
        self._opener = urllib.request.build_opener(handler, urllib.request.ProxyHandler({}))

    def send(self, url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=data, method=method, headers=named)
        try:
            with self._opener.open(request, timeout=self.timeout) as reply:
                return Reply(reply.status, dict(reply.headers.items()), reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, dict(error.headers.items()), error.read())

    def arm(self, path: str, version: str = "2025-11-01", method: str = "GET", body: Any = None, **query: str) -> Reply:
        values = urllib.parse.urlencode({"api-version": version, **{f"${k}": v for k, v in query.items()}})
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.sim.environment['PULLWATCH_ARM_ENDPOINT']}{path}?{values}"
        return self.send(url, method, data, Authorization=f"Bearer {self.sim.token(ARM)}")

    def roles(self, scope: str, query: str | None = None, kind: str = "roleAssignments", **options: str) -> list[str]:
        """Names of what a list answers, over all its pages."""
        above = scope if scope != "/" else ""
        filters = {} if query is None else {"filter": query}
        path = f"{above}/providers/Microsoft.Authorization/{kind}"
        reply = self.arm(path, options.get("version", "2022-04-01"), **filters)
        names = reply.names
        while "nextLink" in reply.json:
            reply = self.send(reply.json["nextLink"], Authorization=f"Bearer {self.sim.token(ARM)}")
            names += reply.names
        return sorted(names)
