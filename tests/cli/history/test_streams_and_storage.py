"""What these commands have in common: the storage they need, and output that gets nowhere."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.history.kept import NOW, looked, on, plan, planned
from tests.support.cli import ROOT, clean
from tests.support.said import Said
from tests.support.sampling import sampled

COMMANDS = (
    ["history", "--cluster", "aks-1"],
    ["runs"],
    ["verify-history", "--quiet"],
    ["rebuild-overview", "--quiet"],
)
each = pytest.mark.parametrize("arguments", sampled(COMMANDS, 4), ids=lambda words: words[0])


@each
def test_without_a_storage_it_says_which_settings_name_it(arguments: list[str]) -> None:
    said = Said(None, *arguments)
    assert (said.code, said.out) == (64, "")
    assert "in the app's storage: set AzureWebJobsStorage, or AzureWebJobsStorage__tableServiceUri" in said.errors


@each
def test_a_storage_that_does_not_answer_is_no_traceback(arguments: list[str]) -> None:
    dead = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
        f"AccountKey={base64.b64encode(b'k' * 64).decode()};TableEndpoint=http://127.0.0.1:9/devstoreaccount1;"
    )
    said = Said(dead, *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.errors.startswith("pullwatch: the storage did not answer: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@each
@pytest.mark.parametrize("form", ["table", "json"])
def test_output_that_cannot_be_written_is_one_sentence_and_no_verdict(
    storage: str, arguments: list[str], form: str
) -> None:
    looked(storage, "pass", "fail")
    on(storage, lambda store: store.next_sequence(NOW))
    on(storage, lambda store: plan(store, planned(1, NOW)))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "checks", *arguments, "-o", form],
            cwd=ROOT,
            env=clean({"AzureWebJobsStorage": storage}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        74,
        "pullwatch: standard output cannot be written: No space left on device\n",
    )
