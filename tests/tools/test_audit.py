"""What `make audit` makes of the answers: who does not answer has not said that there is nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.tools.scripts import ROOT, load, load_from

audit = load("audit")
setup = load("setup")
lockfile = load_from("pins", "lockfile")
Answer = audit.Answer

ASKED = lockfile.parse("aiohttp==3.14.5 --hash=sha256:00\njinja2==3.1.6 --hash=sha256:00")
FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["3.14.6"], "aliases": ["CVE-2026-1"], "description": "x"}


def as_pip_audit(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_packages_that_were_looked_up_and_have_nothing_are_fine() -> None:
    output = as_pip_audit(
        {"name": "aiohttp", "version": "3.14.5", "vulns": []}, {"name": "Jinja2", "version": "3.1.6", "vulns": []}
    )
    answer = audit.of_pip_audit(output, "No known vulnerabilities found", ASKED)
    assert answer == Answer(2)
    assert audit.code([answer]) == 0
    assert audit.report("deployed", answer, "") == ["deployed: 2 packages looked up, no known vulnerability"]


def test_a_vulnerability_is_named_with_what_fixes_it() -> None:
    output = as_pip_audit(
        {"name": "aiohttp", "version": "3.14.5", "vulns": [FOUND]}, {"name": "jinja2", "version": "3.1.6", "vulns": []}
    )
    answer = audit.of_pip_audit(output, "", ASKED)
    assert answer.vulnerable == ("aiohttp 3.14.5: PYSEC-2026-1 (fixed in 3.14.6)",)
    assert audit.code([answer, Answer(3)]) == 1


def test_packages_that_were_skipped_or_left_out_are_not_known_to_be_fine() -> None:
    output = as_pip_audit({"name": "aiohttp", "skip_reason": "Dependency not found on PyPI and could not be audited"})
    answer = audit.of_pip_audit(output, "No known vulnerabilities found", ASKED)
    assert answer.looked_up == 0
    assert [line.split(":")[0] for line in answer.unanswered] == ["aiohttp 3.14.5", "jinja2 3.1.6"]
    assert audit.code([answer]) == 2
    first, *_ = audit.report("deployed", answer, audit.ADVICE["pypi"])
    assert "not everything was looked up" in first
    assert "--service osv" in first


@pytest.mark.parametrize("output", ["", "null", "[]", "{}", "Traceback (most recent call last):"])
def test_no_answer_is_said_with_the_last_words(output: str) -> None:
    answer = audit.of_pip_audit(output, "Traceback\nrequests.exceptions.ConnectionError: api.osv.dev\n", ASKED)
    assert answer.unanswered == ("2 packages: requests.exceptions.ConnectionError: api.osv.dev",)
    assert audit.code([Answer(5), answer]) == 2


def test_nothing_looked_up_is_no_answer() -> None:
    assert audit.code([Answer()]) == 2


def test_both_versions_of_a_package_are_looked_up() -> None:
    packages = lockfile.read(ROOT / "constraints.txt")
    first, *more = audit.rounds(packages)
    assert {each.name for each in first} == {each.name for each in packages}
    assert "azure-functions" in {each.name for names in more for each in names}
    assert sum(map(len, (first, *more))) == len(packages)


def test_a_program_that_cannot_be_installed_is_an_error_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load_from("pins", "programs"), "KEPT", tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert audit.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "run the same make command again" in said.err


# ---- the real npm, and a registry on this machine ------------------------------------------------------------------


@contextmanager
def registry(status: int, answer: object) -> Iterator[str]:
    """The address of a registry that answers whoever asks for advisories."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(status, answer)

        def do_GET(self) -> None:
            """A package, with the one version that there is."""
            name = self.path.strip("/")
            versions = {"4.14.1": {"name": name, "version": "4.14.1"}}
            self._answer(200, {"name": name, "dist-tags": {"latest": "4.14.1"}, "versions": versions})

        def _answer(self, status: int, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked_of(address: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    monkeypatch.setenv("npm_config_registry", address)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(folder / "cache"))
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return audit.audit_npm(setup.npm(setup.Installation(ROOT)), folder)


def test_npm_without_advisories_is_fine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with registry(200, {}) as address:
        answer = asked_of(address, monkeypatch, tmp_path)
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert answer == Answer(len(packages) - 1)


def test_npm_s_advisories_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    advisory = {"id": 1, "url": "https://x.example/1", "title": "Bad", "severity": "high", "vulnerable_versions": "<99"}
    with registry(200, {"axe-core": [advisory]}) as address:
        answer = asked_of(address, monkeypatch, tmp_path)
    assert answer.vulnerable == ("axe-core *: high, Bad (https://x.example/1)",)
    assert audit.code([answer]) == 1


@pytest.mark.parametrize("status", [405, 503])
def test_a_registry_that_does_not_take_the_question_has_not_answered_it(
    status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with registry(status, {}) as address:
        answer = asked_of(address, monkeypatch, tmp_path)
    assert str(status) in answer.unanswered[0]
    assert audit.code([answer]) == 2


def test_a_registry_that_is_not_there_has_not_answered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = asked_of("http://127.0.0.1:9/", monkeypatch, tmp_path)
    assert answer.unanswered
    assert not answer.looked_up
