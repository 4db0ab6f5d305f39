"""What ``kubectl describe`` prints of one object, line by line: a pod's containers, and the events of anything."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cli.classify.sighting import NOW, Sighting
from checks.cli.classify.texts.ages import AGE, before
from checks.cli.classify.texts.mentions import container_of_path, image_in, image_in_lines

MAX_CONTINUED = 64 * 1024
_FIELD = re.compile(r"^([A-Z][A-Za-z0-9 /()-]{0,60}):[ \t]{0,200}(.*)$")
_ANY_FIELD = re.compile(r"^ {0,8}[A-Z][A-Za-z0-9 /()-]{0,40}:(?:[ \t]{2,200}\S|[ \t]*$)")
_INNER = re.compile(r"^  ([A-Z][A-Za-z ]{0,40}):[ \t]{1,200}(\S.*)$")
_CONTAINER = re.compile(r"^  ([a-z0-9][a-z0-9-]{0,62}):[ \t]*$")
_OF_CONTAINER = re.compile(r"^    ([A-Z][A-Za-z ]{0,40}):[ \t]{0,200}(.*)$")
_REASON = re.compile(r"^      Reason:[ \t]{1,200}(\S{1,64})")
_EVENT = re.compile(
    rf"^[ \t]{{0,20}}(?:Normal|Warning)[ \t]{{1,400}}(?P<reason>\S{{1,64}})[ \t]{{1,400}}(?P<age>{AGE})[ \t]{{1,400}}"
    r"\S{1,253}[ \t]{1,400}(?P<message>\S.*)$"
)
# What is pasted may have lost its indent: then a container's name stands at the margin, and its fields do.
_FLAT_CONTAINER = re.compile(r"^([a-z0-9][a-z0-9-]{0,62}):[ \t]*$")
_FLAT_VALUE = re.compile(r"^[a-z0-9][\w./-]{0,300}[=:]")
_CONTAINERS = ("Init Containers", "Containers", "Ephemeral Containers")
_NO_PODS = frozenset({"Pod Template", "Replicas", "Taints", "Roles", "Selector"})


def begins(line: str) -> bool:
    """Whether a line begins the description of an object."""
    found = _FIELD.match(line)
    return found is not None and found[1] == "Name" and bool(found[2].strip())


def is_field(line: str) -> bool:
    """Whether a line is a field of a description, at whatever depth."""
    return _ANY_FIELD.match(line) is not None


def event_row(line: str) -> Sighting | None:
    """A row of the events below a description, without the object that it is about."""
    found = _EVENT.match(line)
    if found is None:
        return None
    message = found["message"].rstrip()
    return Sighting(message=message, reason=found["reason"], image=image_in(message), when=before(found["age"]))


class Description:
    """An object's description as far as it was read. ``fields`` are those of the object itself."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._about: dict[str, str] = {}
        self._section = self._container = self._state = ""
        self._is_flat = self._in_flat_container = False
        self._images: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._events: list[Sighting] = []

    def take(self, line: str) -> bool:
        """Reads a line; False where it is not the description's any more."""
        if self._section == "Events":
            return self._take_event(line)
        if not line.strip():
            return True
        if not line[0].isspace() and self._take_flat(line):
            return True
        if found := _FIELD.match(line):
            self._section = found[1]
            self._fields.setdefault(found[1], found[2].strip())
            return True
        if not line[0].isspace():
            return False
        if self._section in _CONTAINERS:
            self._take_of_container(line)
        elif self._section in ("Involved Object", "Regarding") and (inner := _INNER.match(line)):
            self._about.setdefault(inner[1], inner[2].strip())
        return True

    def _take_flat(self, line: str) -> bool:
        """Reads a line that may have lost its indent; False where it is at the margin anyway."""
        if self._section in _CONTAINERS and (found := _FLAT_CONTAINER.match(line)):
            self._is_flat = self._in_flat_container = True
            self._container, self._state = found[1], ""
            return True
        field = _FIELD.match(line)
        if field is None:
            return self._is_flat or ("Namespace" in self._fields and _FLAT_VALUE.match(line) is not None)
        if not self._in_flat_container or field[1] in (*_CONTAINERS, "Conditions", "Volumes", "Events"):
            self._in_flat_container = False
            return False
        if field[1] == "Reason" and self._state == "Waiting":
            self._waiting.setdefault(self._container, field[2].strip())
        elif field[1] in ("State", "Last State"):
            self._state = field[2].strip() if field[1] == "State" else ""
        elif field[1] == "Image":
            self._images[self._container] = field[2].strip()
        return True

    def _take_event(self, line: str) -> bool:
        if event := event_row(line):
            self._events.append(event)
        elif not line.strip() or begins(line):
            return False
        elif self._events and not line[0].isspace():
            # A message of several lines goes on at the margin.
            self._events[-1] = continued(self._events[-1], line)
        return True

    def _take_of_container(self, line: str) -> None:
        if found := _CONTAINER.match(line):
            self._container, self._state = found[1], ""
        elif found := _OF_CONTAINER.match(line):
            self._state = found[2].strip() if found[1] == "State" else ""
            if found[1] == "Image":
                self._images[self._container] = found[2].strip()
        elif self._state == "Waiting" and (found := _REASON.match(line)):
            self._waiting[self._container] = found[1]

    def sightings(self) -> Iterator[Sighting]:
        """What its containers wait for, then its events; the object's own name in all of them."""
        if self._fields.get("Kind") == "Event":
            yield self._as_event()
            return
        name, namespace = self._fields.get("Name", ""), self._fields.get("Namespace", "")
        is_pod = _NO_PODS.isdisjoint(self._fields)
        pod, about = (name, "") if is_pod else ("", name)
        node = self._fields.get("Node", "").partition("/")[0] if is_pod else ""
        node = "" if node == "<none>" else node
        base = Sighting(message="", namespace=namespace, pod=pod, about=about, node=node, when=NOW)
        if "Reason" in self._fields:
            message = self._fields.get("Message", "")
            reason = self._fields["Reason"]
            yield replace(base, message=message, reason=reason, image=image_in(message))
        for container, reason in self._waiting.items():
            image = self._images.get(container, "")
            yield replace(base, reason=reason, container=container, image=image)
        for event in self._events:
            yield replace(base, reason=event.reason, message=event.message, image=event.image, when=event.when)

    def _as_event(self) -> Sighting:
        """``kubectl describe events`` prints events as objects."""
        message, about = self._fields.get("Message", ""), self._about
        kind, name = about.get("Kind", ""), about.get("Name", "")
        return Sighting(
            message=message,
            reason=self._fields.get("Reason", ""),
            namespace=about.get("Namespace", ""),
            pod=name if kind == "Pod" else "",
            about="" if kind == "Pod" else f"{kind}/{name}",
            container=container_of_path(about.get("Field Path", "")),
            image=image_in(message),
        )


def continued(event: Sighting, line: str) -> Sighting:
    """An event whose message has one more line."""
    room = MAX_CONTINUED - len(event.message)
    if room <= 0:
        return event
    message = f"{event.message}\n{line.rstrip()[:room]}"
    return replace(event, message=message, image=event.image or image_in_lines(message))
