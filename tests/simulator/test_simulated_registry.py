"""Registries by their names: the way from a challenge to a manifest, and where it ends when something is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from simulator import Simulator
from tests.support import customer_key
from tests.support.tenant_builder import merged
from tests.support.tenant_server import GROUP, KUBELET, READER, REGISTRY, Folder

ACR = "https://containerregistry.azure.net"
ARM = "https://management.azure.com"
HOST = "https://regone.azurecr.io"
REPOSITORY_READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
INDEX = "application/vnd.oci.image.index.v1+json"


class Loopback(AbstractResolver):
    """Every name leads to the simulator's registries."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        values = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": 2, "proto": 0, "flags": 0}
        return [ResolveResult(**values)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        return None


@pytest.fixture
async def web(sim: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=str(sim.ca_file))
    connector = aiohttp.TCPConnector(resolver=Loopback(sim.ports["registry"]), ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def read(reply: Any) -> tuple[int, Any]:
    return reply.status, json.loads(await reply.read() or b"null")


async def exchange(web: aiohttp.ClientSession, token: str) -> tuple[int, Any]:
    form = {"grant_type": "access_token", "service": "regone.azurecr.io", "access_token": token}
    async with web.post(f"{HOST}/oauth2/exchange", data=form) as reply:
        return await read(reply)


async def access(web: aiohttp.ClientSession, refresh: str, repository: str = "team/app") -> str:
    form = {"grant_type": "refresh_token", "service": "regone.azurecr.io", "refresh_token": refresh}
    async with web.post(f"{HOST}/oauth2/token", data={**form, "scope": f"repository:{repository}:pull"}) as reply:
        assert reply.status == 200
        return str((await reply.json())["access_token"])


async def manifest(web: aiohttp.ClientSession, token: str, reference: str = "1.0", repository: str = "team/app") -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    async with web.get(f"{HOST}/v2/{repository}/manifests/{reference}", headers=headers) as reply:
        return await read(reply)


def settings(folder: Folder, **properties: Any) -> None:
    body = {"id": REGISTRY, "name": "regone", "properties": {"loginServer": "regone.azurecr.io", **properties}}
    folder.write("arm/registry.json", body)


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


async def test_the_door_challenges_with_its_own_realm_and_service(web: aiohttp.ClientSession) -> None:
    async with web.get(f"{HOST}/v2/") as reply:
        assert reply.status == 401
        realm = 'Bearer realm="https://regone.azurecr.io/oauth2/token",service="regone.azurecr.io"'
        assert reply.headers["Www-Authenticate"] == realm
        assert (await reply.json())["errors"][0]["code"] == "UNAUTHORIZED"


async def test_an_identity_with_acrpull_gets_from_the_challenge_to_the_layers(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder
) -> None:
    folder.assignment("pull", GROUP, KUBELET)
    status, body = await exchange(web, sim.token(ACR, KUBELET))
    assert status == 200
    document = claims(body["refresh_token"])
    assert document["permissions"]["Actions"] == ["read"] and document["exp"] - document["nbf"] == 11_700
    token = await access(web, body["refresh_token"])
    status, index = await manifest(web, token)
    assert (status, index["mediaType"]) == (200, INDEX)
    assert [m["platform"]["architecture"] for m in index["manifests"]] == ["amd64", "arm64"]
    status, plain = await manifest(web, token, index["manifests"][1]["digest"])
    assert status == 200
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{HOST}/v2/team/app/blobs/{plain['config']['digest']}"
    async with web.get(url, headers=headers, allow_redirects=False) as reply:
        assert reply.status == 307
        location = reply.headers["Location"]
    assert location.startswith("https://regonemanaged.blob.core.windows.net/")
    async with web.get(location) as blob:
        content = await blob.read()
    assert "sha256:" + hashlib.sha256(content).hexdigest() == plain["config"]["digest"]
    assert json.loads(content)["architecture"] == "arm64"


async def test_head_tells_the_digest_of_a_tag(web: aiohttp.ClientSession, sim: Simulator, folder: Folder) -> None:
    folder.assignment("pull", REGISTRY, KUBELET)
    token = await access(web, (await exchange(web, sim.token(ACR, KUBELET)))[1]["refresh_token"])
    headers = {"Authorization": f"Bearer {token}"}
    async with web.head(f"{HOST}/v2/team/app/manifests/1.0", headers=headers) as reply:
        assert (reply.status, reply.headers["Docker-Content-Digest"]) == (200, "sha256:" + "a" * 64)


async def test_an_identity_without_a_role_is_refused_at_the_exchange(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder
) -> None:
    folder.assignment("elsewhere", REGISTRY + "2", KUBELET)
    assert (await exchange(web, sim.token(ACR, KUBELET)))[0] == 401


async def test_reader_pulls_and_a_deny_assignment_for_everybody_ends_it(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder
) -> None:
    folder.assignment("reader", GROUP, KUBELET, READER)
    assert (await exchange(web, sim.token(ACR, KUBELET)))[0] == 200
    kind = "Microsoft.Authorization/denyAssignments"
    deny: dict[str, Any] = {
        "scope": GROUP,
        "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}],
        "permissions": [{"actions": ["*"], "notActions": []}],
    }
    folder.write("authorization/deny.json", {"id": f"{GROUP}/providers/{kind}/d", "type": kind, "properties": deny})
    assert (await exchange(web, sim.token(ACR, KUBELET)))[0] == 401
    deny["denyAssignmentEffect"] = "audit"
    folder.write("authorization/deny.json", {"id": f"{GROUP}/providers/{kind}/d", "type": kind, "properties": deny})
    assert (await exchange(web, sim.token(ACR, KUBELET)))[0] == 200


async def test_arm_tokens_are_taken_unless_the_policy_is_off(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder
) -> None:
    folder.assignment("pull", REGISTRY, KUBELET)
    assert (await exchange(web, sim.token(ARM, KUBELET)))[0] == 200
    settings(folder, policies={"azureADAuthenticationAsArmPolicy": {"status": "disabled"}})
    assert (await exchange(web, sim.token(ARM, KUBELET)))[0] == 401
    assert (await exchange(web, sim.token(ACR, KUBELET)))[0] == 200


async def test_in_repository_mode_acrpull_counts_nothing_and_a_condition_narrows(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder
) -> None:
    settings(folder, roleAssignmentMode="AbacRepositoryPermissions")
    tags = {"1.0": {"platforms": ["linux/amd64"]}}
    folder.write("registries/regone.azurecr.io.json", {"repositories": {"team/app": tags, "other/app": tags}})
    folder.assignment("pull", REGISTRY, KUBELET)
    refresh = (await exchange(web, sim.token(ACR, KUBELET)))[1]["refresh_token"]
    assert (await manifest(web, await access(web, refresh)))[0] == 401
    condition = (
        "((!(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/content/read'})) OR "
        "(@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringStartsWithIgnoreCase 'Team/'))"
    )
    folder.assignment("reader", REGISTRY, KUBELET, REPOSITORY_READER, condition=condition)
    assert (await manifest(web, await access(web, refresh)))[0] == 200
    other = await access(web, refresh, "other/app")
    status, body = await manifest(web, other, repository="other/app")
    assert (status, body["errors"][0]["detail"][0]["Name"]) == (401, "other/app")


async def test_what_is_not_in_a_registry_is_told_by_tag_and_by_repository(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder
) -> None:
    settings(folder, anonymousPullEnabled=True)
    query = {"service": "regone.azurecr.io", "scope": "repository:team/app:pull repository:none:pull"}
    async with web.get(f"{HOST}/oauth2/token", params=query) as reply:
        token = (await reply.json())["access_token"]
    status, body = await manifest(web, token, "9.9")
    assert (status, body["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    status, body = await manifest(web, token, "1.0", "none")
    assert (status, body["errors"][0]["code"]) == (404, "NAME_UNKNOWN")
    assert (await manifest(web, token))[0] == 200


async def test_without_anonymous_pull_nobody_gets_a_token_without_credentials(web: aiohttp.ClientSession) -> None:
    query = {"service": "regone.azurecr.io", "scope": "repository:team/app:pull"}
    async with web.get(f"{HOST}/oauth2/token", params=query) as reply:
        assert reply.status == 401


async def test_user_names_and_passwords_of_the_file_are_taken(web: aiohttp.ClientSession, folder: Folder) -> None:
    folder.write(
        "registries/regone.azurecr.io.json",
        {"repositories": {"team/app": {"1.0": {}}}, "credentials": {"token-one": "secret"}},
    )
    query = {"service": "regone.azurecr.io", "scope": "repository:team/app:pull"}
    for password, expected in (("secret", 200), ("stale", 401)):
        auth = {"Authorization": aiohttp.encode_basic_auth("token-one", password)}
        async with web.get(f"{HOST}/oauth2/token", params=query, headers=auth) as reply:
            assert reply.status == expected


@pytest.mark.parametrize(
    ("properties", "address", "expected"),
    [
        ({"publicNetworkAccess": "Disabled"}, "198.51.100.7", 403),
        ({"networkRuleSet": {"defaultAction": "Deny", "ipRules": []}}, "198.51.100.7", 403),
        ({"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.0/24"}]}}, "198.51.100.7", 401),
        ({"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.8"}]}}, "198.51.100.7", 403),
        ({"networkRuleSet": None}, "198.51.100.7", 401),
    ],
)
async def test_the_firewall_names_the_address_it_refuses(
    web: aiohttp.ClientSession, folder: Folder, properties: dict[str, Any], address: str, expected: int
) -> None:
    settings(folder, **properties)
    folder.write("authorization/caller.json", {"address": address})
    async with web.get(f"{HOST}/v2/") as reply:
        status, body = await read(reply)
    assert status == expected
    if expected == 403:
        message = (
            f"client with IP '{address}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
        )
        assert body["errors"] == [{"code": "DENIED", "message": message}]


