"""Output that gets nowhere is no verdict; closed streams, and terminals that lack characters, are no errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from simulator import running
from tests.support.cli import ROOT, clean, typed
from tests.support.sampling import sampled
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = "acrone.azurecr.io/team/web:1"
SUBSCRIPTION = "Käse-雪…"
ERROR = '{"message": "Failed to pull image \\"x\\": EOF", "pod": "wéb…"}'
COMMANDS = (
    "--help",
    "--version",
    "list",
    "explain PW204",
    "classify",
    "classify -o table",
    "scan --quiet",
    "scan --quiet -o json",
    "watch --quiet",
    "explain --quiet --cluster aks-1",
)
SAMPLE = ("--version", "explain PW204", "classify", "scan --quiet")  # the others are in the matrix
NO_UTF_8 = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """aks-1 may pull and aks-2 may not: a verdict of 1. The subscription's name is none of ASCII."""
    tenant = Tenant(tmp_path_factory.mktemp("streams") / "tenant")
    tenant.add_subscription(tenant.subscription, displayName=SUBSCRIPTION)
    registry = tenant.registry()
    for name in ("aks-1", "aks-2"):
        tenant.cluster(name)
        tenant.pod(IMAGE, cluster=name)
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    with running(tenant.root) as served:
        yield served.environment


def shell(
    environment: Mapping[str, str], arguments: str, redirected: str, interpreter: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """A command with its streams redirected as a shell does; redirections alone are opened, never a file's option."""
    text = f'"{sys.executable}" {interpreter} -m checks {arguments} {redirected}'
    return subprocess.run(
        ["bash", "-c", text],
        cwd=ROOT,
        env=clean(environment),
        input=f"{ERROR}\n".encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "redirected", "why"),
    [
        *(
            pytest.param(
                *(arguments, ">/dev/full", "No space left on device"),
                marks=() if arguments in SAMPLE else pytest.mark.matrix,
            )
            for arguments in COMMANDS
        ),
        *sampled(
            [(name, ">&-", "Bad file descriptor") for name in ("--version", "list", "classify", "scan --quiet")], 2
        ),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence_and_no_verdict(
    environment: Mapping[str, str], arguments: str, redirected: str, why: str
) -> None:
    done = shell(environment, arguments, redirected)
    assert done.returncode == 74
    assert done.stderr.decode() == f"pullwatch: standard output cannot be written: {why}\n"


NOWHERE = ((">/dev/full 2>/dev/full", ""), (">&- 2>&-", "-u"), ("<&- >&- 2>&-", ""))


@pytest.mark.parametrize(
    ("arguments", "closed", "interpreter"), sampled([(name, *each) for name in ("list", "scan") for each in NOWHERE], 2)
)
def test_where_there_is_nowhere_to_say_it_the_code_says_it(
    environment: Mapping[str, str], arguments: str, closed: str, interpreter: str
) -> None:
    done = shell(environment, arguments, closed, interpreter)
    assert (done.returncode, done.stdout, done.stderr) == (74, b"", b"")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "<&- 2>&-"])
def test_messages_that_get_nowhere_change_no_answer(environment: Mapping[str, str], redirected: str) -> None:
    done = shell(environment, "scan --only fail", redirected)
    assert done.returncode == 1
    assert b"2 clusters: 1 can pull, 1 cannot" in done.stdout


def test_an_input_that_is_closed_cannot_be_read() -> None:
    done = shell({}, "classify", "<&-")
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr.startswith(b"pullwatch: the input cannot be read: Bad file descriptor\n")


def test_wrong_usage_is_wrong_usage_with_every_stream_closed() -> None:
    assert shell({}, "scan --clsuter x", "<&- >&- 2>&-").returncode == 64


@pytest.mark.parametrize("arguments", ["list", "scan --quiet -o html"])
def test_a_reader_that_has_gone_ends_a_command_without_a_word(environment: Mapping[str, str], arguments: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb", buffering=0) as gone:
        done = subprocess.run(
            [sys.executable, "-m", "checks", *arguments.split()],
            cwd=ROOT,
            env=clean(environment),
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    sampled(
        [
            ("scan --only pass --only fail", NO_UTF_8),
            ("watch --timeout 1s", NO_UTF_8),
            ("explain PW301", NO_UTF_8),
            ("explain PW301", {"PYTHONIOENCODING": "cp1252"}),
            ("explain \N{SNOWMAN}", {"PYTHONIOENCODING": "ascii"}),
            ("classify -o table", {"PYTHONIOENCODING": "ascii"}),
        ],
        every=3,
        first=0,
    ),
)
def test_a_terminal_that_lacks_characters_gets_what_is_like_them(
    environment: Mapping[str, str], arguments: str, lacking: Mapping[str, str]
) -> None:
    wanted = typed(environment, *arguments.split(), stdin=f"{ERROR}\n")
    done = shell({**environment, **lacking}, arguments, "")
    assert done.returncode == wanted.returncode
    assert b"Traceback" not in done.stderr and b"\\u" not in done.stderr + done.stdout
    text = (done.stdout + done.stderr).decode(lacking.get("PYTHONIOENCODING", "ascii"))
    assert len(text.splitlines()) == len((wanted.stdout + wanted.stderr).splitlines())


@pytest.mark.parametrize("form", ["json", "html"])
def test_formats_are_utf_8_on_every_terminal(environment: Mapping[str, str], form: str) -> None:
    lacking = {**environment, "PYTHONIOENCODING": "ascii"}
    done = shell(lacking, f"scan --quiet -o {form} --subscription {SUBSCRIPTION}", "")
    assert done.returncode == 1
    assert SUBSCRIPTION in done.stdout.decode("utf-8")


def test_names_of_another_encoding_are_no_error_in_a_message(environment: Mapping[str, str]) -> None:
    done = shell(environment, "scan --cluster $'aks-\\xff'", "")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
