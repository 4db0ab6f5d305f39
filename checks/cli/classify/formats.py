"""What an input is: JSON Lines, objects in JSON or YAML, or text; and its answers.

JSON Lines are known by their first line, an object with a message, and are answered line by line. Whatever else it is
is read as a whole.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from checks.cli.classify import journal, json_documents, json_lines, yaml_documents
from checks.cli.classify.answers import MAX_TEXT, Answer, Classifier
from checks.cli.classify.json_documents import EndsInTheMiddle, NotJson
from checks.cli.classify.objects import is_kubernetes, sightings_of
from checks.cli.classify.sighting import PullError, Sighting
from checks.cli.classify.source import MAX_INPUT, MAX_LINE, Source, TooMuch
from checks.cli.classify.texts import text_lines
from checks.cli.classify.texts.as_typed import as_typed
from checks.cli.classify.texts.log_lines import OF_KUBECTL
from checks.cli.classify.yaml_documents import NotYaml
from checks.text import listed, one_line

_HEAD = 20
_YAML = re.compile(
    rb"(?:%YAML[^\n]{0,80}\n)?(?:---[^\n]{0,200}\n|#[^\n]{0,400}\n){0,20}+"
    rb"(?:apiVersion|items|kind|metadata|- apiVersion):"
)
# Kubectl's own lines before what it prints, and a prompt that was copied with it.
_AROUND = re.compile(
    rb"(?:```|Warning: |W\d{4} |E\d{4} |I\d{4} |No resources found|Flag --|[$#>] |PS |To sign in|"
    + OF_KUBECTL.pattern.encode()
    + b")"
)
_OBJECT_BELOW = re.compile(
    rb"^(?:[ \t]{0,20}[{\[][ \t\r]*\n|[ \t]{0,20}\{\"|(?:apiVersion|items|kind|- apiVersion):)", re.MULTILINE
)
_FENCE = re.compile(rb"^[ \t]{0,20}```", re.MULTILINE)
_QUOTE = re.compile(rb"^[ \t]{0,20}> ?")
_QUOTES = re.compile(rb"^[ \t]{0,20}> ", re.MULTILINE)
_NOTHING = re.compile(r"(?:\s{0,400}No resources found[^\n]{0,400}(?:\n|$)){1,20}\s*")
_IS_A_LIST = re.compile(rb"\"(?:items|kind|apiVersion)\"\s{0,20}:")


# Kinds that tell of pulls, and those of which the items tell what they are.
_TELLING = frozenset({"Event", "EventList", "Pod", "PodList"})
_OF_A_LIST = frozenset({"", "List"})


class Unreadable(Exception):
    """The input is in no format that is read; the message says what is wrong with it."""


class Read(msgspec.Struct, frozen=True):
    """What an input came to: the pull errors that are still to be folded, and how much of it told of no pull error.

    ``lines``: it was JSON Lines, and is answered already. ``problems``: what in it could not be read, one a sentence.
    ``notes``: what else is to be said of how it was read, such as that it ends in the middle.
    """

    errors: tuple[PullError, ...] = ()
    others: int = 0
    lines: json_lines.Outcome | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    empty: bool = False


def read(stream: io.BufferedReader, write: Callable[[Answer], None], classifier: Classifier) -> Read:
    """Reads an input; answers it with ``write`` where it is JSON Lines. Raises Unreadable."""
    source = Source(stream)
    first = source.first(json_lines.MAX_LINE + 1)
    if not first:
        return Read(empty=True)
    if _begins_json_lines(first):
        return Read(lines=json_lines.answer_lines(source.lines(json_lines.MAX_LINE), write))
    try:
        whole = source.whole()
    except TooMuch:
        raise Unreadable(
            f"is larger than {MAX_INPUT // 1024 // 1024} MiB, more than is read at once. Ask for less, such as one "
            "namespace (-n) or kubectl get events --field-selector reason=Failed"
        ) from None
    found = _of_whole(whole, write, classifier)
    if not source.cut or found.notes:
        return found
    return msgspec.structs.replace(found, notes=(_said_of_cut(source.cut, MAX_LINE),))


def _said_of_cut(lines: int, bound: int = MAX_TEXT) -> str:
    are = "1 line is" if lines == 1 else f"{lines} lines are"
    return f"{are} longer than {bound // 1024} KiB: no more than that was looked at"


def _begins_json_lines(line: bytes) -> bool:
    """Whether a first line is that of JSON Lines. An object of Kubernetes on one line, without a message, is none."""
    if not line.startswith(b"{"):
        return False
    if len(line) > json_lines.MAX_LINE:
        return _IS_A_LIST.search(line[:4096]) is None
    found = _decoded(line)
    if found is None:
        return _has_a_message_nobody_can_encode(line)
    if not isinstance(found, dict) or _is_watched(found) or journal.is_entry(found):
        return False
    return "message" in found or not is_kubernetes(found)


def _has_a_message_nobody_can_encode(line: bytes) -> bool:
    """Whether it is a line of JSON Lines but for half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "message" in found


