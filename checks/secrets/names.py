"""Secrets that are known by the name before them: the names, and the ways to give one its value."""

from __future__ import annotations

import re
import string

import msgspec

from checks.secrets.patterns import (
    BARE,
    BARE_IN_TEXT,
    ENTITY,
    NOTHING,
    OPAQUE,
    OPEN,
    PLACEHOLDER,
    QUOTE,
    QUOTED,
    SENTENCE,
    folding,
    mixed,
)

# Each name below holds one of these.
NAMED = (
    *("pass", "pwd", "_pw", "-pw", "secret", "token", "key", "assertion", "signature", "string", "dockerc", "device"),
    *("x-registry-", "y-header", "y_header", "art-api"),
)
# Names whose value is secret whatever it looks like, as they are spelled in code, headers, URLs and options. Each
# alternative begins with a letter, so that a search jumps to these.
_TOKENS = "access auth bearer id identity refresh registry sas session vault"
_KEYS = "access account api function functions host ingestion instrumentation master primary private secondary signing"
SECRET_NAMES = "|".join(
    (
        *("password", "passwd", "passphrase", "pwd", "client[-_]?secret", "client[-_]?assertion", "device[-_]?code"),
        *("connection[-_]?string", "client[-_]?key[-_]?data", "dockerconfigjson", "dockercfg", "secret[-_]?text"),
        *("shared[-_]?access[-_]?key", "shared[-_]?access[-_]?signature", "shared[-_]?secret(?:[-_]?value)?"),
        *("storage[-_]?key", "subscription[-_]?key", "x-registry-auth", "x-registry-config", "identity[-_]header"),
        *("art-api", r"pass(?<=[_-]pass)(?![a-z])", r"pw(?<=[_-]pw)(?![a-z])"),
        *(f"{word}[-_]?token" for word in _TOKENS.split()),
        *(f"{word}[-_]?key" for word in _KEYS.split()),
    )
)
# Names of secrets that are words of sentences too ("failed to fetch oauth token: unexpected status").
_WORDS = (
    *("token", "secret", "assertion", "access key", "account key", "api key", "shared access key"),
    "connection string",
)
# Searched for in the text in lower case, because a search that heeds case jumps to the first letters.
NAMES = re.compile(rf"{SECRET_NAMES}|{'|'.join(_WORDS)}")

# A mark of YAML before a value, which stands on the next line where a block begins.
_MARK = r"(?:(?:[|>][0-9+-]{0,2}|!{1,2}[a-z]{0,20}|&[a-z0-9]{1,20})(?:\s|\\+[nr])++){0,3}+"
# What is said of the Secret of a cluster, and names it: "secret: app not found", "Secret=default/app".
_NAME_OF_A_SECRET = r"""(?<=secret)(?:\s?:\s++["']?[\w.-]{1,253}+["']?\s++(?:(?:was|is)\s++)?(?:not\s++found|missing)
    |(?<![a-z0-9_.-]secret)\s?={1,2}\s?(?:\\*+["'])?+
        (?-i:[a-z][a-z0-9-]{1,62}/[a-z][a-z0-9.-]{0,60}[A-Z]?)(?![^\s,;)\]"'\\]))"""
# A shell's working directory.
_DIRECTORY = (
    r"""(?<=pwd)(?<![\w-]pwd)\s*+[:=]\s*+/(?:app|data|etc|home|mnt|opt|root|srv|tmp|usr|var|work|workspace)\b"""
)


class Naming(msgspec.Struct, frozen=True):
    """One way to give a name its value: ``pattern`` begins right behind the name, its group ``keep`` ends at the value.

    ``words``: also behind words of sentences. ``begins``: only behind a name that begins as an entry of Go's does.
    ``longer``: the name may go on with other letters.
    """

    name: str
    pattern: re.Pattern[str]
    words: bool = True
    begins: bool = False
    longer: bool = False


def _naming(name: str, pattern: str, *, words: bool = True, begins: bool = False, longer: bool = False) -> Naming:
    return Naming(name, folding(pattern), words, begins, longer)


