"""Matrices that are too long for `make test`: it takes a sample of their cells, `make matrix` the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet


def sampled(cells: Iterable[Any], every: int, first: int = 0) -> list[ParameterSet]:
    """The parameters of a test: each ``every``-th cell from ``first`` on as it is, the others marked as matrix.

    A cell is one value, or a tuple of one for each argument; values may be ``pytest.param`` of one value. Where cells
    are a product, ``every`` should have no factor in common with the last length, or the sample has the same value
    there each time.
    """
    return [_param(cell, is_sample=index % every == first) for index, cell in enumerate(cells)]


def _param(cell: Any, *, is_sample: bool) -> ParameterSet:
    marks: list[Any] = [] if is_sample else [pytest.mark.matrix]
    values: list[Any] = []
    alone = isinstance(cell, ParameterSet) or not isinstance(cell, tuple)
    for value in (cell,) if alone else cell:
        if isinstance(value, ParameterSet):
            marks += value.marks
            values += value.values
        else:
            values.append(value)
    return pytest.param(*values, marks=marks)
