"""NCRONTAB expressions: what a timer of Azure Functions takes, and what is said of the rest."""

import pytest

from checks.ncrontab import problem


@pytest.mark.parametrize(
    "expression",
    [
        "0 */30 * * * *",
        "30 */5 * * * *",
        "0 0 9-17/2 * * MON-FRI",
        "0 0,30 8 1 jan,July 1-5",
        "0 5/15 * * * *",
        "  0  0 0 31 12 0 ",
        "59 59 23 1 1 saturday",
    ],
)
def test_what_a_timer_takes_has_no_problem(expression: str) -> None:
    assert problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("*/30 * * * *", "the seconds are missing: write '0 */30 * * * *'"),
        ("", "write {second} {minute} {hour} {day} {month} {day of the week}, such as '0 */30 * * * *'"),
        ("every half hour", "write {second} {minute} {hour}"),
        ("00:30:00", "write {second} {minute} {hour}"),
        ("0 0 0 0 * * *", "write {second} {minute} {hour}"),
        ("0 60 * * * *", "the minute takes 0 to 59, as *, values, ranges and steps; '60' is none"),
        ("0 0 24 * * *", "the hour takes 0 to 23"),
        ("0 0 0 0 * *", "the day takes 1 to 31"),
        ("0 0 0 * 13 *", "the month takes 1 to 12 or names such as jan"),
        ("0 0 0 * * 7", "the day of the week takes 0 to 6 or names such as sun"),
        ("0 0 0 * * mo", "the day of the week takes 0 to 6"),
        ("0 0 0 * * fri-mon", "the day of the week takes 0 to 6"),
        ("0 */0 * * * *", "the minute takes"),
        ("0 1,,2 * * * *", "the minute takes"),
        ("0 *-5 * * * *", "the minute takes"),
        ("0 */ * * * *", "the minute takes"),
        ("0 -1 * * * *", "the minute takes"),
        ("0 ? * * * *", "the minute takes"),
        ("jan 0 0 * * *", "the second takes"),
    ],
)
def test_what_a_timer_does_not_take_is_named_with_what_to_write(expression: str, message: str) -> None:
    text = problem(expression)
    assert text is not None
    assert text.startswith(message)
