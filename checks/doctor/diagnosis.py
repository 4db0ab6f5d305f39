"""Makes a diagnosis of what runs and scans report: results of subscriptions, coverage of clusters, settings. Pure."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from checks.arm_ids import subscription_of
from checks.causes import ScanCause
from checks.doctor.losses import lost_of, lost_without
from checks.doctor.model import Diagnosis, InPlace, Lack, LackKind, Off, Place
from checks.doctor.remarks import remarks
from checks.findings import ClusterReport, Coverage, Finding, Pass, ScanError, SubscriptionResult, Unknown
from checks.rules.fixes import az_roles
from checks.rules.own_actions import checks_of
from checks.text import clipped, counted, one_line, printable, redacted

MAX_PLACES = 100  # of one lack
MAX_WHY = 400
LOOK_FOR_IT = "# Pullwatch sees subscriptions, clusters and registries where its identity holds Reader"
_KINDS = {
    "not-allowed": LackKind.PERMISSION,
    "unreachable": LackKind.NETWORK,
    "off": LackKind.SETTING,
    "error": LackKind.TROUBLE,
    "throttled": LackKind.TROUBLE,
    "not-found": LackKind.TROUBLE,
}
# What Reader lacks, named alone: an action that a finding needs, and the subscription that it says.
_ACTION = re.compile(r"Microsoft\.[\w.]+(/[\w.]+)+/action")
_SUBSCRIPTION = re.compile(r"in subscription ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
# What every cluster has to be asked for, by how the coverage calls it.
_ASKED = ("pods", "kubelet identity", "images")
_OPTIONAL = ("canary pulls",)  # where none was asked for, nothing is missing


class _Found(msgspec.Struct, frozen=True):
    """A lack at one place, before those of the same are put together."""

    kind: LackKind
    what: str
    needs: str
    lost: str
    place: Place


def diagnose(
    subscriptions: Sequence[SubscriptionResult],
    reports: Sequence[ClusterReport],
    *,
    identity: str = "",
    clusters: int | None = None,
    off: tuple[Off, ...] = (),
    settings: tuple[Lack, ...] = (),
    errors: Iterable[ScanError] = (),
) -> Diagnosis:
    """What is in place and what is not. ``clusters``: how many there are, where reports of some only were read.

    ``settings`` are lacks that only the app's own settings show; ``errors`` what was asked for and is not there.
    """
    found = [*_of_subscriptions(subscriptions, identity), *_of_errors(errors, subscriptions)]
    partly = {one.id.lower() for one in subscriptions if one.lacking or not isinstance(one.verdict, Pass)}
    for report in reports:
        found += _of_cluster(report, partly)
    lacks = tuple(_with_identity(one, identity) for one in _together(found))
    return Diagnosis(
        identity=identity,
        subscriptions=len(subscriptions),
        clusters=len(reports) if clusters is None else clusters,
        looked=len(reports) or len(subscriptions),
        in_place=_in_place(subscriptions, reports),
        lacks=(*lacks, *settings),
        off=off,
    )


def _of_subscriptions(results: Iterable[SubscriptionResult], identity: str) -> Iterator[_Found]:
    """Subscriptions that cannot be read, or only in part."""
    for result in results:
        scope, name = f"/subscriptions/{result.id}", result.name or result.id
        if result.cause == ScanCause.EXCLUDED:
            continue
        if not isinstance(result.verdict, Pass):
            kind = LackKind.PERMISSION if result.fix else LackKind.TROUBLE
            place = Place(scope, _shown(name), _shown(result.summary), result.fix)
            yield _Found(kind, "subscription", "Reader", "whether its clusters can pull", place)
        elif result.lacking:
            more = f" and {counted(result.lacking_more, 'more action')}" if result.lacking_more else ""
            why = f"Pullwatch's roles there do not allow {', '.join(result.lacking)}{more}"
            fix = (az_roles.assign_role(identity or az_roles.OWN_IDENTITY, "Reader", scope),)
            lost = lost_of(checks_of(result.lacking)) if not result.lacking_more else "most checks"
            yield _Found(LackKind.PERMISSION, "actions", "Reader", lost, Place(scope, _shown(name), why, fix))


def _of_errors(errors: Iterable[ScanError], results: Sequence[SubscriptionResult]) -> Iterator[_Found]:
    """What was named and is not there, or cannot be seen; what a subscription says already is left out."""
    said = {step for result in results for step in result.fix}
    for error in errors:
        if error.fix and said.issuperset(error.fix):
            continue
        kind = (
            LackKind.PERMISSION if any("az role assignment create" in step for step in error.fix) else LackKind.TROUBLE
        )
        place = Place("", "what was asked for", _shown(error.summary), error.fix or (LOOK_FOR_IT,))
        yield _Found(kind, "what was asked for", "Reader", "whether it can pull", place)


def _of_cluster(report: ClusterReport, partly: set[str]) -> Iterator[_Found]:
    """What was not read of a cluster. What a subscription lacks is said of the subscription, once."""
    if report.problem is not None:
        if report.problem.cause != ScanCause.NOT_VISIBLE or subscription_of(report.id) not in partly:
            place = Place(report.id, _shown(report.name), _shown(report.problem.summary))
            yield _Found(LackKind.TROUBLE, "cluster", report.problem.missing, "whether it can pull", place)
        return
    steps: set[str] = set()
    to_pull = tuple(step for one in report.findings if _lacks_pull(one) for step in one.fix)
    for line in report.coverage:
        kind = _KINDS.get(line.reason)
        if line.looked or kind is None or (line.what in _OPTIONAL and kind is LackKind.SETTING):
            continue
        if line.what == "images" and kind is LackKind.PERMISSION and not line.fix:
            line = msgspec.structs.replace(line, fix=to_pull)
        steps.update(line.fix)
        if kind is not LackKind.PERMISSION or line.subscription.lower() not in partly:
            yield _of_line(report, line, kind)
    for finding in report.findings:
        found = _of_finding(report, finding, steps)
        if found is not None:
            yield found
            steps.update(found.place.fix)


def _of_line(report: ClusterReport, line: Coverage, kind: LackKind) -> _Found:
    if line.subscription:
        place = Place(f"/subscriptions/{line.subscription}", line.subscription, _shown(line.why), line.fix)
        what = line.what.partition(line.subscription)[0].removesuffix(" of ").removesuffix(" in ").strip()
    else:
        fix = (*line.fix, *remarks(line.what, kind, line.role))
        place, what = Place(report.id, _shown(report.name), _shown(line.why), fix), line.what
    return _Found(kind, what, _shown(line.role), lost_without(what), place)


def _lacks_pull(finding: Finding) -> bool:
    """Whether a finding says that Pullwatch's own identity may not pull, with the role for it."""
    verdict = finding.verdict
    return isinstance(verdict, Unknown) and "Pullwatch's own identity" in verdict.missing


