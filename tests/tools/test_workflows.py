"""The workflows of GitHub Actions: what they run exists, what they use is pinned, and they hold no secret."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.scripts import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")
USES = re.compile(r"uses: (\S+)(?: # (v\d+\.\d+\.\d+))?$", re.MULTILINE)

each_workflow = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path: Path) -> dict[Any, Any]:
    """The workflow; its `on` is YAML's word for true."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def scripts(workflow: dict[Any, Any]) -> Iterator[str]:
    for job in workflow["jobs"].values():
        yield from (step["run"] for step in job.get("steps", ()) if "run" in step)


def used(job: dict[str, Any]) -> set[str]:
    """The actions of a job, without their versions."""
    return {step["uses"].split("@")[0] for step in job.get("steps", ()) if "uses" in step}


def test_there_is_one_that_tests_and_one_that_deploys() -> None:
    assert [path.name for path in FILES] == ["ci.yml", "deploy.yml"]
    assert all(True in read(path) for path in FILES)


@each_workflow
def test_each_target_and_file_that_a_script_names_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    texts = list(scripts(read(path)))
    assert texts
    for text in texts:
        assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
        for name in re.findall(r"(?<![\w/$])(?:\.ci|tools|tests)/[\w./-]+", text):
            assert (ROOT / name).exists(), name


@each_workflow
def test_each_script_is_one_that_bash_can_read(path: Path) -> None:
    for text in scripts(read(path)):
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (text, done.stderr)
    assert read(path)["defaults"]["run"]["shell"] == "bash"


@each_workflow
def test_no_expression_is_put_into_a_script(path: Path) -> None:
    # Its value would be read as code; by way of env it is a value.
    assert not [text for text in scripts(read(path)) if "${{" in text]


@each_workflow
def test_each_action_is_pinned_by_commit_and_says_its_release(path: Path) -> None:
    found = USES.findall(path.read_text(encoding="utf-8"))
    assert found
    for action, release in found:
        if action.startswith("./"):
            assert (ROOT / action).is_file(), action
        else:
            assert PINNED.fullmatch(action), action
            assert release, action


def test_an_action_has_one_version_everywhere() -> None:
    versions: dict[str, set[tuple[str, str]]] = {}
    for path in FILES:
        for action, release in USES.findall(path.read_text(encoding="utf-8")):
            versions.setdefault(action.split("@")[0], set()).add((action, release))
    assert all(len(each) == 1 for each in versions.values()), versions


@each_workflow
def test_only_a_job_that_signs_in_to_azure_may_ask_for_a_token_and_none_may_write(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        signs_in = "azure/login" in used(job)
        allowed = {"contents": "read", "id-token": "write"} if signs_in else workflow["permissions"]
        assert job.get("permissions", workflow["permissions"]) == allowed
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_every_supported_python_is_tested() -> None:
    project = (ROOT / "tools" / "setup.py").read_text(encoding="utf-8")
    preferred = re.search(r"^PREFERRED = (.*)$", project, re.MULTILINE)
    assert preferred is not None
    supported = {f"{major}.{minor}" for major, minor in re.findall(r"\((\d+), (\d+)\)", preferred[1])}
    job = read(FOLDER / "ci.yml")["jobs"]["test"]
    assert set(job["strategy"]["matrix"]["python"]) == supported
    assert job["env"]["PYTHON"] == "python${{ matrix.python }}"


def test_nothing_is_deployed_but_what_was_tested_built_shown_and_approved() -> None:
    jobs = read(FOLDER / "deploy.yml")["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "test": None,
        "build": "test",
        "what-if": "build",
        "deploy": "what-if",
    }
    assert {name for name, job in jobs.items() if "environment" in job} == {"deploy"}
    deploy = " ".join(step.get("run", "") for step in jobs["deploy"]["steps"])
    assert "config-zip" in deploy
    assert "--build-remote true" in deploy
    assert "actions/download-artifact" in used(jobs["deploy"])
    assert "make" not in deploy


def client_ids(job: dict[str, Any]) -> list[str]:
    """The identities that a job signs in as, as its variables are called."""
    signed_in = [step["with"]["client-id"] for step in job.get("steps", ()) if "azure/login@" in step.get("uses", "")]
    return [re.sub(r"^\$\{\{ vars\.(\w+) \}\}$", r"\1", client) for client in signed_in]


def test_the_identity_that_deploys_is_for_the_approved_job_alone() -> None:
    """A branch's token is any workflow's on it: the identity of a job without an approval may not write."""
    jobs = read(FOLDER / "deploy.yml")["jobs"]
    assert {name: client_ids(job) for name, job in jobs.items() if client_ids(job)} == {
        "what-if": ["AZURE_WHATIF_CLIENT_ID"],
        "deploy": ["AZURE_CLIENT_ID"],
    }
    assert jobs["deploy"]["environment"] == "production"
    for name, job in jobs.items():
        assert ("AZURE_CLIENT_ID" in str(job)) == ("environment" in job), name


def test_what_would_change_is_asked_with_the_right_to_read() -> None:
    what_if, deploy = (
        " ".join(step.get("run", "") for step in read(FOLDER / "deploy.yml")["jobs"][name]["steps"])
        for name in ("what-if", "deploy")
    )
    assert "az deployment sub what-if" in what_if
    assert "--validation-level ProviderNoRbac" in what_if
    assert not re.search(r"az deployment \w+ (create|delete)", what_if)
    assert "az deployment sub create" in deploy


def test_the_first_lines_name_every_variable_that_is_read_and_both_credentials() -> None:
    text = (FOLDER / "deploy.yml").read_text(encoding="utf-8")
    head, body = text.split("\nname: deploy\n")
    variables = set(re.findall(r"\bvars\.(\w+)", body))
    assert variables
    assert set(re.findall(r"\b(?:AZURE|PULLWATCH)_\w+", head)) == variables
    for said in ("repo:OWNER/REPOSITORY:environment:production", "repo:OWNER/REPOSITORY:ref:refs/heads/BRANCH"):
        assert said in head
    for action in ("read", "whatIf/action", "validate/action"):
        assert f"Microsoft.Resources/deployments/{action}" in head
