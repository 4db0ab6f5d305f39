"""Extracts the one error to classify from kubelet's text, with misleading names masked.

Image names hold digits ("api:403"), words ("dns/timeout:not-found") and whole URLs with queries. They are replaced by
``…`` before rules are applied; hosts stay, because a few rules depend on the registry.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import islice

from checks.rules.images import host_of

MAX_TEXT = 64 * 1024
MAX_NAME = 2048
MASK = "…"
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ESCAPED_QUOTE = re.compile(r"(?<!\\)\\++(?=[\"'])")
_ESCAPED_SPACE = re.compile(r"(?<!\\)\\++[nt](?![\w\\])")
# Begins with the quote, so that the search jumps from quote to quote.
_QUOTED_NAME = re.compile(
    r"(?i)\"(?:(?<=image \")|(?<=reference \")|(?<= ref \")|(?<=repository \")|(?<=tag \")|(?<=manifest for \")"
    r"|(?<=converter for \"))"
    r"([^\"]{1,600})\""
)
_MAX_NAMES = 8
_BREAKS = r"\s\"'`,\[\]{}()"
_WITH_SLASH = re.compile(rf"(?<![^{_BREAKS}])[^/{_BREAKS}]*+/[^{_BREAKS}]*+")
_MIRRORS = re.compile(r"(?i)\(mirrors also failed: \[.{0,8000}?\]\): ")
_LIST = re.compile(r"(?:^|: ?|, skipping: )\[(?!manifests |deprecation )", re.I)
_DAEMON_STATUS = re.compile(r"(?i)failed with status code [45]\d\d \"[a-z ]{1,60}\" and message \"")
_NEXT_IN_LIST = re.compile(
    r", (?=rpc error: |failed to |error response from daemon|errimagepull: |unable to pull |get \"|head \")", re.I
)
_DENIED_NAME = re.compile(r"(?i)pull access denied for ([^\s,]{1,600})")
_BULLET = re.compile(r"errors occurred while pulling: \* ", re.I)
_NOTICES = ("aka.ms/",)
_HOST = re.compile(
    r"(?<=://)(?!aka\.ms/)[^\s/]+|(?<![\w./<>+-])(?!client\.timeout|aka\.ms)"
    r"(?:[a-z0-9<>_-]+\.)+[a-z<>]{2,63}(?=[/:\s\"',;)\]]|$)"
)
_LETTERS = str.maketrans(string.ascii_lowercase, "x" * 26)


def ascii_lower(text: str) -> str:
    """ASCII lower case. Unlike ``str.lower`` it keeps the length, so that offsets are valid in the original text."""
    return text.translate(_FOLD)


def mask_hosts(text: str) -> str:
    """Lower case, with every host name replaced by x ("throttled.example" is no throttling). Offsets stay valid."""
    return _HOST.sub(lambda host: host[0].translate(_LETTERS), ascii_lower(text))


def clean(message: str, image: str = "") -> str:
    """The text on one line, with quotes unescaped and image names, paths and queries masked."""
    text = _ESCAPED_QUOTE.sub("", message)
    text = " ".join(_ESCAPED_SPACE.sub(" ", text).split())
    named = (image, *(quoted[1] for quoted in islice(_QUOTED_NAME.finditer(text), _MAX_NAMES)))
    names = frozenset(spelling for name in named for spelling in _spellings(name))
    text = _WITH_SLASH.sub(lambda word: _masked(word[0], names), _QUOTED_NAME.sub(f'"{MASK}"', text))
    for name in sorted(names, key=len, reverse=True):
        if "/" not in name and name in text:
            text = re.sub(rf"(?<![^{_BREAKS}]){re.escape(name)}(?=[:;.]*(?:[{_BREAKS}]|$))", MASK, text)
    return text


def hosts_of(message: str, image: str = "") -> str:
    """Lower-case text that contains the registry hosts; a name without a host adds Docker Hub's."""
    text = _ESCAPED_QUOTE.sub("", message)
    named = image.strip() or next((quoted[1] for quoted in _QUOTED_NAME.finditer(text)), "")
    if not named and (denied := _DENIED_NAME.search(text)):
        named = denied[1]
    return ascii_lower(f"{host_of(named) or ''} {image} {text}")


def first_error(text: str) -> str:
    """The first of several errors: in ``[err1, err2]`` the second is a retry without credentials and shows less.

    CRI-O's errors about mirrors are left out, because the registry's own error comes after them; so are its errors
    about trying the reference as an artifact. The status with which a Docker daemon passes an error on is its own.
    """
    text = _DAEMON_STATUS.sub("", text)
    text = _MIRRORS.sub("", text.partition("; artifact err:")[0])
    if opened := _LIST.search(text):
        if following := _NEXT_IN_LIST.search(text, opened.end()):
            return text[: following.start()]
    elif bullet := _BULLET.search(text):
        return text[bullet.end() :].partition(" * ")[0]
    return text


def _spellings(image: str) -> Iterator[str]:
    """The spellings of an image that are safe to mask as a word: a bare "timeout" is not, because errors use it too."""
    plain = image.strip().partition("@")[0]
    for spelling in (image.strip(), plain, plain.rpartition(":")[0]):
        if any(mark in spelling for mark in "/:.@"):
            yield spelling


def _masked(word: str, names: frozenset[str]) -> str:
    core = word.rstrip(":;.")
    tail = word[len(core) :]
    scheme, separator, rest = core.partition("://")
    if not separator:
        scheme, rest = "", core
    first, slash, _ = rest.partition("/")
    if not slash or rest.startswith(_NOTICES) or "</" in rest:
        return word
    # "i/o", "net/http" and "linux/arm64" are words of errors, not names.
    host = first if separator or "." in first or ":" in first or first == "localhost" else ""
    if not (host or not first or core in names):
        return word
    return f"{scheme}{separator}{host}/{MASK}{tail}"
