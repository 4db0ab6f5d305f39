"""What is asked of kubectl by Run Command, and its answer read back: compact, and proof against what pods write.

kubectl prints by a jsonpath template, which escapes nothing: an image reference or a message may hold tabs, line breaks
and text that looks like a record. So every record begins with a nonce, made anew for each command, that no pod can
know; within a record tabs separate fields that the Kubernetes API validates, and a field that anyone may choose stands
last. The template begins and ends with marks of its own: output that was cut, at either end, lacks one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from checks.collect.kubernetes.objects import (
    EVENTS,
    Container,
    ContainerStatus,
    Event,
    ImageSource,
    InvolvedObject,
    Metadata,
    Named,
    Owner,
    Pod,
    PodSpec,
    PodStatus,
    Source,
    State,
    Volume,
    Waiting,
    containers,
    pod_events,
)
from checks.collect.kubernetes.texts import Texts
from checks.facts import ContainerImage, PodEvent
from checks.rules.fixes import shell

NAMESPACE = "aks-command"
KINDS = {"i": "initContainer", "m": "container", "e": "ephemeralContainer"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COUNT = re.compile(r"[0-9]{1,9}")
_NULLS = ("", "null", "<nil>", "<no value>")


class Pods(msgspec.Struct, frozen=True):
    """The containers of ``pods`` pods, ``unreadable`` of them left out; ``whole`` where nothing was cut off."""

    containers: tuple[ContainerImage, ...]
    pods: int
    unreadable: int
    whole: bool


class Events(msgspec.Struct, frozen=True):
    """The events that could be read; ``whole`` where nothing was cut off."""

    events: tuple[PodEvent, ...]
    unreadable: int
    whole: bool


def pods_command(nonce: str, phase: str = "") -> str:
    """``kubectl get pods`` of all namespaces but Run Command's own (in one phase): just what the checks need."""
    each = (
        *('{"\\n', nonce, 'P"}{.metadata.namespace}{"\\t"}{.metadata.name}{"\\t"}{.status.startTime}{"\\t"}'),
        *('{.spec.nodeName}{"\\t"}{.spec.nodeSelector.kubernetes\\.io/os}{"\\t"}{.spec.serviceAccountName}{"\\t"}',),
        *('{.status.phase}{"\\t"}{.metadata.deletionTimestamp}',),
        *(
            '{range .metadata.ownerReferences[*]}{"',
            nonce,
            'O"}{.controller}{"\\t"}{.kind}{"',
            nonce,
            'N"}{.name}{end}',
        ),
        *('{range .spec.imagePullSecrets[*]}{"', nonce, 'S"}{.name}{end}'),
        *('{range .spec.volumes[?(@.image)]}{"', nonce, 'I"}{.name}{"\\t"}{.image.pullPolicy}'),
        '{"\\t"}{.image.reference}{end}',
        *(text for letter, kind in KINDS.items() for text in _containers(nonce, letter, kind)),
    )
    chosen = f"metadata.namespace!={NAMESPACE}" + (f",status.phase={phase}" if phase else "")
    return _get(nonce, "pods", chosen, "".join(each))


def _containers(nonce: str, letter: str, kind: str) -> tuple[str, ...]:
    return (
        *(
            "{range .spec.",
            kind,
            's[*]}{"',
            nonce,
            "C",
            letter,
            '"}{.name}{"\\t"}{.imagePullPolicy}{"\\t"}{.image}{end}',
        ),
        *("{range .status.", kind, 'Statuses[?(@.state.waiting)]}{"', nonce, "W", letter, '"}{.name}{"\\t"}'),
        *('{.state.waiting.reason}{"', nonce, 'M"}{.state.waiting.message}{end}'),
    )


