"""What the shapes of secrets are written in: their type, and the parts of patterns that several of them share."""

from __future__ import annotations

import re

import msgspec

REDACTED = "[redacted]"


class Shape(msgspec.Struct, frozen=True):
    """One shape. A match becomes its group ``keep`` (where the pattern has one) and REDACTED.

    ``literals``: each match contains one of them, in any case. A text without them is not searched: most have none.
    """

    name: str
    pattern: re.Pattern[str]
    literals: tuple[str, ...]

    def redact(self, text: str) -> str:
        """The text without what has this shape."""
        return self.pattern.sub(_without, text)


def _without(match: re.Match[str]) -> str:
    return f"{match.groupdict().get('keep') or ''}{REDACTED}"


def folding(pattern: str) -> re.Pattern[str]:
    """A pattern that takes letters in either case."""
    return re.compile(pattern, re.ASCII | re.IGNORECASE | re.VERBOSE | re.DOTALL)


def shape(name: str, pattern: str, *literals: str) -> Shape:
    """A shape in letters of either case."""
    return Shape(name, folding(pattern), literals)


def cased(name: str, pattern: str, *literals: str) -> Shape:
    """A shape in the letters as they are written."""
    return Shape(name, re.compile(pattern, re.ASCII | re.VERBOSE | re.DOTALL), literals)


# What follows a colon in a sentence ("incorrect username or password: unauthorized"), and is no password.
SENTENCE = r"""
    (?:AADSTS\d+|access|account|authentication|authorization|cannot|can|check|client|code|context|could|couldn't|denied
      |dial|empty|eof|error|errors|expired|failed|failure|false|forbidden|get|head|https?|incorrect|invalid|is|it|login
      |may|missing|must|nil|no|none|not|null|please|post|request|required|reset|response|rpc|secrets?|see|server|status
      |string|the|this|timeout|tls|token|true|try|unable|unauthori[sz]ed|unexpected|unknown|user|username|wrong|x509
      |[1-5]\d\d)
    (?:://|[.,:;!)]*+(?:\s|\Z))
"""
# A placeholder in a command: a shell variable or substitution, a word in angle brackets; or what was redacted before.
PLACEHOLDER = r"""(?:\\*+["'`])?+(?:\$\{?[A-Z][A-Z0-9_]*+\b|\$\(|<[a-z][a-z -]{0,40}>|\*\*\*|\[redacted\])"""
# What a program writes where there is no value.
NOTHING = r"""(?:nil|null|none|true|false)(?![^\s,;&)}\]"'])"""

# An opening quote with the backslashes before it, and what stands between it and its like (or the end of the text).
OPEN = r"""(?P<slashes>\\*+)(?P<quote>["'])"""
QUOTED = r"""(?:[^"'\\]|(?!(?P=slashes)(?P=quote))\\++["']?+|(?!(?P=quote))["'])++"""
BARE = r"""(?:[^\s;&"'\\]|\\(?!["'nrtu]))++"""
BARE_IN_TEXT = r"""(?:[^\s,;"'\\\])}]|\\(?!["'nrtu]))++"""
ENTITY = r"""(?:&(?:quot|apos|\#x?(?:22|27|34|39));|\\u002[27])"""
QUOTE = r"""\\*+["']"""
# A line break, as it is or as JSON and Go write it.
BREAK = r"(?:\s|\\+[nr])"
# Characters that only a machine puts together: beyond the first, an upper-case letter, a digit or a mark of base64.
OPAQUE = r"(?-i:(?=[A-Za-z0-9._~+/=%:-][a-z._+/:-]{0,200}[A-Z0-9=~%]))[A-Za-z0-9._~+/=%:-]"
SCHEMES = (
    r"(?:basic|bearer|digest|negotiate|ntlm|sharedaccesssignature|sharedkey(?:lite)?|token|aws4-hmac-sha256)"
    r"(?:\s++|%20|\+)"
)


def mixed(marks: str, least: int, *, scattered: bool = False) -> str:
    """A word of letters in both cases and digits (and ``marks``), as machines make them and sentences have none.

    ``scattered``: a letter comes after a digit, so that the name of a thing with a year or number behind it is none.
    """
    after = rf"[0-9{marks}]*+[A-Za-z]" if scattered else ""
    parts = (rf"[A-Za-z{marks}]*+[0-9]{after}", rf"[a-z0-9{marks}]*+[A-Z]", rf"[A-Z0-9{marks}]*+[a-z]")
    return rf"(?-i:{''.join(f'(?={part})' for part in parts)})[A-Za-z0-9{marks}]{{{least},}}+"