def _is_watched(found: object) -> bool:
    """Whether it is what ``kubectl get --watch --output-watch-events`` prints around each object."""
    return isinstance(found, dict) and "type" in found and is_kubernetes(found.get("object"))


def _of_whole(whole: bytes, write: Callable[[Answer], None], classifier: Classifier) -> Read:
    whole = _unquoted(whole)
    text = _without_what_is_around(whole)
    begins = text.lstrip()[:1]
    if _YAML.match(text):
        return _of_objects(_yaml(text.decode("utf-8", "replace")), classifier)
    lines, not_json = whole.split(b"\n"), ""
    if _are_json_lines(lines):
        return Read(lines=json_lines.answer_lines(lines, write))
    if begins and begins in b"{[":
        found = _of_json(text, classifier)
        if isinstance(found, Read):
            return found
        not_json = found
    elif below := _of_objects_below(whole, classifier):
        return below
    if not_json and any(map(json_lines.is_one, lines)):
        return Read(lines=json_lines.answer_lines(lines, write))
    if not_json and (text.split(b"\n", 1)[0].strip() in (b"{", b"[") or _IS_A_LIST.search(text[:4096])):
        raise Unreadable(f"begins like JSON and cannot be read: {one_line(not_json)}")
    return _of_text(whole, classifier)


def _of_objects_below(whole: bytes, classifier: Classifier) -> Read | None:
    """JSON or YAML of Kubernetes below somebody's own words, with what these tell; None where there is none."""
    begin = _OBJECT_BELOW.search(whole)
    if begin is None:
        return None
    text = whole[begin.start() :]
    end = _FENCE.search(text)
    text = text[: end.start()] if end else text
    try:
        found = _of_yaml_or_json(text, classifier)
    except Unreadable as error:
        return _of_text_or(error, whole, classifier)  # "kind:" may be a word of a text, too
    if isinstance(found, str):
        return None
    rest = whole[: begin.start()] + (whole[begin.start() + end.start() :] if end else b"")
    try:
        words = _of_text(rest, classifier)
    except Unreadable:
        return found  # words, and no error among them
    return msgspec.structs.replace(found, errors=(*found.errors, *words.errors), others=found.others + words.others)


def _of_yaml_or_json(text: bytes, classifier: Classifier) -> Read | str:
    if _YAML.match(text):
        return _of_objects(_yaml(text.decode("utf-8", "replace")), classifier)
    return _of_json(text, classifier)


def _of_text_or(error: Unreadable, whole: bytes, classifier: Classifier) -> Read:
    """What it is as text; raises the error where it is none."""
    try:
        return _of_text(whole, classifier)
    except Unreadable:
        raise error from None


def _unquoted(whole: bytes) -> bytes:
    """The text without the marks of a quotation (``> ``), and the indent that all of its lines begin with."""
    lines = whole.split(b"\n")
    told = [line for line in lines if line.strip()]
    if told and (len(_QUOTES.findall(whole)) > 1 or _QUOTES.match(whole)):
        lines = [_QUOTE.sub(b"", line) for line in lines]
        told = [line for line in lines if line.strip()]
    indent = min((len(line) - len(line.lstrip(b" ")) for line in told), default=0)
    return b"\n".join(line[indent:] if line.strip() else line for line in lines)


def _without_what_is_around(whole: bytes) -> bytes:
    """JSON or YAML without kubectl's own lines before and after it; any other text as it is."""
    at = 0
    for _ in range(_HEAD):
        end = whole.find(b"\n", at)
        line = whole[at : end if end >= 0 else len(whole)].strip()
        if line[:1] in (b"{", b"[") or _YAML.match(whole, at):
            return _without_last_lines(whole[at:])
        if end < 0 or (line and not _AROUND.match(line)):
            return whole
        at = end + 1
    return whole


