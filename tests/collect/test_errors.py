"""Errors of the wire: what somebody else said is kept without secrets; the exception that said it is not chained."""

from __future__ import annotations

import asyncio
import json
import traceback

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from checks.collect.kubernetes.kubeconfig import Kubeconfig
from checks.collect.registry.client import HttpResponse
from checks.collect.wire.errors import CollectError, translate_errors
from checks.web.http import Asked
from checks.web.problems import Refused
from checks.web.resources.checks import read_request
from tests.support.secret_texts import CANARIES, TEXTS, leaks


def translated(error: Exception) -> CollectError:
    """What a call that raises an error becomes."""

    async def call() -> None:
        async with translate_errors("list things", "Reader", "/", 5):
            raise error

    with pytest.raises(CollectError) as raised:
        asyncio.run(call())
    return raised.value


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("kind", [HttpResponseError, ServiceRequestError, AzureError, OSError])
def test_neither_the_text_nor_the_traceback_of_an_error_shows_a_secret(kind: type[Exception], text: str) -> None:
    error = translated(kind(text))
    assert "[redacted]" in str(error)
    assert not leaks(str(error) + repr(error.as_gap()) + "".join(traceback.format_exception(error)))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_request_that_is_refused_is_repeated_without_secrets(text: str) -> None:
    with pytest.raises(Refused) as raised:
        read_request(Asked("POST", body=json.dumps({"registries": [text]}).encode()))
    assert raised.value.answer.status == 400
    assert not leaks(str(raised.value) + str(raised.value.answer.body))


def test_what_holds_credentials_does_not_represent_them() -> None:
    canary = next(iter(CANARIES.values()))
    kubeconfig = Kubeconfig("https://x:443", "ca", exec_plugin=False, token=canary, key_pem=canary)
    answer = HttpResponse(200, {"set-cookie": canary}, canary.encode())
    assert (repr(kubeconfig), repr(answer)) == ("Kubeconfig(https://x:443)", f"HttpResponse(200, {len(canary)} bytes)")
