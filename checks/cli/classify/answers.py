"""The answer about one text: the cause, what it means, what helps, and whom it is about."""

from __future__ import annotations

import msgspec

from checks.cli.classify.sighting import PullError, Sighting
from checks.cli.classify.texts.mentions import host_in
from checks.cli.classify.texts.text_lines import unbroken
from checks.facts import ContainerImage
from checks.rules.pull.errors import (
    Classified,
    OtherEvent,
    PullErrorCause,
    classify_event,
    has_sign_of_a_pull,
    tells_of_a_pull,
)
from checks.rules.pull.remedies import UNNAMED_CLUSTER, PullContext, remedy
from checks.text import printable, redacted_start

MAX_NAME, MAX_IMAGE, MAX_TEXT = 253, 2048, 64 * 1024
_MAX_KNOWN = 4096
# Under these, kubelet reports failed pulls beside other things, so the text decides.
_AMBIGUOUS = frozenset({"", "Failed", "BackOff", "FailedSync", "CreateContainerError", "FailedCreatePodSandBox"})
_OF_CONTAINER_INSTANCES = frozenset({"ProviderFailed", "ProviderCreateFailed"})
_OF_A_RUNTIME = "rpc error: code = "


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One answer as it is written: members that are not known are left out. ``about`` names what is no pod."""

    cause: str
    rule: str
    evidence: str
    sentence: str = ""
    remedy: tuple[str, ...] = ()
    namespace: str = ""
    pod: str = ""
    about: str = ""
    container: str = ""
    image: str = ""


class Classifier:
    """Finds causes; the same text, which thousands of pods may show, is looked at once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Classified | OtherEvent] = {}

    def pull_error(self, seen: Sighting) -> PullError | None:
        """The cause of what was seen; None where it is about something else than a pull that failed."""
        found = self._found(seen)
        if isinstance(found, OtherEvent) or not is_about_a_pull(seen, found):
            return None
        return PullError(seen, found)

    def is_other_event(self, seen: Sighting) -> bool:
        """Whether a text is known, and known to be about something else."""
        return isinstance(self._found(seen), OtherEvent)

    def _found(self, seen: Sighting) -> Classified | OtherEvent:
        key = (seen.message, seen.reason, seen.image)
        found = self._known.get(key)
        if found is None:
            found = classify_event(readable(seen.message), seen.reason, seen.image)
            if len(self._known) < _MAX_KNOWN:
                self._known[key] = found
        return found


def is_about_a_pull(seen: Sighting, found: Classified) -> bool:
    """What says so itself is. Of the rest, only what has a cause and comes from where pulls are reported."""
    if tells_of_a_pull(seen.message, seen.reason):
        return True
    if found.cause is PullErrorCause.UNKNOWN or seen.log:
        # A runtime's error on its own, as people copy it out of a pod's status, is one even if nobody knows it.
        return not seen.log and not seen.reason and _begins_as_a_runtimes(seen)
    if (
        seen.reason == "FailedCreate"
    ):  # a controller's own failure is none of a pull; that a policy forbids the image is
        return found.cause is PullErrorCause.POLICY
    if seen.reason in _OF_CONTAINER_INSTANCES:
        return True
    if seen.reason not in _AMBIGUOUS or seen.about:
        return False  # kubelet, which pulls, reports of pods
    # The rest may be of a container's start, or an application's own words, as of its database or of an API.
    return _begins_as_a_runtimes(seen) or has_sign_of_a_pull(seen.message)


def _begins_as_a_runtimes(seen: Sighting) -> bool:
    return seen.message.startswith(_OF_A_RUNTIME)


def answer(seen: Sighting, found: Classified | OtherEvent) -> Answer:
    """The whole answer, of which every part that came from the input is bounded and has no control characters."""
    image = shown(seen.image, MAX_IMAGE)
    return Answer(
        cause=found.cause.value,
        rule=found.rule,
        evidence=printable(found.evidence, keep="\n\t", instead="\N{REPLACEMENT CHARACTER}"),
        sentence=found.cause.sentence,
        remedy=() if isinstance(found, OtherEvent) else _remedy(seen, found, image),
        namespace=shown(seen.namespace),
        pod=shown(seen.pod),
        about=shown(seen.about),
        container=shown(seen.container),
        image=image,
    )


def _remedy(seen: Sighting, found: Classified, image: str) -> tuple[str, ...]:
    """PW301's steps, with placeholders for what a text does not tell."""
    container = ContainerImage(
        namespace=shown(seen.namespace) or "<namespace>",
        pod=shown(seen.pod) or "<pod>",
        workload="",
        container=shown(seen.container),
        kind="main",
        image=image or "<image>",
        node=shown(seen.node) or None,
    )
    message = readable(seen.message)
    host = shown(host_in(message, image)) or "<registry>"
    return remedy(found.cause, PullContext(UNNAMED_CLUSTER, container, host, None, message))


def readable(message: str) -> str:
    """The part of a text that is looked at, without its secrets: also without one that begins in it and is cut."""
    return redacted_start(unbroken(message[: 2 * MAX_TEXT]), MAX_TEXT)


def shown(name: str, limit: int = MAX_NAME) -> str:
    """A name from the input: redacted, bounded, on one line."""
    return printable(redacted_start(name, limit), instead="\N{REPLACEMENT CHARACTER}")