NAMINGS: tuple[Naming, ...] = (
    _naming(
        "JSON",
        rf"""(?P<keep>\d?+\\*+["']\s*+(?:=>|[:=]|,(?=\s*+'(?!value')))[\s\[]*+(?:\]byte\()?+{OPEN})
            (?!{PLACEHOLDER}){QUOTED}""",
    ),
    _naming(
        "an object with a value, as templates have",
        rf"""(?P<keep>\d?+{QUOTE}\s*+:\s*+\{{\s*+{QUOTE}value{QUOTE}\s*+:\s*+{OPEN})(?!{PLACEHOLDER}){QUOTED}""",
    ),
    _naming("a list, as Go prints headers", r"""(?P<keep>:\[)(?!\[?redacted\])[^\]]++""", words=False),
    _naming("a number in JSON", r"""(?P<keep>\d?+\\*+["']\s*+:\s*+)\d++""", words=False),
    _naming(
        "an object of a name and a value",
        rf"""(?P<keep>[\w.-]{{0,20}}\\*+["']\s*+,\s*+\\*+["']value\\*+["']\s*+:\s*+{OPEN})(?!{PLACEHOLDER}){QUOTED}""",
        longer=True,
    ),
    _naming(
        "an object of a name and a value in YAML or XML, or as Go prints it",
        rf"""(?P<keep>[\w.-]{{0,20}}(?:\\*+["'])?+\s++value(?::|\s*+=(?=\s*+\\*+["']))\s*+
            (?!{PLACEHOLDER}|nil\b|valuefrom:){_MARK}(?:{OPEN})?+)(?(quote){QUOTED}|{BARE_IN_TEXT})""",
        longer=True,
    ),
    _naming("JSON in entities", rf"(?P<keep>{ENTITY}\s*+[:=]\s*+{ENTITY})(?:(?!{ENTITY}).)++"),
    _naming("element of XML", r"""(?P<keep>>)(?!\[redacted\])[^<>\s"'.,;:)@\]}][^<>\s"']*+(?=<|\Z)"""),
    _naming(
        "name=value",
        rf"""(?!{_NAME_OF_A_SECRET}|{_DIRECTORY})
            (?P<keep>\d?+\s*+(?>:=|=>|!?={{1,3}})\s*+(?!{PLACEHOLDER}|{NOTHING})(?:{OPEN})?+)(?(quote){QUOTED}|{BARE})""",
    ),
    _naming(
        "percent-encoded",
        r"""(?P<keep>(?:%(?:25)*+2[27])?+\+?+%(?:25)*+3[AD](?:%(?:25)*+(?:20|22|27|5B)|\+)*+)
            (?:(?!%(?:25)*+(?:0A|0D|22|26|3B|7D))[^\s&;"'])++""",
    ),
    _naming(
        "name: value",
        rf"""(?!{_DIRECTORY})(?P<keep>\d?+\s?+:\s++{_MARK}(?!{PLACEHOLDER}|[|>][0-9+-]{{0,2}}\s*+\Z)(?:{OPEN})?+)
            (?!{SENTENCE})(?(quote){QUOTED}|{BARE_IN_TEXT})""",
        words=False,
    ),
    _naming(
        "name:'value'",
        rf"""(?P<keep>\d?+:{OPEN})(?!{PLACEHOLDER}){QUOTED}""",
        words=False,
    ),
    _naming(
        "name:value, as Go prints maps and headers",
        r"""(?P<keep>:(?!\[redacted\])\[?+)[^\s,;:/"'\\\])}\[][^\s,;"'\])}]*+""",
        words=False,
        begins=True,
    ),
    _naming(
        "word: value",
        rf"""(?!{_NAME_OF_A_SECRET})(?P<keep>:(?:\s++{_MARK}\\*+["'`]?+|\\*+["']))
            (?:{mixed("_~+/=-", 12)}|(?-i:[0-9a-f]{{32,}}+))""",
    ),
    _naming(
        "a sentence with quotes",
        rf"""(?P<keep>\s++(?:(?:is|was)(?:\s++now)?+\s++)?+(?!{PLACEHOLDER}){OPEN}){QUOTED}""",
        words=False,
    ),
    _naming(
        "a sentence with quotes and a verb",
        rf"""(?P<keep>\s++(?:is|was)(?:\s++now)?+\s++(?!{PLACEHOLDER}){OPEN}){QUOTED}""",
    ),
    _naming(
        "a sentence without quotes",
        rf"""(?P<keep>\s++(?:is|was)(?:\s++now)?+\s++)(?=[a-z_/.:-]*[0-9\#$%&*+=@^~])(?!{SENTENCE})
            [^\s,;"')]{{6,}}+""",
    ),
    _naming(
        "a sentence with backticks",
        rf"""(?P<keep>(?:\s*+:\s*+|\s++(?:(?:is|was)(?:\s++now)?+\s++)?+)\\*+`)(?!{PLACEHOLDER})[^`\n]++""",
        words=False,
    ),
    _naming(
        "a sentence that says where it comes from",
        rf"""(?P<keep>\s++(?:(?:is|was)\s++)?+(?:given|provided|received|sent|supplied|used):\s++["'`]?+)
            (?!{PLACEHOLDER}|{SENTENCE}){OPAQUE}{{8,}}+""",
    ),
    _naming("name and value", rf"""(?P<keep>\s++){mixed("~!@#$%^&*_+=.-", 8)}(?![/:])""", words=False),
    _naming("word and value", rf"""(?P<keep>\s++`?+){mixed("_~+/=-", 16, scattered=True)}(?![.:])"""),
)


# What can follow a name that goes on, and one that is over: behind anything else is no value.
_GOES_ON = frozenset(string.ascii_letters + "_.-")
_OVER = frozenset(string.digits + string.whitespace + "\\\"'`:=>!%&+")


def value_of(text: str, name: re.Match[str]) -> tuple[int, int] | None:
    """Where the value of one of NAMES begins and ends in a text; None where none follows."""
    following = text[name.end() : name.end() + 1]
    if following not in _OVER and following not in _GOES_ON:
        return None
    longer, word = following in _GOES_ON, name[0] in _WORDS
    begins = name.start() == 0 or text[name.start() - 1] in "[{( ,&"
    for naming in NAMINGS:
        if (word and not naming.words) or (naming.begins and not begins) or (longer and not naming.longer):
            continue
        if match := naming.pattern.match(text, name.end()):
            return match.end("keep"), match.end()
    return None