BROKEN = [
    ("vault", None),
    ("key", None),
    ("identity", None),
    ("key", customer_key.key_body(enabled=False)),
    ("vault", customer_key.vault_body(accessPolicies=[])),
    ("vault", customer_key.vault_body(enableRbacAuthorization=True)),
    ("vault", customer_key.vault_body(networkAcls={"defaultAction": "Deny", "bypass": "None"})),
    ("identity", customer_key.identity_body(clientId="another")),
]


@pytest.mark.parametrize(("name", "body"), [("", None), *BROKEN])
async def test_a_registry_that_cannot_use_its_key_gives_out_no_token(
    web: aiohttp.ClientSession, folder: Folder, name: str, body: Any
) -> None:
    known = {
        "vault": customer_key.vault_body(),
        "key": customer_key.key_body(),
        "identity": customer_key.identity_body(),
    }
    for part, shown in (known | {name: body}).items():
        folder.write(f"arm/cmk-{part}.json", shown or {})
    registry = json.loads((folder.root / "arm/registry.json").read_text())
    folder.write("arm/registry.json", merged(registry, customer_key.encrypted()))
    async with web.get(f"{HOST}/v2/") as reply:
        assert reply.status == 401  # it is reached, and asks for a token
    async with web.get(f"{HOST}/oauth2/token", params={"service": "regone.azurecr.io"}) as reply:
        status, answered = await read(reply)
    assert (status, answered["errors"][0]["code"]) == ((403, "DENIED") if name else (401, "UNAUTHORIZED"))


