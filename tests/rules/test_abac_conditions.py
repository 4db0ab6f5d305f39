"""Conditions of role assignments: documented forms, unknown ones, and a slow evaluator to compare with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.rules import wildcards
from checks.rules.access import abac_conditions
from checks.rules.access.abac_conditions import Unsettled, evaluate

CONTENT = "Microsoft.ContainerRegistry/registries/repositories/content/read"
METADATA = "Microsoft.ContainerRegistry/registries/repositories/metadata/read"
NAME = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"


def narrowed(expression: str) -> str:
    """The condition that the Azure portal generates for an expression."""
    return (
        f"(\n (\n  !(ActionMatches{{'{CONTENT}'}})\n  AND\n  !(ActionMatches{{'{METADATA}'}})\n )\n OR \n"
        f" (\n  {expression}\n )\n)"
    )


@pytest.mark.parametrize(
    ("expression", "repository", "expected"),
    [
        (f"{NAME} StringEqualsIgnoreCase 'nginx'", "nginx", True),
        (f"{NAME} StringEqualsIgnoreCase 'NGINX'", "nginx", True),
        (f"{NAME} StringEqualsIgnoreCase 'nginx'", "nginx2", False),
        (f"{NAME} StringEquals 'NGINX'", "nginx", False),
        (f"{NAME} stringequals 'nginx'", "nginx", True),
        (f"{NAME} StringStartsWithIgnoreCase 'Team-A/'", "team-a/web", True),
        (f"{NAME} StringStartsWithIgnoreCase 'team-a/'", "team-ab/web", False),
        (f"{NAME} StringStartsWithIgnoreCase 'team-a'", "team-ab/web", True),
        (f"{NAME} StringStartsWith 'Team-a/'", "team-a/web", False),
        (f"{NAME} StringLike 'team-?/*'", "team-a/web", True),
        (f"{NAME} StringLike 'team-?'", "team-a/web", False),
        (f"{NAME} StringLikeIgnoreCase 'TEAM*WEB'", "team-a/web", True),
        (f"{NAME} StringLike 'a\\*'", "ab", False),
        (f"{NAME} StringNotEquals 'web'", "api", True),
        (f"{NAME} StringNotStartsWithIgnoreCase 'secret/'", "secret/key", False),
        (f"{NAME} StringNotLike 'secret/*'", "web", True),
        (f"{NAME} ForAnyOfAnyValues:StringEqualsIgnoreCase {{'web', 'api'}}", "api", True),
        (f"{NAME} ForAnyOfAnyValues:StringEqualsIgnoreCase {{'web', 'api'}}", "db", False),
        (f"{NAME} ForAllOfAnyValues:StringLike {{'team/*'}}", "team/web", True),
        (f"{NAME} ForAnyOfAllValues:StringNotEquals {{'web', 'api'}}", "web", False),
        (f"{NAME} ForAllOfAllValues:StringNotEquals {{'web', 'api'}}", "db", True),
        (f"{NAME} StringEquals {{'web'}}", "web", True),
        (f"{NAME} StringStartsWithIgnoreCase 'a/' OR {NAME} StringStartsWithIgnoreCase 'b/'", "b/x", True),
        (f"{NAME} StringStartsWith 'a/' && !{NAME} StringEquals 'a/x'", "a/x", False),
        (f"NOT ({NAME} StringEquals 'a') || {NAME} StringEquals 'a'", "a", True),
    ],
)
def test_a_documented_expression_is_evaluated(expression: str, repository: str, expected: bool) -> None:
    assert evaluate(narrowed(expression), CONTENT, repository) is expected


def test_a_condition_about_other_actions_is_true() -> None:
    text = narrowed(f"{NAME} StringEquals 'nginx'")
    assert evaluate(text, "Microsoft.ContainerRegistry/registries/catalog/read", "other") is True
    other = "!(ActionMatches{'Microsoft.Authorization/roleAssignments/*'})"
    assert evaluate(other, CONTENT, "web") is True
    assert evaluate(other, "microsoft.authorization/ROLEASSIGNMENTS/write", "web") is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "nonsense",
        "'text'",
        f"{NAME} StringEquals",
        f"{NAME} StringEquals 'a",
        f"{NAME} StringEquals 'a' 'b'",
        f"{NAME} StringEquals {{'a', 'b'}}",
        f"{NAME} StringEquals {{}}",
        f"{NAME} StringEquals 'a\\'",
        f"{NAME} NumericEquals '1'",
        f"{NAME} ForAnyOfAnyValues:NumericEquals {{'1'}}",
        f"Exists {NAME}",
        f"ActionMatches{{'{CONTENT}'}} AND NOT SubOperationMatches{{'Blob.List'}}",
        "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'foo'",
        "@Resource[Microsoft.ContainerRegistry/registries/repositories:name] StringEquals 'web'",
        "@Environment[UtcNow] DateTimeGreaterThan '2026-01-01T00:00:00.0Z'",
        "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:a_b] StringEquals 'web'",
        f"{NAME} StringEquals @Request[x:y]",
        "(" * 200 + ")" * 200,
        "!" * 500,
        f"{NAME} StringEquals '{'a' * 20_000}'",
        "unreadable (dict)",
    ],
)
def test_an_unknown_condition_is_unsettled_and_keeps_its_text(text: str) -> None:
    result = evaluate(text, CONTENT, "web")
    assert isinstance(result, Unsettled)
    assert text.startswith(result.text)
    assert result.why


def test_an_unknown_term_makes_the_whole_condition_unsettled() -> None:
    unknown = "@Environment[isPrivateLink] BoolEquals true"
    assert isinstance(evaluate(f"({NAME} StringEquals 'web') OR ({unknown})", CONTENT, "web"), Unsettled)
    assert isinstance(evaluate(f"({NAME} StringEquals 'api') AND ({unknown})", CONTENT, "web"), Unsettled)


def test_another_condition_version_is_unsettled() -> None:
    text = f"{NAME} StringEquals 'web'"
    assert evaluate(text, CONTENT, "web", "2.0") is True
    assert isinstance(evaluate(text, CONTENT, "web", "1.0"), Unsettled)


def test_and_with_or_without_parentheses_is_evaluated_only_if_all_groupings_agree() -> None:
    def named(value: str) -> str:
        return f"{NAME} StringEquals '{value}'"

    assert isinstance(evaluate(f"{named('a')} AND {named('b')} OR {named('web')}", CONTENT, "web"), Unsettled)
    assert evaluate(f"{named('web')} OR {named('web')} AND {named('web')}", CONTENT, "web") is True
    assert evaluate(f"{named('a')} OR {named('b')} AND {named('c')}", CONTENT, "web") is False


def test_the_condition_of_a_fix_is_true_for_its_repositories_only() -> None:
    text = abac_conditions.condition_for_repositories((CONTENT, METADATA), ("team/web", "api", "it's"))
    assert [evaluate(text, CONTENT, name) for name in ("team/web", "api", "db")] == [True, True, False]
    assert evaluate(f"({text}) OR ({abac_conditions.repository_expression(('db',))})", METADATA, "db") is True


# A slow evaluator of a tree, and the tree written as a condition: evaluating the condition must give the same result.

_NAMES = st.sampled_from(["a", "ab", "a/b", "team/web", "TEAM/web", "b"])
_PATTERNS = st.sampled_from(["a", "a*", "*b", "team/?eb", "*", "T*", "??", "a/"])


def _trees() -> st.SearchStrategy[tuple[object, ...]]:
    action = st.tuples(st.just("action"), st.sampled_from([CONTENT, METADATA, "Microsoft.*/read", "x/y"]))
    name = st.tuples(
        st.just("name"),
        st.sampled_from(["Equals", "NotEquals", "StartsWith", "NotStartsWith", "Like", "NotLike"]),
        st.booleans(),
        st.sampled_from(["", "ForAnyOfAnyValues:", "ForAllOfAllValues:"]),
        st.lists(_PATTERNS, min_size=1, max_size=3),
    )
    leaves: st.SearchStrategy[tuple[object, ...]] = action | name
    return st.recursive(
        leaves,
        lambda inner: (
            st.tuples(st.just("not"), inner)
            | st.tuples(st.sampled_from(["AND", "OR", "&&", "||"]), st.lists(inner, min_size=2, max_size=4))
        ),
        max_leaves=12,
    )


def _as_condition(tree: tuple[object, ...]) -> str:
    kind = tree[0]
    if kind == "action":
        return f"ActionMatches{{'{tree[1]}'}}"
    if kind == "name":
        _, how, caseless, quantifier, values = tree
        assert isinstance(values, list)
        used = values if quantifier else values[:1]
        texts = ", ".join(f"'{value}'" for value in used)
        ignoring = "IgnoreCase" if caseless else ""
        return f"{NAME} {quantifier}String{how}{ignoring} {f'{{{texts}}}' if quantifier else texts}"
    if kind == "not":
        assert isinstance(tree[1], tuple)
        return f"!({_as_condition(tree[1])})"
    assert isinstance(tree[1], list)
    return f" {kind} ".join(f"({_as_condition(inner)})" for inner in tree[1])


def _slow_like(pattern: str, text: str) -> bool:
    """Tries every match: plainly correct, exponential."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_slow_like(pattern[1:], text[cut:]) for cut in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _slow_like(pattern[1:], text[1:])


