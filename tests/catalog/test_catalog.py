"""The catalog as a whole: checks are found by file name, and what several of them need is evaluated once."""

from pathlib import Path
from unittest import mock

from checks import catalog
from checks.catalog import paths
from tests.support.network_world import World

FOLDER = Path(catalog.__file__).parent


def test_every_module_that_is_named_like_a_check_is_one() -> None:
    names = sorted(path.stem for path in FOLDER.glob("pw*.py"))
    assert [module.__name__.rsplit(".", 1)[-1] for module in catalog.MODULES] == names


def test_the_path_to_a_registry_is_evaluated_once_for_all_checks_of_the_path() -> None:
    facts = World().facts()
    with mock.patch.object(paths, "evaluate_path", wraps=paths.evaluate_path) as evaluated:
        findings = catalog.judge(facts)
    assert evaluated.call_count == sum(use.acr for use in facts.uses) == 1
    assert {f.code for f in findings} >= {"PW202", "PW203", "PW204", "PW205", "PW206"}