async def test_a_registry_nobody_has_closes_the_connection(web: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await web.get("https://nobody.azurecr.io/v2/")


async def test_somebody_elses_registry_serves_by_its_file(
    web: aiohttp.ClientSession, folder: Folder, sim: Simulator
) -> None:
    folder.write("registries/ghcr.example.json", {"repositories": {"a/b": {"1": {"platforms": ["linux/amd64"]}}}})
    async with web.get("https://ghcr.example/token?service=ghcr.example&scope=repository:a/b:pull") as reply:
        token = (await reply.json())["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with web.get("https://ghcr.example/v2/a/b/manifests/1", headers=headers) as reply:
        content = await reply.read()
        assert reply.headers["Docker-Content-Digest"] == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("mode", ["LegacyRegistryPermissions", "AbacRepositoryPermissions"])
async def test_what_the_app_may_not_do_holds_at_its_registries_and_for_nobody_else(
    web: aiohttp.ClientSession, sim: Simulator, folder: Folder, mode: str
) -> None:
    settings(folder, roleAssignmentMode=mode)
    folder.write("authorization/caller.json", {"principalId": "app", "denied": [{"scope": GROUP, "actions": ["*"]}]})
    expected = {"app": False, KUBELET: True}
    for principal in expected:
        folder.assignment(f"pull-{principal}", REGISTRY, principal)
        folder.assignment(f"read-{principal}", REGISTRY, principal, REPOSITORY_READER)
    for principal, pulls in expected.items():
        status, body = await exchange(web, sim.token(ACR, principal))
        if status == 200:
            status, _ = await manifest(web, await access(web, body["refresh_token"]))
        assert (status == 200) is pulls
