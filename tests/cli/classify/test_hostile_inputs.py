"""Whatever is put in: never an exception, always a documented exit code, nothing that steers a terminal comes out."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.cli.main import main
from tests.cli.classify.test_texts import DESCRIBED, EVENTS, KUBECTL_EVENTS, KUBELET, PODS, WIDE
from tests.support.classified import BACK_OFF, IMAGE, NOT_FOUND, PROBE, event, pod, printed

NASTY = "\x1b[31m\x07\u202eevil\u2066<script>{{7*7}}[bold]x[/]\r\nBcc: x@y.z\x00'\";rm -rf /"
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
FUZZ = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
ITEMS = (event(NOT_FOUND), event(BACK_OFF, "BackOff"), event(PROBE, "Unhealthy"), pod("ErrImagePull", NOT_FOUND))
LINES = "".join(json.dumps({"message": text, "reason": "Failed", "pod": "web-1"}) + "\n" for text in (NOT_FOUND, PROBE))
SAMPLES = [
    text.encode()
    for text in (
        printed(*ITEMS),
        printed(*ITEMS, indent=None),
        yaml.safe_dump({"apiVersion": "v1", "items": list(ITEMS)}),
        yaml.safe_dump_all(ITEMS),
        LINES,
        EVENTS,
        WIDE,
        KUBECTL_EVENTS,
        PODS,
        DESCRIBED,
        KUBELET,
        NOT_FOUND,
    )
]
PIECES = [
    b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b'"', b"'", b"---\n", b"- ", b": ",
    b"&a ", b"*a", b"!!python/name:os.system ", b"\x1b[31m", b"Name: x\n", b"Events:\n", b"null",
    b"NAMESPACE   NAME   READY   STATUS\n", b'{"message": "EOF"}\n', b"\x80", "\u2028".encode(), b"\\ud800",
    NASTY.encode(), b"items:\n", b"%YAML 1.1\n", b"\t",
]  # fmt: skip


def run(given_bytes: bytes, file: Path, output: str) -> tuple[int, str, str]:
    """The command in this process: exit code, what it wrote and what it said."""
    file.write_bytes(given_bytes)
    raw, said = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = main(["classify", "-o", output, str(file)])
    out.flush()
    return code, raw.getvalue().decode(), said.getvalue()


def holds(given_bytes: bytes, file: Path) -> None:
    for output in ("json", "table"):
        code, shown, said = run(given_bytes, file, output)
        assert code in (0, 2, 64)
        assert not STEERING.search(said) and "Traceback" not in said
        if output == "table":
            assert not STEERING.search(shown)
        else:
            answers = [json.loads(line) for line in shown.splitlines()]
            assert all({"cause", "rule", "evidence", "sentence"} <= set(one) for one in answers)
            names = (
                one.get(name, "") for one in answers for name in ("namespace", "pod", "about", "container", "image")
            )
            assert not any(STEERING.search(name) for name in names)
            assert not any(STEERING.search(step) for one in answers for step in one.get("remedy", ()))
        if code == 64:
            assert shown == "" and "for example: " in said


@given(st.binary(max_size=400))
@FUZZ
def test_any_bytes(tmp_path: Path, given_bytes: bytes) -> None:
    holds(given_bytes, tmp_path / "given")


@given(st.lists(st.sampled_from([*PIECES, *(sample[:200] for sample in SAMPLES)]), max_size=12))
@FUZZ
def test_any_pieces_of_the_formats_after_each_other(tmp_path: Path, pieces: list[bytes]) -> None:
    holds(b"".join(pieces), tmp_path / "given")


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.1), st.sampled_from([b"", *PIECES])), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16", "utf-16-be"]),
)
@FUZZ
def test_any_damage_to_a_real_input(
    tmp_path: Path, sample: bytes, damages: list[tuple[float, float, bytes]], encoding: str
) -> None:
    for where, how_much, instead in damages:
        at = int(where * len(sample))
        sample = sample[:at] + instead + sample[at + int(how_much * len(sample)) :]
    holds(sample if encoding == "utf-8" else sample.decode("utf-8", "replace").encode(encoding), tmp_path / "given")


keys = st.sampled_from(
    [
        "metadata",
        "spec",
        "status",
        "name",
        "namespace",
        "containers",
        "image",
        "kind",
        "items",
        "message",
        "note",
        "reason",
        "involvedObject",
        "regarding",
        "fieldPath",
        "state",
        "waiting",
        "containerStatuses",
        "initContainerStatuses",
        "lastTimestamp",
        "source",
        "host",
        "apiVersion",
        "series",
    ]
)
words = st.sampled_from(
    [NASTY, NOT_FOUND, IMAGE, "Pod", "Failed", "ErrImagePull", "prod", "", "spec.containers{web}", "\ud7ff"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words | st.text(max_size=30)
objects = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6))


def test_a_kind_that_is_named_in_a_refusal_steers_no_terminal(tmp_path: Path) -> None:
    code, shown, said = run(json.dumps({"kind": NASTY, "metadata": None}).encode(), tmp_path / "given", "json")
    assert (code, shown) == (64, "")
    assert "does not tell of failed pulls" in said and not STEERING.search(said)


@given(objects)
@FUZZ
def test_any_object_in_json_and_yaml(tmp_path: Path, found: Any) -> None:
    for items in (found, {"items": [found]}, {"kind": "Pod", "status": {"containerStatuses": [found]}}):
        holds(json.dumps(items, indent=2).encode(), tmp_path / "given")
        holds(b"apiVersion: v1\n" + yaml.safe_dump({"items": items}).encode(), tmp_path / "given")


@given(words, words, words, words)
@FUZZ
def test_any_names_in_an_event(tmp_path: Path, name: str, namespace: str, image: str, reason: str) -> None:
    subject = {"kind": "Pod", "name": name, "namespace": namespace, "fieldPath": f"spec.containers{{{name}}}"}
    found = event(NOT_FOUND.replace(IMAGE, image), reason, involvedObject=subject)
    waiting = pod(reason, NOT_FOUND, name=name, container=name)
    waiting["spec"]["containers"][0]["image"] = image
    holds(printed(found, waiting).encode(), tmp_path / "given")
    holds(
        json.dumps({"message": NOT_FOUND, "pod": name, "namespace": namespace, "image": image}).encode(), tmp_path / "g"
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_beginning_of_a_real_input(sample: bytes, tmp_path: Path) -> None:
    for end in range(0, len(sample), max(1, len(sample) // 40)):
        holds(sample[:end], tmp_path / "given")
