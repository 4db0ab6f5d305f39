"""PW301's steps: each cause has its own, they can be pasted, and no name in them begins another command."""

from __future__ import annotations

import shlex

import pytest

from checks.rules.pull.errors import PullErrorCause
from checks.rules.pull.remedies import UNNAMED_CLUSTER, PullContext, remedy
from tests.support.access_facts import cluster, registry
from tests.support.image_facts import container

EVIL = 'acrone.azurecr.io/team/web\nrm -rf / #\r"$(reboot)"'
VAGUE = {PullErrorCause.UNKNOWN, PullErrorCause.BACKOFF_ONLY}


def steps(cause: PullErrorCause, *, known: bool = True, image: str = "acrone.azurecr.io/team/web:1") -> tuple[str, ...]:
    waiting = container(image, "default/regcred", node="aks-system-1")
    host = "acrone.azurecr.io" if known else "docker.io"
    text = "client with IP '20.50.1.1' is not allowed access"
    return remedy(cause, PullContext(cluster(), waiting, host, registry() if known else None, text))


def test_every_cause_but_those_that_name_none_has_steps_of_its_own() -> None:
    assert steps(PullErrorCause.UNKNOWN) == ("kubectl describe pod --namespace default web-1",)
    for cause in set(PullErrorCause) - VAGUE:
        for known in (True, False):
            assert steps(cause, known=known) != steps(PullErrorCause.UNKNOWN), cause


@pytest.mark.parametrize("cause", PullErrorCause)
@pytest.mark.parametrize("known", [True, False])
def test_each_line_is_one_command_or_one_note_whatever_images_are_called(cause: PullErrorCause, *, known: bool) -> None:
    for line in steps(cause, known=known, image=EVIL):
        if line.startswith("# "):
            assert "\n" not in line and "\r" not in line
        else:
            assert shlex.split(line)[0] in ("az", "kubectl", "nslookup")


@pytest.mark.parametrize("cause", PullErrorCause)
def test_no_step_takes_anything_away(cause: PullErrorCause) -> None:
    for line in (*steps(cause), *steps(cause, known=False)):
        assert not {"delete", "remove", "purge", "drain"} & set(line.split())


@pytest.mark.parametrize(
    ("cause", "begins"),
    [
        (PullErrorCause.UNAUTHORIZED, "az aks check-acr"),
        (PullErrorCause.FIREWALL_DENIED, "az acr network-rule add"),
        (PullErrorCause.IMAGE_NOT_FOUND, "az acr repository show"),
        (PullErrorCause.PLATFORM_MISMATCH, "az acr manifest list-metadata"),
        (PullErrorCause.REGISTRY_ERROR, "az acr check-health"),
        (PullErrorCause.NODE_DISK, "kubectl describe node aks-system-1"),
        (PullErrorCause.DNS, "nslookup acrone.azurecr.io"),
    ],
)
def test_the_first_step_of_an_azure_registry(cause: PullErrorCause, begins: str) -> None:
    assert steps(cause)[0].startswith(begins)


def test_alternatives_are_named_as_such() -> None:
    lines = steps(PullErrorCause.RATE_LIMITED, known=False)
    assert lines[0].startswith("# Either ") and any(line.startswith("# or ") for line in lines)
    assert any(line.startswith("az acr cache create") for line in lines)


OWNERS = ("role assignment", "--attach-acr", "network-rule", "az acr update", "check-health", "show-usage", "az aks")


def remedy_at(host: str, cause: PullErrorCause, text: str = "", *, known: bool = False) -> tuple[str, ...]:
    waiting = container(f"{host}/team/web:1", node="aks-system-12345678-vmss000000")
    return remedy(cause, PullContext(cluster(), waiting, host, registry() if known else None, text))


@pytest.mark.parametrize(
    "cause",
    [
        PullErrorCause.UNAUTHORIZED,
        PullErrorCause.CREDENTIALS_MISSING,
        PullErrorCause.FIREWALL_DENIED,
        PullErrorCause.RATE_LIMITED,
        PullErrorCause.REGISTRY_ERROR,
        PullErrorCause.IMAGE_NOT_FOUND,
    ],
)
def test_nothing_is_proposed_that_only_the_owner_of_an_unseen_registry_can_do(cause: PullErrorCause) -> None:
    lines = remedy_at("acrothers.azurecr.io", cause, "client with IP '20.50.1.1' is not allowed access")
    assert not [line for line in lines if any(word in line for word in OWNERS)]


