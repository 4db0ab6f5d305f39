"""Secrets are taken out where text enters, and what cannot be read is not repeated."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from checks.collect.arm.bodies import client_secret, registry
from checks.collect.kubernetes import connection, kubeconfig, refusals
from checks.collect.kubernetes.canary_pod import PodState
from checks.collect.wire.errors import Temporary
from checks.findings import Evidence
from tests.collect.test_api_connection import Authority
from tests.support.secret_texts import CANARIES, TEXTS, leaks

REGISTRY = (
    "/subscriptions/7f951dda-4ed3-4680-a7ca-43fe172d538d/resourceGroups/rg/providers/"
    "Microsoft.ContainerRegistry/registries/acrone"
)
CANARY = CANARIES["password of Python"]


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "text",
    [
        f"!!bool {CANARY}", f"!!int {CANARY}", f"!!float {CANARY}", f"!!timestamp {CANARY}", '!!int ""', '!!float ""',
        f"!!{CANARY} x", f"a: [{CANARY}", f"? [{CANARY}]\n: x", f"<<: {CANARY}", f"*{CANARY}",
    ],
)  # fmt: skip
def test_a_kubeconfig_that_is_no_yaml_is_not_repeated(text: str) -> None:
    with pytest.raises(Temporary, match="the kubeconfig is no YAML") as caught:
        kubeconfig.read(text.encode())
    assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("key", ["certificate-authority-data", "client-certificate-data", "client-key-data"])
@pytest.mark.parametrize("value", [CANARY + "?", "4oKs" + CANARY])
def test_what_is_no_base64_in_a_kubeconfig_is_not_repeated(key: str, value: str) -> None:
    body = {
        "clusters": [{"cluster": {"server": "https://x.example", key: value}}],
        "users": [{"user": {key: value}}],
    }
    with pytest.raises(Temporary, match=f"{key} is not base64") as caught:
        kubeconfig.read(json.dumps(body).encode())
    assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("which", ["authority", "client certificate", "client key"])
def test_certificates_that_are_none_are_not_repeated(which: str) -> None:
    pems = {name: Authority().pem for name in ("authority", "client certificate", "client key")}
    pems[which] = f"-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----\n"
    config = kubeconfig.Kubeconfig("https://x.example", pems["authority"], False, None, *list(pems.values())[1:])
    with pytest.raises(Temporary, match="certificates cannot be used") as caught:
        connection._api_client(config, None)
    assert CANARY not in shown(caught.value)


def test_a_client_key_that_is_encrypted_is_refused_and_nobody_is_asked_for_its_password() -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"of-the-key"),
    )
    pem = Authority().pem
    config = kubeconfig.Kubeconfig("https://x.example", pem, False, None, pem, key.decode())
    with pytest.raises(Temporary, match="certificates cannot be used"):
        connection._api_client(config, None)


@pytest.mark.parametrize("name", TEXTS)
def test_the_name_of_a_client_secret_is_kept_without_secrets(name: str) -> None:
    secret = client_secret({"endDateTime": "2027-01-01T00:00:00Z", "displayName": f"for AKS: {TEXTS[name]}"})
    assert secret.ends == "2027-01-01T00:00:00Z"
    assert (secret.name or "").startswith("for AKS: ")
    assert not leaks(str(secret))


@pytest.mark.parametrize("name", TEXTS)
def test_what_a_registry_says_of_itself_is_kept_without_secrets(name: str) -> None:
    text = f"Odd {TEXTS[name]}"
    properties = {
        "loginServer": "acrone.azurecr.io",
        "roleAssignmentMode": text,
        "publicNetworkAccess": text,
        "networkRuleSet": {"defaultAction": text},
        "policies": {"azureADAuthenticationAsArmPolicy": {"status": text}},
    }
    made = registry({"id": REGISTRY, "name": "acrone", "properties": properties}, Evidence("x", REGISTRY))
    assert made is not None and (made.role_assignment_mode or "").startswith("Odd ")
    assert not leaks(str(made))


def test_what_a_registry_may_say_is_kept_as_it_is() -> None:
    properties = {"loginServer": "acrone.azurecr.io", "roleAssignmentMode": "AbacRepositoryPermissions"}
    made = registry(
        {"id": REGISTRY, "name": "acrone", "properties": properties | {"publicNetworkAccess": "Disabled"}},
        Evidence("x", REGISTRY),
    )
    assert made is not None and made.role_assignment_mode == "AbacRepositoryPermissions"
    assert made.network_access.public_network_access == "Disabled"


@pytest.mark.parametrize("as_status", [True, False])
@pytest.mark.parametrize("message_of", [refusals.message_of, PodState.message_of])
def test_a_refusal_is_cut_after_its_secrets_are_taken_out(message_of: Callable[[bytes], str], as_status: bool) -> None:
    said = f"{'x' * 235} key {'x9FqB3' * 12}+AStAbCdEf== rejected"
    shown = message_of((json.dumps({"kind": "Status", "message": said}) if as_status else said).encode())
    assert shown == f"{'x' * 235} key [redacted] rejected"


def test_a_client_secret_without_a_name_has_none() -> None:
    assert client_secret({"displayName": ""}).name is None


@pytest.mark.parametrize("name", TEXTS)
def test_how_a_kubelet_refuses_a_canary_is_kept_without_secrets(name: str) -> None:
    text = TEXTS[name]
    status = {"phase": "Failed", "reason": f"Refused {text}", "message": f"refused: {text}"}
    state = PodState.of(json.dumps({"metadata": {"finalizers": [f"x {text}"]}, "status": status}).encode())
    assert state.refusal is not None
    assert state.refusal.reason.startswith("Refused")
    assert not leaks(str(state))
