"""``explain``: what a word means, and why a cluster can or cannot pull, as a user runs it."""

import io
import json
from collections.abc import Iterator
from subprocess import CompletedProcess
from xml.etree import ElementTree as ET

import pytest

from checks.cli.explain.chain_text import show_chain
from checks.cli.explain.word import page_of, unknown_word
from checks.cli.streams import replace_what_it_lacks
from simulator import running
from tests.support.cli import command, typed
from tests.support.sample_chains import hostile, sample, whole
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

SHOP, LEDGER = "acrshop.azurecr.io", "acrledger.azurecr.io"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster that may pull from one registry and not from another; only one pulled."""
    tenant = Tenant(tmp_path_factory.mktemp("explain") / "tenant")
    tenant.cluster()
    tenant.registry("acrshop")
    tenant.assign(object_id("aks-1"), ACR_PULL, tenant.registry("acrledger"))
    tenant.pod(f"{SHOP}/team/web:1")
    tenant.pulled(f"{LEDGER}/team/book:1")
    with running(tenant.root) as simulator:
        yield dict(simulator.environment)


def explain(environment: dict[str, str], *arguments: str) -> CompletedProcess[str]:
    return typed(environment, "explain", *arguments)


# ---- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["PW204", "pw204", "zone-not-linked", "ZONE-NOT-LINKED", "image_not_found"])
def test_a_check_and_a_cause_are_known_in_any_case(word: str) -> None:
    assert page_of(word) is not None


def test_a_word_is_explained_without_looking_at_anything() -> None:
    done = explain({}, "PW204")
    assert done.returncode == 0
    assert done.stdout.startswith("PW204: Private DNS records\n")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr == ""


def test_an_unknown_word_is_one_error_with_words_that_are_like_it() -> None:
    done = explain({}, "zone-not-linkd")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.count("\n") == 1
    assert "did you mean zone-not-linked" in done.stderr
    assert "did you mean PW204" in unknown_word("pw2044")
    assert "`list` has the checks" in unknown_word("~" * 4000)
    assert "\x1b" not in unknown_word("\x1b[31m")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give a check's code, a cause, or --cluster"),
        (("PW204", "--cluster", "aks-1"), "not both"),
        (("PW204", "-o", "json"), "not both"),
        (("--registry", "acrshop"), "give a check's code, a cause, or --cluster"),
        (("--cluster", "aks-1", "-o", "svg"), "give --registry, too"),
        (("--cluster", "aks-1", "--registry", "a/b"), "is no registry's name or login server"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_looked_at(arguments: tuple[str, ...], words: str) -> None:
    done = explain({}, *arguments)
    assert done.returncode == 64
    assert words in done.stderr
    assert "Listing" not in done.stderr


# ---- chains ------------------------------------------------------------------------------------------------------


def test_a_broken_chain_has_picture_evidence_commands_and_what_to_run_next(environment: dict[str, str]) -> None:
    done = explain(environment, "--cluster", "aks-1", "--registry", "acrshop", "--quiet")
    assert (done.returncode, done.stderr) == (1, "")
    shown = done.stdout
    assert shown.startswith(f"aks-1 cannot pull from {SHOP} (role-missing)\n")
    assert "> ✗  ROLE      FAIL role-missing (PW102, PW304) ◄── it breaks here\n" in shown
    evidence = " ".join(shown[shown.index("\nrole: fail") : shown.index("\nregistry: pass")].split())
    assert "- role assignments - /subscriptions/11111111" in evidence
    assert ", read at 20" in evidence
    commands = shown[shown.index("What fixes it") : shown.index("\nNext\n")]
    assert commands.index("az role assignment create") < commands.index("# or, with the same effect:")
    assert commands.count("az role assignment create") == 1
    assert "resource pull" not in commands and "# --bicep shows it as Bicep, too." in commands
    assert "  pullwatch explain PW102  # what the check does that fails first\n" in shown
    assert f"  pullwatch explain --cluster aks-1 --registry {SHOP}  # again, after the repair\n" in shown


def test_bicep_is_shown_where_it_is_asked_for(environment: dict[str, str]) -> None:
    shown = explain(environment, "--cluster", "aks-1", "--registry", SHOP, "--bicep").stdout
    assert "    resource pull 'Microsoft.Authorization/roleAssignments@" in shown


def test_a_chain_that_holds_is_0_and_ends_in_the_nodes_proof(environment: dict[str, str]) -> None:
    done = explain(environment, "--cluster", "aks-1", "--registry", LEDGER)
    assert done.returncode == 0
    assert f"aks-1 can pull from {LEDGER}\n" in done.stdout
    assert "What fixes it" not in done.stdout
    assert "--canary" in done.stdout


def test_without_a_registry_every_chain_is_shown_and_the_broken_one_comes_first(environment: dict[str, str]) -> None:
    done = explain(environment, "--cluster", "aks-1")
    assert done.returncode == 1
    assert done.stdout.index(f"cannot pull from {SHOP}") < done.stdout.index(f"can pull from {LEDGER}")
    after = done.stdout[done.stdout.index(f"can pull from {LEDGER}") :]
    assert "read at" not in after, "one that holds is a picture alone"


def test_json_has_every_step_with_its_findings(environment: dict[str, str]) -> None:
    done = explain(environment, "--cluster", "aks-1", "-o", "json")
    chains = json.loads(done.stdout)["chains"]
    assert [chain["registry"] for chain in chains] == [SHOP, LEDGER]
    steps = {step["step"]: step for step in chains[0]["steps"]}
    assert list(steps) == ["identity", "role", "registry", "DNS", "network", "nodes"]
    assert (steps["role"]["verdict"], steps["role"]["cause"]) == ("fail", "role-missing")
    assert {finding["code"] for finding in steps["role"]["findings"]} == {"PW102", "PW303", "PW304"}
    assert chains[0]["fix"]


def test_svg_is_the_picture(environment: dict[str, str]) -> None:
    done = explain(environment, "--cluster", "aks-1", "--registry", SHOP, "-o", "svg")
    assert ET.fromstring(done.stdout).tag == "{http://www.w3.org/2000/svg}svg"


def test_what_is_not_there_is_named(environment: dict[str, str]) -> None:
    done = explain(environment, "--cluster", "aks-7", "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pullwatch: 'aks-7' is not among the 1 cluster in 1 subscription. Did you mean aks-1?\n"
    done = explain(environment, "--cluster", "aks-1", "--registry", "acrnope", "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'acrnope' is not among the" in done.stderr


def test_a_tenant_that_cannot_be_asked_is_3(environment: dict[str, str]) -> None:
    away = environment | {"PULLWATCH_ARM_ENDPOINT": "https://127.0.0.1:9"}
    done = explain(away, "--cluster", "aks-1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Nothing could be checked" in done.stderr


def test_pages_and_pictures_come_out_on_streams_that_are_not_utf_8(environment: dict[str, str]) -> None:
    ascii_stream = {"PYTHONIOENCODING": "ascii"}
    page = command(ascii_stream, "explain", "PW301")
    assert page.returncode == 0
    assert ".../commandResults/read" in page.stdout
    done = command(environment | ascii_stream, "explain", "--cluster", "aks-1", "--registry", SHOP)
    assert "> X  ROLE      FAIL role-missing (PW102, PW304) <== it breaks here\n" in done.stdout
    done = command(environment | ascii_stream, "explain", "--cluster", "aks-1", "--registry", SHOP, "-o", "svg")
    assert done.stdout.startswith("<svg ")


def shown(encoding: str, chain: object, **options: bool) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    replace_what_it_lacks(stream)
    show_chain(chain, stream, **{"bicep": False, **options})  # type: ignore[arg-type]
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp1252"])
def test_every_terminal_gets_what_it_can_show_and_nothing_steers_it(encoding: str) -> None:
    for chain in (sample(), whole(), hostile(sample())):
        text = shown(encoding, chain)
        assert ("│" in text) == (encoding == "utf-8"), "elsewhere the picture is drawn in ASCII"
        assert all(char.isprintable() or char == "\n" for char in text)


def test_a_name_in_what_to_run_next_is_one_word() -> None:
    (line,) = [line for line in shown("utf-8", hostile(sample())).splitlines() if line.endswith("after the repair")]
    assert "'\"'\"'" in line