def events_command(nonce: str) -> str:
    """``kubectl get events`` about pods, without those that say nothing of pulls."""
    each = (
        *('{"\\n', nonce, 'V"}{.involvedObject.namespace}{"\\t"}{.count}{"\\t"}{.firstTimestamp}{"\\t"}'),
        *('{.lastTimestamp}{"\\t"}{.eventTime}{"', nonce, 'R"}{.reason}{"', nonce, 'A"}{.involvedObject.name}'),
        *('{"', nonce, 'F"}{.involvedObject.fieldPath}{"', nonce, 'H"}{.source.host}{"', nonce, 'M"}{.message}'),
    )
    return _get(nonce, "events", f"{EVENTS},metadata.namespace!={NAMESPACE}", "".join(each))


def _get(nonce: str, resource: str, fields: str, each: str) -> str:
    template = f'{{"{nonce}B"}}{{range .items[*]}}{each}{{end}}{{"\\n{nonce}E"}}'
    words = ("kubectl", "get", resource, "--all-namespaces", "--field-selector", fields)
    return shell.command(*words, "-o", f"jsonpath={template}")


def read_pods(logs: str, nonce: str) -> Pods | None:
    """The pods in a command's output; None where it is not that command's at all. Never raises."""
    parsed = _records(logs, nonce, "P")
    if parsed is None:
        return None
    records, whole = parsed
    listed: list[ContainerImage] = []
    texts = Texts()
    unreadable = 0
    for record in records:
        pod = _pod(record)
        if pod is None:
            unreadable += 1
        else:
            listed += containers(pod, texts)
    return Pods(tuple(listed), len(records), unreadable, whole)


def with_others(pods: Pods, others: Pods) -> Pods:
    """Pods of a list that was cut off, and those of another list that are not among them."""
    known = {(container.namespace, container.pod) for container in pods.containers}
    new = [container for container in others.containers if (container.namespace, container.pod) not in known]
    count = len({(container.namespace, container.pod) for container in new})
    return Pods((*pods.containers, *new), pods.pods + count, pods.unreadable + others.unreadable, pods.whole)


def read_events(logs: str, nonce: str) -> Events | None:
    """The events in a command's output; None where it is not that command's at all. Never raises."""
    pair = _records(logs, nonce, "V")
    if pair is None:
        return None
    records, whole = pair
    read = [event for record in records if (event := _event(record)) is not None]
    texts = Texts()
    parsed = tuple(fact for event in read for fact in pod_events(event, texts))
    return Events(parsed, len(records) - len(read), whole)


Token = tuple[str, str]  # the letter that says what it is, and its text


def _records(logs: str, nonce: str, first: str) -> tuple[list[list[Token]], bool] | None:
    """The objects' tokens, each list beginning with ``first``; and whether both marks are there.

    An object that the end of cut output may have broken is left out; so is what the beginning of it left of one.
    """
    parts = logs.split(nonce)[1:]
    if not parts:
        return None
    tokens = [(part[:1], part[1:]) for part in parts]
    begun, ended = tokens[0][0] == "B", tokens[-1][0] == "E"
    records: list[list[Token]] = []
    for letter, text in tokens:
        if letter in (first, "E") and records:
            last = records[-1].pop()
            records[-1].append((last[0], last[1].removesuffix("\n")))
        if letter == first:
            records.append([(letter, text)])
        elif records and letter != "E":
            records[-1].append((letter, text))
    return (records if ended else records[:-1]), begun and ended


class _Unreadable(Exception):
    """A record that is not as the template makes it."""


def _pod(record: list[Token]) -> Pod | None:
    try:
        return _read_pod(record)
    except _Unreadable:
        return None


