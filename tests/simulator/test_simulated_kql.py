"""The part of the Kusto Query Language that the simulated workspaces take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.monitor.kql.errors import QueryError
from simulator.monitor.kql.query import run
from simulator.monitor.kql.tables import Table

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
NAMES = ("Anna", "anna", "Bert", "")
T = Table(
    {"TimeGenerated": "datetime", "Name": "string", "Size": "int", "Type": "string"},
    [
        {"TimeGenerated": NOW - timedelta(hours=n), "Name": name, "Size": n or None, "Type": "T"}
        for n, name in enumerate(NAMES)
    ],
)
U = Table({"TimeGenerated": "datetime", "Tag": "string"}, [{"TimeGenerated": NOW, "Tag": "1.0"}])


def asked(text: str) -> list[dict[str, Any]]:
    return list(run(text, {"T": T, "U": U}, NOW).rows)


def names(condition: str) -> list[str]:
    return [row["Name"] for row in asked(f"T | where {condition}")]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ('Name == "Anna"', ["Anna"]),
        ("Name =~ 'ANNA'", ["Anna", "anna"]),
        ('Name != "Anna"', ["anna", "Bert", ""]),
        ('Name in ("Anna", "Bert")', ["Anna", "Bert"]),
        ('Name in~ ("ANNA")', ["Anna", "anna"]),
        ('Name !in~ ("ANNA", "")', ["Bert"]),
        ('Name startswith "AN"', ["Anna", "anna"]),
        ('Name !startswith "AN"', ["Bert", ""]),
        ('Name contains "er"', ["Bert"]),
        ('Name has "er"', []),
        ('Name matches regex "^[AB].*t$"', ["Bert"]),
        ('Name matches regex "nn"', ["Anna", "anna"]),
        ('iif(Name == "Bert", 2, 9) == 2', ["Bert"]),
        ('Name has "bert"', ["Bert"]),
        ("isempty(Name)", [""]),
        ("Size >= 2", ["Bert", ""]),
        ("Size < 2", ["anna"]),
        ("TimeGenerated < datetime(2026-11-29T08:00:00Z)", ["Bert", ""]),
        ("TimeGenerated between (datetime(2026-11-29T07:00:00Z) .. datetime(2026-11-29T08:00:00Z))", ["anna", "Bert"]),
        ("TimeGenerated > ago(90m)", ["Anna", "anna"]),
        ('Name == "Anna" or Name == "Bert" and Size == 9', ["Anna"]),
        ('(Name == "Anna" or Name == "Bert") and not(Size == 2)', ["Anna"]),
        ('tolower(Name) == "anna"', ["Anna", "anna"]),
    ],
)
def test_conditions_keep_what_they_keep_in_kusto(condition: str, kept: list[str]) -> None:
    assert names(condition) == kept


def test_rows_are_summarized_by_named_expressions() -> None:
    text = "T | summarize First = min(TimeGenerated), Events = count(), dcount(Name), sum(Size) by Name = tolower(Name)"
    found = run(text, {"T": T}, NOW)
    assert list(found.columns) == ["Name", "First", "Events", "dcount_Name", "sum_Size"]
    assert found.columns["First"] == "datetime" and found.columns["Events"] == "long"
    anna = next(row for row in found.rows if row["Name"] == "anna")
    assert anna == {"Name": "anna", "First": NOW - timedelta(hours=1), "Events": 2, "dcount_Name": 2, "sum_Size": 1}


def test_a_summary_of_nothing_has_one_row_without_by_and_none_with_it() -> None:
    assert asked('T | where Name == "x" | summarize Last = max(TimeGenerated), count()') == [
        {"Last": None, "count_": 0}
    ]
    assert asked('T | where Name == "x" | summarize count() by Name') == []


def test_rows_are_sorted_downwards_unless_asked_otherwise_and_cut() -> None:
    assert [row["Size"] for row in asked("T | top 2 by Size")] == [3, 2]
    assert [row["Size"] for row in asked("T | sort by Size asc | project Size")] == [None, 1, 2, 3]
    assert [row["Name"] for row in asked("T | order by tolower(Name) asc, Size desc | take 3")] == ["", "anna", "Anna"]


def test_a_fuzzy_union_passes_a_missing_table_over_and_fills_columns() -> None:
    both = asked("union isfuzzy=true T, U, Missing | project Name, Tag, Size")
    assert len(both) == 5 and both[-1] == {"Name": "", "Tag": "1.0", "Size": None}
    alone = asked('union isfuzzy=true T, Missing | extend Tag = column_ifexists("Tag", "none") | project Tag | take 1')
    assert alone == [{"Tag": "none"}]
    assert asked('U | extend Tag = column_ifexists("Tag", "none") | project Tag') == [{"Tag": "1.0"}]


def test_a_bin_has_the_name_of_its_column() -> None:
    found = run("T | summarize count() by bin(TimeGenerated, 2h)", {"T": T}, NOW)
    assert found.columns == {"TimeGenerated": "datetime", "count_": "long"}
    assert [tuple(row.values()) for row in found.rows] == [
        (NOW - timedelta(hours=1), 2),
        (NOW - timedelta(hours=3), 2),
    ]


def test_an_average_passes_nulls_over_and_is_no_number_of_nothing() -> None:
    assert asked("T | summarize avg(Size)") == [{"avg_Size": 2.0}]
    [nothing] = asked('T | where Name == "x" | summarize avg(Size), sum(Size)')
    assert (str(nothing["avg_Size"]), nothing["sum_Size"]) == ("nan", 0)
    ordered = asked("T | summarize A = avg(Size) by Name | sort by A asc | project Name")
    assert ordered == [{"Name": "Anna"}, {"Name": "anna"}, {"Name": "Bert"}, {"Name": ""}]


@pytest.mark.parametrize(
    "source",
    [
        "datatable(A: string, B: long, C: datetime)[]",
        "(datatable (A: string, B: long, C: datetime) [ ])",
        "union isfuzzy=true (datatable(A: string, B: long, C: datetime)[]), Missing",
        "union datatable(A: string)[], (datatable(B: long, C: datetime)[])",
    ],
)
def test_a_datatable_has_columns_and_no_rows(source: str) -> None:
    found = run(f'{source} | where A == "x" and B > 1', {}, NOW)
    assert found == Table({"A": "string", "B": "long", "C": "datetime"}, [])


def test_a_datatable_gives_a_table_the_columns_that_it_lacks() -> None:
    assert asked("union (datatable(Tag: string, Note: string, Size: long)[]), (U) | project Tag, Note, Size") == [
        {"Tag": "1.0", "Note": "", "Size": None}
    ]


def test_keys_are_parsed_by_type_and_what_is_not_there_is_null_or_empty() -> None:
    said = ["a=1 b=2.5 c=x a=9 d=7", "c=y a=many", ""]
    table = Table({"Said": "string"}, [{"Said": text} for text in said])
    text = r"""S | parse-kv Said as (a: long, b: real, c: string, e: string) with (regex=@"(\w+)=(\S+)")"""
    found = run(text, {"S": table}, NOW)
    assert found.columns == {"Said": "string", "a": "long", "b": "real", "c": "string", "e": "string"}
    assert [tuple(row.values())[1:] for row in found.rows] == [
        (1, 2.5, "x", ""),
        (None, None, "y", ""),
        (None, None, "", ""),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "SYN0002"),
        ("T | join kind=inner U on TimeGenerated", "SYN0002"),
        ("let x = 1; T", "SYN0002"),
        ("T | where Name ==", "SYN0002"),
        ('T | where Name == "open', "SYN0002"),
        ("T | where TimeGenerated > datetime(someday)", "SYN0002"),
        ("T | top many by Name", "SYN0002"),
        ("T | where (Name == 'x'", "SYN0002"),
        ("T | where Name matches regex '('", "SYN0002"),
        ("T | where Size matches regex '1'", "SEM0139"),
        ("T | extend A = iif(Name, 1, 2)", "SEM0139"),
        ("T T", "SYN0002"),
        ("datatable(A: string)", "SYN0002"),
        ("datatable(A: string)['x']", "SYN0002"),
        ("datatable(A: guid)[]", "SYN0002"),
        ("datatable()[]", "SYN0002"),
        ("(datatable(A: string)[]", "SYN0002"),
        ("union (T | take 1), U", "SYN0002"),
        ("T | parse-kv Name as (a: long)", "SYN0002"),
        ("T | parse-kv Name as (a: long) with (pair_delimiter=' ', kv_delimiter='=')", "SYN0002"),
        ("T | parse-kv Name as (a: bool) with (regex='(a)=(b)')", "SYN0002"),
        ("T | parse-kv Name as (a: long) with (regex='(a)=b')", "SYN0002"),
        ("T | parse-kv Name as (a: long) with (regex='(a=(b)')", "SYN0002"),
        ("T | parse-kv Name as (a: long) with (regex=2)", "SYN0002"),
        ("T | project-away Name", "SYN0002"),
        ("T | parse-kv Nobody as (a: long) with (regex='(a)=(b)')", "SEM0100"),
        ("T | parse-kv Size as (a: long) with (regex='(a)=(b)')", "SEM0139"),
        ("T | summarize avg(Name)", "SEM0139"),
        ("Missing | take 1", "SEM0100"),
        ("union T, Missing", "SEM0100"),
        ("union isfuzzy=true Missing, Other", "SEM0100"),
        ("T | where Tag == 'x'", "SEM0100"),
        ("T | summarize count() by Nobody", "SEM0100"),
        ("T | where TimeGenerated > '2026-11-29'", "SEM0064"),
        ("T | where Size startswith '1'", "SEM0139"),
        ("T | where Name", "SEM0139"),
        ("T | extend X = strcat(Name, Name)", "SEM0260"),
        ("T | summarize percentile(Size, 95)", "SEM0260"),
    ],
)
def test_what_is_no_query_or_none_of_the_subset_is_refused(text: str, code: str) -> None:
    with pytest.raises(QueryError) as refused:
        asked(text)
    assert refused.value.code == code


def test_a_mistake_is_told_with_its_place() -> None:
    with pytest.raises(QueryError) as refused:
        asked("T\n| where Name == ;")
    assert refused.value.details == {"line": 2, "pos": 16, "token": ";"}