def _slow(tree: tuple[object, ...], action: str, repository: str) -> bool:
    kind = tree[0]
    if kind == "action":
        return _slow_like(str(tree[1]).lower(), action.lower())
    if kind == "not":
        assert isinstance(tree[1], tuple)
        return not _slow(tree[1], action, repository)
    if kind == "name":
        _, how, caseless, quantifier, values = tree
        assert isinstance(values, list)
        results = []
        for value in values if quantifier else values[:1]:
            left, right = (repository.lower(), value.lower()) if caseless else (repository, value)
            plain = str(how).removeprefix("Not")
            tests = {"Equals": left == right, "StartsWith": left.startswith(right), "Like": _slow_like(right, left)}
            results.append(tests[plain] != str(how).startswith("Not"))
        return all(results) if quantifier == "ForAllOfAllValues:" else any(results)
    assert isinstance(tree[1], list)
    parts = [_slow(inner, action, repository) for inner in tree[1]]
    return all(parts) if kind in ("AND", "&&") else any(parts)


@given(_trees(), st.sampled_from([CONTENT, METADATA]), _NAMES)
def test_the_parser_agrees_with_a_slow_evaluator(tree: tuple[object, ...], action: str, repository: str) -> None:
    assert evaluate(_as_condition(tree), action, repository) is _slow(tree, action, repository)


@given(st.text(max_size=200) | st.text(alphabet="()!'{},@[]: ANDORab&|*?\\", max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    assert isinstance(evaluate(text, CONTENT, "web"), bool | Unsettled)


@given(st.text(alphabet="ab/*", max_size=8), st.text(alphabet="ab/*AB", max_size=8))
def test_the_wildcard_matcher_agrees_with_a_slow_one(pattern: str, text: str) -> None:
    # "?" is an ordinary character in an action pattern and does not occur here.
    assert wildcards.covers(pattern, text) is _slow_like(pattern.lower(), text.lower())


@given(st.text(alphabet="ab?*", max_size=8), st.text(alphabet="ab", max_size=8))
def test_string_like_agrees_with_a_slow_one(pattern: str, text: str) -> None:
    assert wildcards.like(pattern, text) is _slow_like(pattern, text)


def test_a_pattern_of_a_thousand_stars_is_fast() -> None:
    assert not wildcards.covers("*a" * 1000 + "b", "a" * 2000)
