"""Secrets are taken out where text enters, and what cannot be read is not repeated."""

from __future__ import annotations

import json
import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from checks.collect.arm.bodies import client_secret
from checks.collect.kubernetes import connection, kubeconfig
from checks.collect.kubernetes.canary_pod import PodState
from checks.collect.wire.errors import Temporary
from tests.collect.test_api_connection import Authority
from tests.support.secret_texts import CANARIES, TEXTS, leaks

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
        connection._trust(config)
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
        connection._trust(config)


@pytest.mark.parametrize("name", TEXTS)
def test_the_name_of_a_client_secret_is_kept_without_secrets(name: str) -> None:
    secret = client_secret({"endDateTime": "2027-01-01T00:00:00Z", "displayName": f"for AKS: {TEXTS[name]}"})
    assert secret.ends == "2027-01-01T00:00:00Z"
    assert (secret.name or "").startswith("for AKS: ")
    assert not leaks(str(secret))


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
