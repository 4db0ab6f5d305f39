"""The checks, one module each (``pwNNN_what_it_asks.py``): its metadata ``CHECK`` beside its pure judge function.

A check is found by its file name; nothing lists it. Its judge has one of three forms, told apart by name:
``judge(facts)`` takes everything about a cluster, ``judge_registry(view)`` one Azure registry that the cluster uses,
``judge_path(paths)`` the network paths to all of them, which are evaluated once for all checks of the path.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from checks.catalog.check import Check, Decides
from checks.catalog.paths import evaluate_paths
from checks.catalog.registry_view import views_of
from checks.facts import ClusterFacts
from checks.findings import Basis, Finding, Unknown

MODULES: tuple[ModuleType, ...] = tuple(
    importlib.import_module(f"{__name__}.{name}")
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name.startswith("pw")
)
_BY_CODE: dict[str, Check] = {module.CHECK.code: module.CHECK for module in MODULES}
_DECIDING = {facet: frozenset(code for code, check in _BY_CODE.items() if check.decides is facet) for facet in Decides}


def checks() -> tuple[Check, ...]:
    """Every check's metadata, in the order of the codes."""
    return tuple(module.CHECK for module in MODULES)


def check_of(finding: Finding) -> Check:
    """The metadata of the check that made a finding. Raises KeyError for a code that no check has."""
    return _BY_CODE[finding.code]


def leaves_open(finding: Finding) -> bool:
    """Whether a finding is Unknown in a way that leaves open whether nodes can pull."""
    return isinstance(finding.verdict, Unknown) and check_of(finding).settles


def deciding(facet: Decides) -> frozenset[str]:
    """The codes of the checks that decide a facet of a row."""
    return _DECIDING[facet]


def basis_of(codes: Iterable[str]) -> tuple[Basis, ...]:
    """Whose word the findings of these checks are."""
    told = {_BY_CODE[code].basis for code in codes}
    return tuple(basis for basis in Basis if basis in told)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """All findings about one cluster, in the order of the codes."""
    return judge_with(MODULES, facts)


def judge_with(modules: tuple[ModuleType, ...], facts: ClusterFacts) -> tuple[Finding, ...]:
    """The findings of some checks; the network paths are evaluated once for all of them, where one asks for them."""
    paths = evaluate_paths(facts) if any(hasattr(module, "judge_path") for module in modules) else None
    findings: list[Finding] = []
    for module in modules:
        if paths is not None and hasattr(module, "judge_path"):
            findings += module.judge_path(paths)
        elif hasattr(module, "judge_registry"):
            findings += (finding for view in views_of(facts) for finding in module.judge_registry(view))
        else:
            findings += module.judge(facts)
    return tuple(findings)
