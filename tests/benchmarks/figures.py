"""Figures: what was measured, beside the goal where there is one; as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. `goal` says in words what it should be, `holds` whether it is; None where there is none."""

    name: str
    value: float
    unit: str = ""
    goal: str = ""
    holds: bool | None = None

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.value == int(self.value) and abs(self.value) < 1e15:
            return f"{int(self.value):,}"
        return f"{self.value:,.3f}" if abs(self.value) < 1 else f"{self.value:,.2f}"


@dataclass(frozen=True)
class Section:
    """The figures of one question, and how they were taken."""

    title: str
    how: str
    figures: tuple[Figure, ...]


def at_most(name: str, value: float, limit: float, unit: str = "") -> Figure:
    """A value with an upper goal."""
    return Figure(name, value, unit, f"at most {limit:g}", value <= limit)


def at_least(name: str, value: float, limit: float, unit: str = "") -> Figure:
    """A value with a lower goal."""
    return Figure(name, value, unit, f"at least {limit:g}", value >= limit)


def table(section: Section) -> str:
    """The section as lines of text."""
    figures = section.figures
    names = max((len(figure.name) for figure in figures), default=0)
    values = max((len(figure.shown) for figure in figures), default=0)
    units = max((len(figure.unit) for figure in figures), default=0)
    lines = [section.title, f"  ({section.how})"]
    for figure in figures:
        goal = f"{figure.goal}: {'holds' if figure.holds else 'MISSED'}" if figure.goal else ""
        lines.append(f"  {figure.name:{names}}  {figure.shown:>{values}} {figure.unit:{units}}  {goal}".rstrip())
    return "\n".join([*lines, ""])


def document(sections: Iterable[Section]) -> list[dict[str, object]]:
    """The sections as JSON objects."""
    return [asdict(section) for section in sections]
