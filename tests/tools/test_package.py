"""The package that is deployed: the app and nothing else, out of a checkout with all that lies about in one."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.tools.scripts import ROOT, load

package = load("package")

APP = ("function_app.py", "host.json", "requirements.txt", ".funcignore", "checks/__init__.py")
# What working on the project, running it and deploying it leave behind.
LITTER = (
    ".azure/dev/.env",
    ".demo/azurite/blob.json",
    ".deployed/abc/bin/python",
    ".env",
    ".git/config",
    ".github/workflows/ci.yml",
    ".hypothesis/examples/x",
    ".package/pullwatch.zip",
    ".venv/pyvenv.cfg",
    ".venv-3.11/pyvenv.cfg",
    ".vscode/settings.json",
    "SECURITY.md",
    "checks/__pycache__/__init__.cpython-313.pyc",
    "checks/catalog/__pycache__/check.cpython-313.pyc",
    "checks/old.pyc",
    "infra/main.bicep",
    "infra/main.bicepparam",
    "local.settings.json",
    "mail/20261127-incidents.eml",
    "node_modules/azurite/package.json",
    "pullwatch.zip",
    "run.log",
    "sample.eml",
    "venv/pyvenv.cfg",
)


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"contents of {name}\n")


def versioned(*arguments: str) -> list[str]:
    """Files that git has, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *arguments]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This very checkout, and litter."""
    for name in versioned():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    lay(tmp_path, *LITTER)
    return tmp_path


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A small app, with the real .funcignore."""
    lay(tmp_path, *APP)
    shutil.copyfile(ROOT / ".funcignore", tmp_path / ".funcignore")
    return tmp_path


def test_the_package_of_a_littered_checkout_is_the_app_and_nothing_else(checkout: Path) -> None:
    target = checkout / package.TARGET
    assert package.write(checkout, target) == sorted(
        ["function_app.py", "host.json", "requirements.txt", *versioned("checks")]
    )
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == package.contents(checkout)
        assert archive.read("host.json") == (ROOT / "host.json").read_bytes()


@pytest.mark.parametrize("name", ["notes.txt", "experiments/try.py", "requirements.txt.orig"])
def test_what_nobody_has_listed_is_refused_by_name(app: Path, name: str) -> None:
    lay(app, name)
    with pytest.raises(package.PackageError, match=re.escape(name.split("/")[0])):
        package.write(app, app / "target.zip")
    assert not (app / "target.zip").exists()


@pytest.mark.parametrize("name", ["function_app.py", "host.json", "requirements.txt", "checks/__init__.py"])
def test_what_is_missing_is_refused_by_name(app: Path, name: str) -> None:
    (app / name).unlink()
    with pytest.raises(package.PackageError, match=re.escape(name.split("/")[0])):
        package.contents(app)


def test_a_folder_of_the_app_may_have_the_name_of_one_that_is_left_out(app: Path) -> None:
    lay(app, "checks/docs/page.py", "checks/mail/__init__.py", "checks/tools/.keep")
    assert {"checks/docs/page.py", "checks/mail/__init__.py", "checks/tools/.keep"} < set(package.contents(app))


def test_local_settings_are_left_out_whatever_the_file_says(app: Path) -> None:
    (app / ".funcignore").write_text("")
    lay(app, "local.settings.json", ".azure/dev/.env", "checks/.azure/x")
    assert package.contents(app) == ["checks/__init__.py", "function_app.py", "host.json", "requirements.txt"]


def test_the_same_files_make_the_same_zip(app: Path, tmp_path: Path) -> None:
    package.write(app, tmp_path / "a.zip")
    (app / "host.json").touch(mode=0o600)
    (app / "checks/__init__.py").chmod(0o755)
    package.write(app, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_every_line_of_the_ignore_file_is_read_alike_by_git_azd_and_func() -> None:
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    # /name and /name/ at the root, name/ and *.extension anywhere; they differ about wildcards within a path and "!".
    forms = re.compile(r"/\.\*|/[\w.-]+/?|\w+/|\*\.\w+")
    assert [each for each in patterns if not forms.fullmatch(each)] == []
    assert len(patterns) > 10