def test_the_owner_of_an_unseen_registry_is_asked_with_the_address_that_it_sees() -> None:
    text = "client with IP '20.50.1.1' is not allowed access"
    (line,) = remedy_at("acrothers.azurecr.io", PullErrorCause.FIREWALL_DENIED, text)
    assert "If it is yours, give Pullwatch Reader there" in line and "20.50.1.1" in line
    assert remedy_at("acrone.azurecr.io", PullErrorCause.FIREWALL_DENIED, text, known=True)[0].startswith("az acr")


@pytest.mark.parametrize(
    ("host", "connected"),
    [("10.1.2.3:5000", True), ("quay.io", False), ("acrothers.azurecr.io", False), ("127.0.0.1:5000", False)],
)
def test_a_registry_by_its_address_may_be_a_connected_one_and_takes_a_pull_secret(
    host: str, *, connected: bool
) -> None:
    lines = remedy_at(host, PullErrorCause.UNAUTHORIZED)
    assert any("connected registry" in line for line in lines) is connected
    assert any(line.startswith("kubectl create secret docker-registry") for line in lines)
    assert not [line for line in lines if "role assignment" in line or line.startswith("az aks")]


@pytest.mark.parametrize("cause", [PullErrorCause.CONNECT_REFUSED, PullErrorCause.UNAUTHORIZED])
@pytest.mark.parametrize(
    ("mirror", "says"),
    [
        ("http://localhost:8578", "--name system --disable-artifact-streaming"),
        ("http://127.0.0.1:65001", "Spegel, Dragonfly"),
        ("http://10.224.0.4:30020", "a peer's, such as Spegel's"),
        ("https://mirror.corp.example", "Either repair the mirror mirror.corp.example, or take it out of /etc"),
    ],
)
def test_the_mirror_that_failed_is_repaired_not_the_registry(cause: PullErrorCause, mirror: str, says: str) -> None:
    text = f'Head "{mirror}/v2/team/web/manifests/1?ns=acrone.azurecr.io": connection refused'
    lines = remedy_at("acrone.azurecr.io", cause, text, known=True)
    assert any(says in line for line in lines)
    assert not [line for line in lines if "role assignment" in line or "check-acr" in line or "--attach-acr" in line]


def test_the_pool_of_an_unknown_node_is_left_for_a_person_to_fill_in() -> None:
    text = 'Head "http://localhost:8578/v2/team/web/manifests/1?ns=acrone.azurecr.io": connection refused'
    waiting = container("acrone.azurecr.io/team/web:1", node=None)
    lines = remedy(PullErrorCause.CONNECT_REFUSED, PullContext(cluster(), waiting, "acrone.azurecr.io", None, text))
    assert any("--name '<node pool>' --disable-artifact-streaming" in line for line in lines)


def remedy_of_text(cause: PullErrorCause, host: str = "acrone.azurecr.io", text: str = "") -> tuple[str, ...]:
    """Where Azure was not looked at, as for ``classify``."""
    return remedy(cause, PullContext(UNNAMED_CLUSTER, container(f"{host}/team/web:1"), host, None, text))


def test_whoever_has_only_a_text_is_told_what_to_ask_and_that_azure_was_not_asked() -> None:
    look, note, *secret = remedy_of_text(PullErrorCause.UNAUTHORIZED)
    assert look.startswith("az aks check-acr ") and look.endswith("--name '<cluster>' --acr acrone.azurecr.io")
    assert note.startswith(
        "# Only this text was looked at. If acrone.azurecr.io is yours, ask Azure with pullwatch scan"
    )
    assert secret[-1].startswith("kubectl create secret docker-registry")


@pytest.mark.parametrize("cause", PullErrorCause)
@pytest.mark.parametrize("host", ["acrone.azurecr.io", "docker.io", "10.1.2.3:5000"])
def test_a_text_alone_never_claims_what_was_read_in_azure(cause: PullErrorCause, host: str) -> None:
    lines = remedy_of_text(cause, host, "client with IP '20.50.1.1' is not allowed access")
    assert lines and not [line for line in lines if "could not read" in line or "None" in line]
    for line in lines:
        assert line.startswith("# ") or shlex.split(line)[0] in ("az", "kubectl", "nslookup")
