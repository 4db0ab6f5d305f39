"""Errors of pulls as people met them: public reports and files, each labelled before it was classified.

``pull_error_texts`` has a batch of forty a file: ``message``, ``cause``, ``source`` (an issue, or a file of a public
repository), and where known ``reason`` and ``image``. ``also`` names other causes where the text alone leaves it open.
Names, addresses and digests were replaced; the words are those of the software. docs/classifier.md has the figures.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import msgspec
import pytest

from checks.rules.pull.errors import OtherEventCause, PullErrorCause, classify_event

FOLDER = Path(__file__).parent / "pull_error_texts"
BATCHES = ("containerd", "windows_and_snapshotters", "crio_and_others", "registries", "proxies_and_mirrors")
CAUSES = {*PullErrorCause, *OtherEventCause}


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message: str
    cause: str
    source: str
    reason: str = ""
    image: str = ""
    also: tuple[str, ...] = ()


def read(batch: str) -> list[Text]:
    lines = (FOLDER / f"{batch}.jsonl").read_text(encoding="utf-8").splitlines()
    return [msgspec.json.decode(line, type=Text) for line in lines]


TEXTS = [text for batch in BATCHES for text in read(batch)]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.source)
def test_each_text_gets_its_cause(text: Text) -> None:
    assert classify_event(text.message, text.reason, text.image).cause in {text.cause, *text.also}


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_has_forty_texts_with_a_source_and_known_labels(batch: str) -> None:
    texts = read(batch)

    assert len(texts) == 40
    assert all(text.source and {text.cause, *text.also} <= CAUSES and text.cause not in text.also for text in texts)


def test_no_text_is_there_twice() -> None:
    assert len({(text.message, text.reason) for text in TEXTS}) == len(TEXTS)


def test_no_address_of_anybody_is_in_them() -> None:
    found = {
        address
        for text in TEXTS
        for address in re.findall(r"(?<![\w.:-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])", text.message)
    }

    assert found and not any(ipaddress.ip_address(address).is_global for address in found)


def test_the_document_says_what_every_cause_means() -> None:
    document = (Path(__file__).parents[2] / "docs" / "classifier.md").read_text(encoding="utf-8")

    assert all(f"| `{cause.value}` | {cause.sentence} |" in document for cause in CAUSES)
