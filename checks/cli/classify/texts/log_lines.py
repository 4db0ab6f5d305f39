"""Lines without a shape of kubectl's: logs of kubelet and containerd, and texts of errors as people paste them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import structs

from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts.mentions import container_in, image_in, pod_in

_MAX_LINE = 64 * 1024
_JOURNAL = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,253} [\w@.-]{1,100}(?:\[\d{1,9}\])?: ")
_TIME = re.compile(r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,20}[ \t]")
# What a pipeline puts before a line: GitHub Actions (also by gh, with job and step), Azure Pipelines, GitLab (which has
# a stream beside the time), Jenkins.
_PIPELINE = re.compile(
    r"^(?:[^\t\n]{1,200}\t[^\t\n]{1,200}\t)?"
    r"(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,20}[ \t]{1,4}(?:\d\d[OE][ +]{1,2})?"
    r"|\d\d:\d\d:\d\d[ \t]{1,4})?(?P<mark>##\[\w{1,20}\]|::(?:error|warning)(?: [^:\n]{0,400})?::)?[ \t]{0,4}"
)
# How lines of Docker and the like begin, whose error in a pipeline's log is a line of its own.
_OF_A_CLIENT = re.compile(
    r"(?:#\d{1,6} )?(?:(?:ERROR|WARNING|Error|Warning|FATAL): |FATA\[\d{1,6}\] |(?:Job failed|ERROR: Job failed): )?"
    r"(?:Error response from daemon|failed to (?:solve|copy|resolve|authorize)|initializing source|pinging container|"
    r"copying system image|(?:ctr|docker|nerdctl|crictl|podman|skopeo|buildah)): "
)
# What kubectl says of its own request: it could not sign in, or reach the cluster, or there is no such object.
OF_KUBECTL = re.compile(r"error: |Error from server|Unable to |The connection to the server ")
_KLOG = re.compile(r"^(?:\S{1,100} )?[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{1,9} {1,10}\d{1,9} [\w.-]{1,100}:\d{1,6}\] ?")
_LOGFMT = re.compile(r"^time=\S{1,60} level=\w{1,20} ")
_PAIR = re.compile(r"(?<![\w])([A-Za-z_]{1,40})=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s\"]{1,2048}))")
_KLOG_CUT = re.compile(r"^\"[A-Z][^\"\\]{0,300}\" (?:err|pod|image|containerName)=\S")
_FIRST_QUOTED = re.compile(r"^\"((?:[^\"\\]|\\.)*+)\"")
_OF_CONTAINERS = re.compile(r"(?=\bfailed to \\{0,3}\"StartContainer\\{0,3}\" for )")
_ESCAPED = re.compile(r"\\(.)")
_CONTROLS = {"n": "\n", "t": "\t", "r": " "}


def sightings_of_line(line: str) -> Iterator[Sighting]:
    """What a line tells: of a pod whose containers all wait, kubelet logs one line with an error for each."""
    seen = line_of_text(line)
    parts = _OF_CONTAINERS.split(seen.message) if seen.log else [seen.message]
    if len(parts) < 3:
        yield seen
        return
    for part in parts[1:]:
        yield structs.replace(seen, message=part, container=container_in(part), image=image_in(part))


def begins_a_log_line(line: str) -> bool:
    """Whether a line begins as one of a log, of kubectl's own words or of JSON does."""
    begins = (_JOURNAL, _TIME, _KLOG, _LOGFMT, OF_KUBECTL)
    return any(one.match(line) for one in begins) or line[:1] in ("{", "}") or bool(_printed_in_a_pipeline(line))


def line_of_text(line: str) -> Sighting:
    """What a line tells, with whom it names."""
    text = line[:_MAX_LINE].strip()
    if printed := _printed_in_a_pipeline(text):
        return _of(printed, log=False)
    rest = _JOURNAL.sub("", text)
    rest = _TIME.sub("", rest) if rest == text else rest
    body = _KLOG.sub("", rest)
    if OF_KUBECTL.match(rest):
        return _of(rest, log=True)  # about a pull only where it says so
    if body != rest or _LOGFMT.match(rest) or _KLOG_CUT.match(rest):
        return _structured(body)
    return _of(rest, log=rest != text)


def _printed_in_a_pipeline(text: str) -> str:
    """What a client printed in a pipeline's log, without what the pipeline put before it; "" where it is none."""
    before = _PIPELINE.match(text)
    if before is None or not before[0].strip():
        return ""
    rest = text[before.end() :]
    return rest if (before["mark"] and not OF_KUBECTL.match(rest)) or _OF_A_CLIENT.match(rest) else ""


def _structured(body: str) -> Sighting:
    """A line with a message and pairs: ``"Error syncing pod, skipping" err="…" pod="prod/web-1"``."""
    pairs: dict[str, str] = {}
    for found in _PAIR.finditer(body):
        pairs.setdefault(found[1], _unescaped(found[2]) if found[2] is not None else found[3])
    said = _FIRST_QUOTED.match(body)
    message = _unescaped(said[1]) if said else pairs.get("msg", "")
    error = pairs.get("err") or pairs.get("error") or ""
    if not error and not message:
        return _of(body, log=True)
    return _of(f"{message}: {error}" if message and error else message or error, log=True, pairs=pairs)


def _of(text: str, *, log: bool, pairs: dict[str, str] | None = None) -> Sighting:
    pairs = pairs or {}
    namespace, _, pod = pairs.get("pod", "").rpartition("/")
    if not pod:
        namespace, pod = pod_in(text)
    return Sighting(
        message=text,
        namespace=namespace,
        pod=pod,
        container=pairs.get("containerName", "") or container_in(text),
        image=pairs.get("image", "") or image_in(text),
        log=log,
    )


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _CONTROLS.get(found[1], found[1]), text)
