"""The command line as a whole: options before and after a command, help at errors, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checks.version import VERSION
from simulator import running
from tests.support.cli import ROOT, clean, typed
from tests.support.said import Said
from tests.support.sampling import sampled
from tests.support.tenant_builder import Tenant


def test_the_version_is_said_everywhere() -> None:
    for arguments in (["--version"], ["scan", "--version"], ["classify", "--version"]):
        done = typed({}, *arguments)
        assert (done.returncode, done.stdout) == (0, f"pullwatch {VERSION}\n")


@pytest.mark.parametrize("arguments", [("--quiet", "scan"), ("scan", "--quiet"), ("--verbose", "scan", "--quiet")])
def test_options_of_all_commands_stand_before_and_after_the_command(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    with running(tenant.root) as simulator:
        done = typed(simulator.environment, *arguments)
    assert "Listing subscriptions" not in done.stderr
    assert done.returncode == 2, "a cluster without anything that could be judged"


@pytest.mark.parametrize(
    ("arguments", "said"),
    sampled(
        [
            (("scan", "--clsuter", "x"), "unrecognized arguments: --clsuter x; did you mean --cluster?"),
            (("scan", "--only", "broken"), "argument --only: invalid choice: 'broken'"),
            (("scan", "aks-1"), "unrecognized arguments: aks-1"),
            (("watch", "--interval", "5s"), "--interval: at least 10s"),
            (("watch", "--timeout", "soon"), "a duration is a number with s, m or h"),
            (("silence", "add", "--cluster", "x"), "the following arguments are required: --reason"),
            (("scan", "--output-file", "/no/such/folder/x.json"), "there is no folder /no/such/folder"),
            (("scan", "--output-file", "/"), "is a folder"),
            (("scan", "--only", "fial"), "did you mean fail?"),
            (("scan", "--json", "-o", "csv"), "--json is -o json, and -o csv is given, too: give one of them"),
            (("scan", "--output-file", "x.foo"), ".foo stands for no format: let the name end in one of .json, .csv, "),
            (("scan", "--subscription", ""), "argument --subscription: it names nothing"),
            (("scan", "--cluster", " "), "argument --cluster: it names nothing"),
            (("scan", "--registry", ""), "argument --registry: it names nothing"),
            (("watch", "--cluster="), "argument --cluster: it names nothing"),
            (("explain", "--cluster", ""), "argument --cluster: it names nothing"),
            (("explain", "--cluster", "x", "--subscription", ""), "argument --subscription: it names nothing"),
        ],
        4,
    ),
)
def test_an_error_shows_the_use_of_its_own_command(arguments: tuple[str, ...], said: str) -> None:
    done = Said(None, *arguments)
    assert done.code == 64
    assert said in done.errors
    words = [word for word in arguments[:2] if word in ("scan", "watch", "explain", "silence", "add")]
    assert done.errors.startswith(f"usage: pullwatch {' '.join(words)} ")
    assert f"pullwatch {' '.join(words)} --help has the options" in done.errors


def test_no_command_and_an_unknown_one_name_those_that_there_are() -> None:
    for arguments in ((), ("scna",)):
        done = typed({}, *arguments)
        assert done.returncode == 64
        assert "COMMAND" in done.stderr or "scan" in done.stderr


@pytest.mark.parametrize(("given", "meant"), [("clasify", "classify"), ("Scan", "scan"), ("settigns", "settings")])
def test_a_command_that_is_misspelt_is_guessed(given: str, meant: str) -> None:
    done = typed({}, given)
    assert done.returncode == 64
    assert f"; did you mean {meant}?\n" in done.stderr


def test_an_unknown_setting_says_which_command_lists_them() -> None:
    done = typed({"PULLWATCH_BOGUS": "1"}, "scan")
    assert done.returncode == 64
    assert done.stderr.startswith("pullwatch: PULLWATCH_BOGUS is no setting.")
    assert done.stderr.endswith(" `pullwatch settings` lists them all.\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [("--version", 0), ("--help", 0), ("explain PW204", 0), ("classify", 0), ("list", 0)]
)
def test_a_command_that_asks_nothing_of_azure_does_not_wait_for_its_libraries(arguments: str, code: int) -> None:
    text = (
        "import sys; from checks.cli.main import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as ended: code = ended.code\n"
        "heavy = {'azure', 'msal', 'kubernetes', 'aiohttp', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'{heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments.split()],
        cwd=ROOT,
        env=clean({}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr


def start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "checks", *arguments],
        cwd=ROOT,
        env=clean(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_pipe_that_closes_early_is_no_error(tmp_path: Path, output: str) -> None:
    tenant = Tenant(tmp_path / "tenant")
    for number in range(30):
        tenant.cluster(f"aks-{number}")
    with running(tenant.root) as simulator:
        shell = f'"{sys.executable}" -m checks scan --only unknown -o {output} --quiet | head -n 1; echo "$PIPESTATUS"'
        done = subprocess.run(
            ["bash", "-c", shell],
            cwd=ROOT,
            env=clean(simulator.environment),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert done.stderr == ""
    assert int(done.stdout.splitlines()[-1]) in (2, 128 + signal.SIGPIPE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_scan_and_is_named(tmp_path: Path, number: signal.Signals) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    (tenant.root / "faults.json").write_text('[{"service": "arm", "path": "/subscriptions", "effect": {"hang": true}}]')
    with running(tenant.root) as simulator, start(["scan"], dict(simulator.environment)) as process:
        assert process.stderr is not None
        assert "Listing subscriptions" in process.stderr.readline()
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "")
    assert errors == f"pullwatch: stopped by {number.name}\n"


@pytest.mark.parametrize("module", ["checks.cli.arguments", "checks.cli.scan.options"])
def test_ctrl_c_while_libraries_are_loaded_shows_no_traceback(module: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "checks", "scan"],
        cwd=ROOT, env=clean({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while not process.stderr.readline().endswith(f" {module}\n"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    said = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert said in ([], ["pullwatch: stopped by SIGINT"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch_that_waits(tmp_path: Path, number: signal.Signals) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    with running(tenant.root) as simulator, start(["watch"], dict(simulator.environment)) as process:
        assert process.stdout is not None
        while "1 cluster: " not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (128 + number, f"pullwatch: stopped by {number.name}\n")
