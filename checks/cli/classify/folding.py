"""Which sightings are one error. Pure.

Kubernetes tells of one failed pull several times: the event "Failed to pull image …", the events "Error: ErrImagePull"
and "Back-off pulling image …" beside it, and what the container waits for. What is folded, and into what:

- Only what is about the same pod (or, of what is no pod, the same object) and may be about the same container and
  image: each that both name has to be equal. A name that one of them lacks is no difference.
- What says less goes into what says more: a back-off (which names no cause) into anything, an unknown text into a known
  cause; of the same image even where the container is another. Of the same cause the newer text stays. Names that the
  one lacks are taken from the other.
- Two known causes of one image are two errors, as one may have followed the other: both stay, the newest first.
- A text that names no pod, but an image (a line of the container runtime's log), goes into the error of the first pod
  that waits for that image, where it says nothing that the error does not.

A pod without a namespace is the pod of that name, where only one namespace has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from checks.cli.classify.sighting import PullError, Sighting
from checks.rules import images
from checks.rules.pull.errors import PullErrorCause

Subject = tuple[str, str, str]  # namespace, pod, what is no pod
_NOBODY: Subject = ("", "", "")
MAX_COMPARED = 100  # a pod's errors that one is compared with: more than any pod has containers


class _One(msgspec.Struct, frozen=True):
    """An error, with its image in the one spelling that is compared."""

    error: PullError
    image: str


def folded(errors: Iterable[PullError]) -> tuple[PullError, ...]:
    """Each error once, in the order in which its pod, and then its image, was first seen."""
    by_subject: dict[Subject, list[PullError]] = {}
    for error in _in_namespaces(list(errors)):
        by_subject.setdefault(_subject(error.seen), []).append(error)
    nameless = _of_nobody(by_subject.pop(_NOBODY, []))
    found = [error for group in by_subject.values() for error in _of_one_subject(group)]
    return (*_with_nameless(found, nameless),)


def _in_namespaces(errors: Sequence[PullError]) -> Iterable[PullError]:
    """The errors, with the namespaces of pods that are shown without theirs."""
    known: dict[str, set[str]] = {}
    for error in errors:
        if error.seen.pod and error.seen.namespace:
            known.setdefault(error.seen.pod, set()).add(error.seen.namespace)
    for error in errors:
        candidates = known.get(error.seen.pod, ()) if error.seen.pod and not error.seen.namespace else ()
        yield _with(error, namespace=next(iter(candidates))) if len(candidates) == 1 else error


def _of_one_subject(errors: Sequence[PullError]) -> list[PullError]:
    ones = [_One(error, images.one_spelling(error.seen.image)) for error in _named_throughout(errors)]
    kept: list[_One] = []
    # What says most comes first, the newest of it first: whatever is then folded says less, or the same and is older.
    for one in sorted(ones, key=_most_said):
        into = next((n for n, more in enumerate(kept[:MAX_COMPARED]) if _says_all_of(more, one)), None)
        if into is None:
            kept.append(one)
        else:
            kept[into] = _joined(kept[into], one)
    first: dict[str, int] = {}
    for one in ones:
        first.setdefault(one.image or one.error.seen.container, len(first))
    unknown = len(first)
    ordered = sorted(kept, key=lambda one: (first.get(one.image or one.error.seen.container, unknown), _most_said(one)))
    return [one.error for one in ordered]


def _of_nobody(errors: Sequence[PullError]) -> list[PullError]:
    """Errors that name no pod: only what names the same image, or is the same text, is one error.

    A back-off without an image, which is about anything, is left out where anything says more.
    """
    most: dict[str, int] = {}
    for error in errors:
        image = images.one_spelling(error.seen.image)
        most[image] = max(most.get(image, 0), _rank(error))
    anything = max(most.values(), default=0)
    kept: dict[tuple[str, str], PullError] = {}
    for error in errors:
        image, rank = images.one_spelling(error.seen.image), _rank(error)
        says_less = rank < most[image] if image else rank == 0 and anything > 0
        if not says_less:
            kept.setdefault((image, error.found.cause.value if image else error.seen.message), error)
    return list(kept.values())


def _named_throughout(errors: Sequence[PullError]) -> Iterable[PullError]:
    """The errors of one subject, with the image of a container whose image another one names."""
    images_of: dict[str, set[str]] = {}
    for error in errors:
        if error.seen.container and error.seen.image:
            images_of.setdefault(error.seen.container, set()).add(error.seen.image)
    for error in errors:
        named = images_of.get(error.seen.container, ()) if not error.seen.image else ()
        yield _with(error, image=next(iter(named))) if len(named) == 1 else error


def _rank(error: PullError) -> int:
    if error.found.cause is PullErrorCause.BACKOFF_ONLY:
        return 0
    return 1 if error.found.cause is PullErrorCause.UNKNOWN else 2


def _most_said(one: _One) -> tuple[int, float]:
    return -_rank(one.error), -one.error.seen.when


def _says_all_of(one: _One, other: _One) -> bool:
    """Whether the other is the same error, and says no more."""
    if _rank(one.error) > _rank(other.error):
        return _may_be_same(one, other) or (one.image == other.image != "")
    return one.error.found.cause is other.error.found.cause and _may_be_same(one, other)


def _may_be_same(one: _One, other: _One) -> bool:
    mine, others = one.error.seen.container, other.error.seen.container
    return (not mine or not others or mine == others) and (not one.image or not other.image or one.image == other.image)


def _joined(one: _One, other: _One) -> _One:
    """The one, with the names that it lacks."""
    mine, others = one.error.seen, other.error.seen
    lacking = {
        name: value
        for name, own, value in (
            ("container", mine.container, others.container),
            ("image", mine.image, others.image),
            ("node", mine.node, others.node),
        )
        if value and not own
    }
    return _One(_with(one.error, **lacking), one.image or other.image) if lacking else one


def _with_nameless(found: list[PullError], nameless: Sequence[PullError]) -> Iterable[PullError]:
    told: dict[str, tuple[int, set[PullErrorCause]]] = {}
    for error in found:
        most, causes = told.get(images.one_spelling(error.seen.image), (0, set()))
        told[images.one_spelling(error.seen.image)] = (max(most, _rank(error)), causes | {error.found.cause})
    yield from found
    for error in nameless:
        most, causes = told.get(images.one_spelling(error.seen.image), (0, set())) if error.seen.image else (0, set())
        if error.found.cause not in causes and most <= _rank(error):
            yield error


def _subject(seen: Sighting) -> Subject:
    return (seen.namespace, seen.pod, "" if seen.pod else seen.about) if seen.pod or seen.about else _NOBODY


def _with(error: PullError, **names: str) -> PullError:
    return PullError(msgspec.structs.replace(error.seen, **names), error.found)