def _without_last_lines(text: bytes) -> bytes:
    for _ in range(_HEAD):
        text = text.rstrip()
        start = text.rfind(b"\n") + 1
        if not _AROUND.match(text, start):
            break
        text = text[:start]
    return text


def _of_json(text: bytes, classifier: Classifier) -> Read | str:
    """What JSON came to; why it is none, where no object of Kubernetes is in it."""
    found = list(_known(json_documents.objects_in(text)))
    if any(not isinstance(one, NotJson) for one in found):
        return _of_objects(found, classifier)
    return next((str(one) for one in found if isinstance(one, NotJson)), "no object of Kubernetes is in it")


class _Held(msgspec.Struct, frozen=True):
    """An object was there, of this kind ("" where it does not say)."""

    kind: str


_Found = Sighting | Exception | _Held


def _known(found: Iterable[object]) -> Iterator[Sighting | NotJson | _Held]:
    """The sightings in objects, and that each object was there."""
    for one in found:
        held = one["object"] if isinstance(one, dict) and _is_watched(one) else one
        if isinstance(held, NotJson):
            yield held
        elif isinstance(held, dict) and journal.is_entry(held):
            yield _Held("")
            yield from journal.sightings_of_entry(held)
        elif isinstance(held, dict) and is_kubernetes(held):
            yield _held(held)
            yield from sightings_of(held)


def _held(found: object) -> _Held:
    kind = found.get("kind") if isinstance(found, dict) else ""
    return _Held(kind if isinstance(kind, str) else "")


def _yaml(text: str) -> Iterator[Sighting | NotYaml | _Held]:
    try:
        for one in yaml_documents.objects_in(text):
            yield _held(one)
            yield from sightings_of(one)
    except NotYaml as error:
        yield error


def _of_objects(found: Iterable[_Found], classifier: Classifier) -> Read:
    errors, others, problems, notes, kinds = list[PullError](), 0, list[str](), list[str](), dict[str, None]()
    for one in found:
        if isinstance(one, EndsInTheMiddle):
            notes.append(one_line(str(one)))
        elif isinstance(one, Exception):
            problems.append(one_line(str(one)))
        elif isinstance(one, _Held):
            kinds[one.kind] = None
        elif error := classifier.pull_error(one):
            errors.append(error)
        else:
            others += 1
    if problems and not kinds:
        raise Unreadable(f"is no whole YAML or JSON: {problems[0]}")
    if not errors and not others and (told := [kind for kind in kinds if kind not in _OF_A_LIST]):
        _refuse_without_events(told)
    return Read(tuple(errors), others, problems=tuple(problems), notes=tuple(notes))


def _refuse_without_events(kinds: list[str]) -> None:
    """Raises Unreadable where there is no event and no pod: nothing else tells of a pull that failed."""
    if _TELLING.isdisjoint(kinds):
        raise Unreadable(
            f"holds {one_line(listed(kinds, 5))}, which does not tell of failed pulls. Events or pods do: "
            "kubectl get events,pods -A -o json"
        )


def _are_json_lines(lines: list[bytes]) -> bool:
    """Whether half of the lines or more are objects with a message, though the first is none.

    Objects of Kubernetes, a line each, of which the first has no message (a pod before events), are no JSON Lines.
    """
    told = [line for line in lines[:1000] if line.strip()]
    good = sum(map(json_lines.is_one, told))
    return good > 0 and 2 * good >= len(told) and not is_kubernetes(_decoded(told[0]))


def _decoded(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _of_text(whole: bytes, classifier: Classifier) -> Read:
    lines = [line.removesuffix(b"\r") for line in whole.split(b"\n")]
    cut = sum(len(line) > MAX_TEXT for line in lines)
    text = as_typed(b"\n".join(line[:MAX_TEXT] for line in lines).decode("utf-8", "replace"))
    if _NOTHING.fullmatch(text):
        return Read(empty=True)
    errors, others, known = list[PullError](), 0, False
    for seen in text_lines.sightings_in(text.split("\n")):
        if error := classifier.pull_error(seen):
            errors.append(error)
        else:
            others += 1
            known = known or bool(seen.reason) or seen.log or classifier.is_other_event(seen)
    if errors or known:
        return Read(tuple(errors), others, notes=(_said_of_cut(cut),) if cut else ())
    raise Unreadable("has no text of a failed pull in it, and is in no format that is read")
