"""Rows of kubectl's tables: of events (``get events``, with and without ``-A`` and ``-o wide``, ``kubectl events``) and
of pods (``get pods``).

A row shows what it is without its header, which may be missing (``--no-headers``), and whatever became of the columns'
widths: what is pasted from a chat has lost them.
"""

from __future__ import annotations

import re

from checks.cli.classify.sighting import NOW, Sighting
from checks.cli.classify.texts.ages import AGE, before
from checks.cli.classify.texts.mentions import container_of_path, image_in

_GAP = r"[ \t]{1,400}"
_NAME = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_HEADER = re.compile(rf"^(?:NAMESPACE{_GAP})?(?:LAST SEEN{_GAP}TYPE{_GAP}REASON\b|NAME{_GAP}READY{_GAP}STATUS\b)")
_EVENT = re.compile(
    rf"^[ \t]{{0,20}}(?:(?P<namespace>{_NAME}){_GAP})?(?P<age>{AGE}){_GAP}(?:Normal|Warning){_GAP}"
    rf"(?P<reason>\S{{1,64}}){_GAP}(?P<kind>[A-Za-z][A-Za-z0-9.]{{0,99}})/(?P<name>\S{{1,253}}){_GAP}(?P<rest>\S.*)$"
)
_WIDE = re.compile(
    rf"^(?:(?P<path>spec\.\S{{1,300}}){_GAP})?[\w./-]{{1,253}}(?:, [\w.:-]{{1,253}})?[ \t]{{2,400}}(?P<message>\S.*)$"
)
_POD = re.compile(
    rf"^[ \t]{{0,20}}(?:(?P<namespace>{_NAME}){_GAP})?(?:pod/)?(?P<name>{_NAME}){_GAP}\d{{1,5}}/\d{{1,5}}{_GAP}"
    rf"(?P<status>\S{{1,64}}){_GAP}\d{{1,9}}(?: \({AGE} ago\))?{_GAP}{AGE}(?:[ \t]|$)"
)
_AGE = re.compile(AGE)


def is_header(line: str) -> bool:
    """Whether a line is the header of a table of events or pods."""
    return _HEADER.match(line) is not None


def row(line: str) -> Sighting | None:
    """What a row tells; None where the line is none."""
    if found := _EVENT.match(line):
        return _of_event(found)
    found = _POD.match(line)
    return _of_pod(found) if found else None


def _of_event(found: re.Match[str]) -> Sighting:
    path, message = _without_wide_columns(found["rest"].rstrip())
    is_pod = found["kind"].lower() in ("pod", "pods")
    return Sighting(
        message=message,
        reason=found["reason"],
        namespace=found["namespace"] or "",
        pod=found["name"] if is_pod else "",
        about="" if is_pod else f"{found['kind']}/{found['name']}",
        container=container_of_path(path),
        image=image_in(message),
        when=before(found["age"]),
    )


def _without_wide_columns(rest: str) -> tuple[str, str]:
    """The field path and the message. ``-o wide`` has the source before it; first seen, count and name after it."""
    ends = rest.rsplit(None, 3)
    if len(ends) < 4 or not (_AGE.fullmatch(ends[1]) and ends[2].isdigit()):
        return "", rest
    wide = _WIDE.match(ends[0])
    return (wide["path"] or "", wide["message"]) if wide else ("", ends[0])


def _of_pod(found: re.Match[str]) -> Sighting:
    """A pod's status is that of its first container in trouble: "ImagePullBackOff", "Init:ErrImagePull"."""
    reason = found["status"].removeprefix("Init:")
    return Sighting(message="", reason=reason, namespace=found["namespace"] or "", pod=found["name"], when=NOW)