def _of_finding(report: ClusterReport, finding: Finding, steps: set[str]) -> _Found | None:
    """What a finding needs of Pullwatch's own roles, where the coverage does not say it."""
    if not isinstance(finding.verdict, Unknown):
        return None
    missing, fix = finding.verdict.missing, finding.fix
    if finding.code == "PW102" and finding.cause == "look-not-found" and missing == "Reader":
        place = Place(report.id, _shown(report.name), _shown(finding.summary), (LOOK_FOR_IT,))
        return _Found(LackKind.PERMISSION, "registry", "Reader", "whether the cluster can pull from it", place)
    if _ACTION.fullmatch(missing):
        found = _SUBSCRIPTION.search(finding.summary)
        fix = az_roles.grant_action(missing, found[1] if found else subscription_of(report.id))
    elif not _lacks_pull(finding) or missing.endswith("(optional)"):
        return None
    if not fix or steps.issuperset(fix):
        return None
    place = Place(report.id, _shown(report.name), _shown(finding.summary), fix)
    return _Found(LackKind.PERMISSION, finding.code, _shown(missing), lost_of((finding.code,)), place)


def _together(found: Iterable[_Found]) -> tuple[Lack, ...]:
    """One entry for each thing that is missing, permissions first; what is missing for the same reason is one."""
    by_place: dict[tuple[LackKind, str, Place], list[_Found]] = {}
    for one in found:
        by_place.setdefault((one.kind, one.needs, one.place), []).append(one)
    lacks: dict[tuple[LackKind, str, str, str], list[Place]] = {}
    for (kind, needs, place), alike in by_place.items():
        what = ", ".join(dict.fromkeys(one.what for one in alike))
        lost = ", ".join(dict.fromkeys(part for one in alike for part in one.lost.split(", ")))
        lacks.setdefault((kind, what, needs, lost), []).append(place)
    order = list(LackKind)
    return tuple(
        Lack(
            kind=kind,
            what=what,
            needs=needs,
            lost=lost,
            places=tuple(places[:MAX_PLACES]),
            more=max(0, len(places) - MAX_PLACES),
        )
        for (kind, what, needs, lost), places in sorted(lacks.items(), key=lambda item: order.index(item[0][0]))
    )


def _with_identity(lack: Lack, identity: str) -> Lack:
    """The lack with commands that can be pasted as they are, where it is known who looks."""
    if not identity:
        return lack
    quoted = shlex.quote(az_roles.OWN_IDENTITY)
    places = tuple(
        msgspec.structs.replace(place, fix=tuple(step.replace(quoted, identity) for step in place.fix))
        for place in lack.places
    )
    return msgspec.structs.replace(lack, places=places)


def _in_place(subscriptions: Sequence[SubscriptionResult], reports: Sequence[ClusterReport]) -> tuple[InPlace, ...]:
    """What was read, of how many."""
    whole = sum(isinstance(one.verdict, Pass) and not one.lacking for one in subscriptions)
    lines = [InPlace("subscriptions, with every action of Pullwatch Reader", whole, len(subscriptions))]
    read: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for report in reports:
        looked: dict[str, bool] = {}
        for line in report.coverage:
            if line.what in _ASKED and line.reason not in ("not-applicable", "not-asked"):
                looked[line.what] = looked.get(line.what, True) and line.looked
        asked.update(looked.keys())
        read.update(what for what, all_read in looked.items() if all_read)
    names = {
        "pods": "clusters' pods and events",
        "kubelet identity": "kubelet identities",
        "images": "clusters' images",
    }
    return (*lines, *(InPlace(names[what], read[what], asked[what]) for what in _ASKED if asked[what]))


def _shown(text: str) -> str:
    return clipped(printable(one_line(redacted(text))), MAX_WHY)
