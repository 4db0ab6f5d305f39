"""What ``journalctl -o json`` prints: lines of a log, not JSON Lines of ours."""

from __future__ import annotations

import json

import pytest

from tests.cli.classify.test_texts import KUBELET, OF_WEB
from tests.support.classified import classified

ENTRIES = [
    {
        "__CURSOR": "s=1",
        "__REALTIME_TIMESTAMP": "1795878000123456",
        "_HOSTNAME": "aks-np-0",
        "SYSLOG_IDENTIFIER": "kubelet",
        "MESSAGE": line.partition("kubelet[1234]: ")[2],
    }
    for line in KUBELET.splitlines()
]


def lines(*entries: object, indent: int | None = None) -> str:
    return "".join(json.dumps(one, indent=indent) + "\n" for one in entries)


@pytest.mark.parametrize("indent", [None, 8], ids=["json", "json-pretty"])
def test_the_journal_as_json_is_the_log_that_it_holds(indent: int | None) -> None:
    result = classified(lines(*ENTRIES, indent=indent))

    assert result.named == [OF_WEB]
    assert (result.read.others, result.read.lines, result.read.problems) == (2, None, ())


def test_a_message_of_bytes_is_its_text_and_one_without_a_message_is_nothing() -> None:
    as_bytes = [one | {"MESSAGE": list(one["MESSAGE"].encode())} for one in ENTRIES]
    odd = [ENTRIES[0] | {"MESSAGE": message} for message in (None, 5, [300, "x"], [True], "")]

    assert classified(lines(*odd, *as_bytes)).named == [OF_WEB]


def test_an_applications_entry_is_no_pull_error() -> None:
    own = ENTRIES[0] | {"SYSLOG_IDENTIFIER": "shop", "MESSAGE": "GET https://api.example/: 401 Unauthorized"}

    assert classified(lines(own)).answers == []


def test_lines_with_a_message_of_ours_are_answered_each() -> None:
    ours = {"message": "EOF", "MESSAGE": "x", "_HOSTNAME": "aks-np-0"}

    assert len(classified(lines(ours, ours)).answers) == 2
