"""What a person reads in a terminal of 80 columns, and what a program reads."""

from __future__ import annotations

import re

import pytest

from checks.cli.classify.answers import Answer
from checks.cli.classify.writers import MAX_SHOWN, Blocks

STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
DNS = Answer(
    cause="dns",
    rule="dns-no-such-host",
    evidence="lookup contoso.azurecr.io: no such host",
    sentence="The node could not resolve a name.",
    remedy=(
        "nslookup contoso.azurecr.io",
        "# On a node the answer may differ: PW204 says which zone its network uses.",
    ),
    namespace="prod",
    pod="web-1",
    container="web",
    image="contoso.azurecr.io/team/web:1.4",
)


def shown(*answers: Answer, width: int = 80, colour: bool = False) -> list[str]:
    written: list[bytes] = []
    blocks = Blocks(written.append, width, colour=colour)
    for one in answers:
        blocks.write(one)
    blocks.end()
    text = b"".join(written).decode()
    assert text == "" or text.endswith("\n")
    return text.splitlines()


def test_an_answer_is_a_row_and_the_lines_beneath_it() -> None:
    assert shown(DNS) == [
        "CAUSE                   POD                          CONTAINER, IMAGE",
        "dns                     prod/web-1                   web,",
        "                                                     contoso.azurecr.io/team/web",
        "                                                     :1.4",
        "    The node could not resolve a name.",
        "    nslookup contoso.azurecr.io",
        "    # On a node the answer may differ: PW204 says which zone its network uses.",
    ]


def test_the_columns_names_stand_once() -> None:
    assert sum(line.startswith("CAUSE") for line in shown(DNS, DNS, DNS)) == 1


def test_no_line_but_a_command_is_wider_than_the_terminal() -> None:
    wide = Answer(
        cause="corrupt_or_interrupted",
        rule="x",
        evidence="",
        sentence="word " * 60,
        remedy=("# " + "note " * 60, "kubectl describe pod --namespace prod " + "x" * 300),
        namespace="n" * 63,
        pod="p" * 253,
        container="c" * 63,
        image="i" * 2000,
    )
    for width in (10, 60, 80, 120, 500):
        lines = shown(wide, width=width)
        commands = [line for line in lines if "kubectl" in line]
        assert len(commands) == 1 and commands[0].endswith("x" * 300)
        assert max(len(line) for line in lines if line not in commands) <= max(width, 60)
        assert sum(line.startswith("    # ") for line in lines) >= 2
        assert "".join(re.findall(r"p+", "".join(line[24:] for line in lines if "kubectl" not in line))) != ""


def test_what_is_no_pod_and_what_names_none_is_shown_so() -> None:
    of_workload = Answer(cause="policy", rule="x", evidence="", namespace="prod", about="ReplicaSet/web-7d9f")
    nobody = Answer(cause="dns", rule="x", evidence="")

    assert "prod/ReplicaSet/web-7d9f" in shown(of_workload)[1]
    assert "(no pod named)" in shown(nobody)[1]


@pytest.mark.parametrize("field", ["cause", "sentence", "namespace", "pod", "about", "container", "image", "remedy"])
def test_nothing_steers_the_terminal(field: str) -> None:
    nasty = "\x1b[31m\x07\u202eevil\u2066[bold red]x[/]\r\nBcc: x\x00\x9b1m"
    value = (nasty, f"# {nasty}") if field == "remedy" else nasty
    base = {"cause": "dns", "rule": "x", "evidence": nasty, "pod": "web-1", field: value}
    if field == "about":
        del base["pod"]
    text = "\n".join(shown(Answer(**base)))  # type: ignore[arg-type]

    assert not STEERING.search(text)
    assert "[/]" in text, "what looks like markup is text"


def test_colours_are_a_terminals_only() -> None:
    assert "\x1b[" in "".join(shown(DNS, colour=True))
    assert "\x1b" not in "".join(shown(DNS))


def test_thousands_of_answers_are_counted_not_shown() -> None:
    lines = shown(*[DNS] * (MAX_SHOWN + 3))

    assert sum(line.startswith("dns") for line in lines) == MAX_SHOWN
    assert lines[-1] == "… and 3 more; -o json has them all"