def _read_pod(record: list[Token]) -> Pod:
    namespace, name, start, node, system, account, phase, deleted = _fields(record[0][1], 8)
    if not namespace or not name:
        raise _Unreadable
    result = _Found()
    rest = iter(record[1:])
    for letter, text in rest:
        result.take(letter, text, rest)
    (inits, mains, ephemerals), (of_inits, of_mains, of_ephemerals) = result.in_order()
    spec = PodSpec(
        node_name=node or None,
        containers=mains,
        init_containers=inits,
        ephemeral_containers=ephemerals,
        image_pull_secrets=result.secrets,
        node_selector={"kubernetes.io/os": system} if system else None,
        service_account_name=account or None,
        volumes=result.volumes,
    )
    status = PodStatus(_describe(phase), _describe(start), of_mains, of_inits, of_ephemerals)
    return Pod(Metadata(name, namespace, result.owners, _describe(deleted)), spec, status)


class _Found:
    """What the records of one pod told so far; containers and what of them waits by the letter of their kind."""

    def __init__(self) -> None:
        self.owners: list[Owner] = []
        self.secrets: list[Named] = []
        self.volumes: list[Volume] = []
        self._containers: dict[str, list[Container]] = {letter: [] for letter in KINDS}
        self._waiting: dict[str, list[ContainerStatus]] = {letter: [] for letter in KINDS}

    def take(self, letter: str, text: str, rest: Iterator[Token]) -> None:
        """One record; those of two tokens take the second from ``rest``. Raises _Unreadable."""
        kind = text[:1]
        if letter == "O":
            controls, owner = _split(text, 1)
            self.owners.append(Owner(owner, _following(rest, "N"), controls == "true"))
        elif letter == "S":
            self.secrets.append(Named(text))
        elif letter == "I":
            name, policy, image = _split(text, 2)
            self.volumes.append(Volume(_clean(name), ImageSource(image, _clean(policy) or None)))
        elif letter == "C" and kind in KINDS:
            name, policy, image = _split(text[1:], 2)
            self._containers[kind].append(Container(_clean(name), image, _clean(policy) or None))
        elif letter == "W" and kind in KINDS:
            name, reason = _split(text[1:], 1)
            waiting = Waiting(reason or None, _following(rest, "M") or None)
            self._waiting[kind].append(ContainerStatus(_clean(name), State(waiting)))
        else:
            raise _Unreadable

    def in_order(self) -> tuple[list[list[Container]], list[list[ContainerStatus]]]:
        """Containers and statuses of init, main and ephemeral containers."""
        return list(self._containers.values()), list(self._waiting.values())


def _event(record: list[Token]) -> Event | None:
    if [letter for letter, _ in record] != ["V", "R", "A", "F", "H", "M"]:
        return None
    try:
        namespace, count, first, last, time = _fields(record[0][1], 5)
    except _Unreadable:
        return None
    if not namespace or not (count in _NULLS or _COUNT.fullmatch(count)):
        return None
    (_, reason), (_, pod), (_, field), (_, node), (_, message) = record[1:]
    return Event(
        involved_object=InvolvedObject("Pod", pod, namespace, field or None),
        reason=reason,
        message=message,
        count=None if count in _NULLS else int(count),
        first_timestamp=_describe(first),
        last_timestamp=_describe(last),
        event_time=_describe(time),
        source=Source(node) if node else None,
    )


def _fields(text: str, count: int) -> list[str]:
    """Tab-separated fields that the Kubernetes API validates: one with a control character in it was not printed so."""
    fields = text.split("\t")
    if len(fields) != count:
        raise _Unreadable
    return [_clean(field) for field in fields]


def _split(text: str, times: int) -> list[str]:
    """The fields of a record whose last one may hold anything, tabs too."""
    fields = text.split("\t", times)
    if len(fields) != times + 1:
        raise _Unreadable
    return fields


def _following(rest: Iterator[Token], letter: str) -> str:
    token = next(rest, ("", ""))
    if token[0] != letter:
        raise _Unreadable
    return token[1]


def _clean(text: str) -> str:
    if _CONTROL.search(text):
        raise _Unreadable
    return text


def _describe(text: str) -> str | None:
    """A field's text; kubectl prints nothing for one that is not there, and a word for one that is null."""
    return None if text in _NULLS else text
