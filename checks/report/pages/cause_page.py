"""The page of one cause: what it means, which checks name it, and what those checks say of why, how and what helps."""

from __future__ import annotations

from types import ModuleType

from checks import catalog
from checks.causes import RENAMED, Cause, ReadCause, RowCause, ScanCause
from checks.facts import Cluster, ContainerImage, Registry
from checks.report.pages import check_page
from checks.report.pages.page import Page, Section
from checks.rules.pull.errors import PullErrorCause
from checks.rules.pull.remedies import PullContext, remedy

MAX_CHECKS_IN_FULL = 2
_SHARED: dict[type[Cause], str] = {
    ReadCause: "Any check may answer with it.",
    RowCause: "It is a cause of rows, the answer per cluster and registry: what follows from several checks.",
    ScanCause: "It is a cause of clusters and subscriptions that could not be checked, or were.",
}
# What stands in commands for what is not known here.
_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/RESOURCE_GROUP/providers"
_CLUSTER = Cluster(id=f"{_GROUP}/Microsoft.ContainerService/managedClusters/CLUSTER", name="CLUSTER")
_REGISTRY = Registry(
    id=f"{_GROUP}/Microsoft.ContainerRegistry/registries/REGISTRY", name="REGISTRY", login_server="REGISTRY.azurecr.io"
)
_CONTAINER = ContainerImage(
    namespace="NAMESPACE",
    pod="POD",
    workload="WORKLOAD",
    container="CONTAINER",
    kind="main",
    image="REGISTRY.azurecr.io/REPOSITORY:TAG",
    node="NODE",
)


def cause_page(word: str) -> Page | None:
    """The page of a cause by its id, in any case of letters; None where no cause is called that.

    A word of earlier versions leads to that of today.
    """
    given = word.strip().lower()
    alike = [known for known in cause_ids() if _folded(known) == _folded(given)]
    if not alike:
        return None
    wanted = given if given in alike else alike[0]
    today = RENAMED.get(wanted, wanted)
    modules = [module for module in catalog.MODULES if module.CHECK.sentence_of(today)]
    renamed = (Section(text=(f"Earlier versions said `{wanted}`; today it is `{today}`.",)),) if today != wanted else ()
    shared = [(cause.sentence, text) for kind, text in _SHARED.items() for cause in kind if cause.value == today]
    return Page(
        today,
        (
            *renamed,
            *(Section(text=(sentence, text)) for sentence, text in shared),
            *_meanings(modules, today),
            *_remedy(today),
            *_checks(modules),
            *(Section(text=(f"See also `{other}`, another cause.",)) for other in alike if other != wanted),
        ),
    )


def cause_ids() -> tuple[str, ...]:
    """Every id of a cause that there is or was, sorted."""
    of_checks = {cause.value for check in catalog.checks() for kind in check.causes for cause in kind}
    shared = {cause.value for kind in _SHARED for cause in kind}
    return tuple(sorted(of_checks | shared | set(RENAMED)))


def _folded(word: str) -> str:
    """Causes of failed pulls are written with "_", all others with "-": whoever types one need not know."""
    return word.replace("_", "-")


def _meanings(modules: list[ModuleType], cause: str) -> tuple[Section, ...]:
    """What each check means by it: one paragraph where all mean the same."""
    by_sentence: dict[str, list[str]] = {}
    for module in modules:
        named = f"{module.CHECK.code} ({module.CHECK.title})"
        by_sentence.setdefault(module.CHECK.sentence_of(cause), []).append(named)
    texts = (text for sentence, named in by_sentence.items() for text in (sentence, f"Named by {', '.join(named)}."))
    return (Section(text=tuple(texts)),) if by_sentence else ()


def _remedy(cause: str) -> tuple[Section, ...]:
    """What helps against the cause of a failed pull; words in capital letters stand for what only a scan knows."""
    if cause not in set(PullErrorCause):
        return ()
    context = PullContext(_CLUSTER, _CONTAINER, _REGISTRY.login_server, _REGISTRY, "")
    text = "Where a pull fails for this cause; a scan puts its names in the place of words in capitals and zeros."
    return (Section(title="What helps", text=(text,), commands=remedy(PullErrorCause(cause), context)),)


def _checks(modules: list[ModuleType]) -> tuple[Section, ...]:
    """The parts of the checks' pages that matter to whoever has the cause; of many checks only what helps."""
    if len(modules) <= MAX_CHECKS_IN_FULL:
        return tuple(section for module in modules for section in _check(module))
    rows = tuple((module.CHECK.code, module.CHECK.fix) for module in modules)
    return (Section(title="What helps, by check", head=("check", "fix"), rows=rows),)


def _check(module: ModuleType) -> tuple[Section, ...]:
    """The parts of a check's page that matter to whoever has its cause."""
    check = module.CHECK
    return (
        check_page.why(check, f"{check.code}, {check.title}: why it matters"),
        check_page.how(check, f"{check.code}: how it is decided"),
        check_page.permissions(check, f"{check.code}: permissions"),
        check_page.fix(check, f"{check.code}: fix"),
    )
