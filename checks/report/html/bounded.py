"""How much of anything is shown on the page. What is cut off is counted, or ends in an ellipsis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from checks.text import clipped, listed

MAX_NAME = 120  # of a cluster, registry, subscription or cause: Azure's own are shorter
MAX_TEXT = 1_000
MAX_COMMAND = 4_000
MAX_PICTURES = 60  # broken rows with a picture, their evidence and commands; the others are named
MAX_OPEN = 3  # of these, unfolded
MAX_NAMED = 200  # clusters of one group by name
MAX_STEPS = 20  # of one fix
MAX_EVIDENCE = 10
MAX_ALSO = 5
MAX_GROUPS = 60  # of unknowns, of warnings, of gaps
MAX_FEW = 8  # clusters named in such a group
MAX_CLUSTERS = 2_000  # in the table
MAX_ROWS = 12  # registries of one cluster in it

T = TypeVar("T")


def name(text: str) -> str:
    """A name."""
    return clipped(text, MAX_NAME)


def sentence(text: str) -> str:
    """A sentence or several on one line."""
    return clipped(" ".join(text[: MAX_TEXT * 4].split()), MAX_TEXT)


def command(text: str) -> str:
    """A command, a remark or Bicep, with its line feeds."""
    return clipped(text, MAX_COMMAND)


def first(things: Sequence[T], limit: int) -> tuple[tuple[T, ...], int]:
    """The first of them, and how many are left out."""
    return tuple(things[:limit]), max(0, len(things) - limit)


def named(names: Iterable[str], limit: int) -> str:
    """Names separated by commas, and how many more there are."""
    return listed([name(one) for one in names], limit)
