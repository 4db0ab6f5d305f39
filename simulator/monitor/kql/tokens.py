"""The text of a query taken apart into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.monitor.kql.errors import syntax_error

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<datetime>datetime\s*\(\s*(?P<moment>[^()]*?)\s*\))
    |(?P<verbatim>@"(?:[^"]|"")*"|@'(?:[^']|'')*')
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<timespan>\d+(?:\.\d+)?(?:ms|[dhms])\b)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>parse-kv\b|!?[A-Za-z_]\w*~?)
    |(?P<sign>==|!=|=~|!~|<=|>=|\.\.|[][<>=(),|:])""",
    re.VERBOSE,
)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is name, sign, or the type of a literal (string, datetime, timespan, long, real, bool), "" at the end."""

    kind: str
    text: str
    position: int
    value: Any = None


def tokens(text: str) -> list[Token]:
    """All tokens and one for the end. Raises QueryError for what is none."""
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise syntax_error(text, position, text[position])
        if match.lastgroup != "space" and match["space"] is None:
            found.append(_token(text, match))
        position = match.end()
    return [*found, Token("", "", len(text))]


def _token(text: str, match: re.Match[str]) -> Token:
    word, position = match[0], match.start()
    if match["datetime"] is not None:
        return Token("datetime", word, position, _moment(text, match))
    if match["verbatim"] is not None:
        return Token("string", word, position, word[2:-1].replace(word[1] * 2, word[1]))
    if match["string"] is not None:
        plain = re.sub(r"\\(.)", lambda escaped: _ESCAPES.get(escaped[1], escaped[0]), word[1:-1])
        return Token("string", word, position, plain)
    if match["timespan"] is not None:
        unit = "ms" if word.endswith("ms") else word[-1]
        return Token("timespan", word, position, timedelta(**{_UNITS[unit]: float(word.removesuffix(unit))}))
    if match["number"] is not None:
        return Token("real", word, position, float(word)) if "." in word else Token("long", word, position, int(word))
    if word in ("true", "false"):
        return Token("bool", word, position, word == "true")
    return Token("sign" if match["sign"] is not None else "name", word, position)


def _moment(text: str, match: re.Match[str]) -> datetime:
    try:
        moment = datetime.fromisoformat(match["moment"].strip("\"'"))
    except ValueError:
        raise syntax_error(text, match.start(), match[0]) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
