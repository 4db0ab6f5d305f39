"""PW301's steps: each cause has its own, they can be pasted, and no name in them begins another command."""

from __future__ import annotations

import shlex

import pytest

from checks.rules.pull.errors import PullErrorCause
from checks.rules.pull.remedies import PullContext, remedy
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
