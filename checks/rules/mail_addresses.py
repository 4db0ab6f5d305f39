"""Mail addresses in settings and in a cluster's tag. Pure."""

from __future__ import annotations

import re

import msgspec

# An address as every mail server takes it (RFC 5321, 4.1.2: a dot-string and a domain). One that is none makes each
# mail fail, whoever it is to.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
ADDRESS = re.compile(
    rf"(?=.{{3,254}}$)(?=[^@]{{1,64}}@){_ATOM}(\.{_ATOM})*@{LABEL}(\.{LABEL})*", re.IGNORECASE | re.ASCII
)
DOMAIN = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*", re.IGNORECASE | re.ASCII)

MAX_NAMED = 5  # of one cluster's tag: whoever may write tags decides who gets mail
MAX_READ = 256  # characters of a tag's value: Azure takes no more


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What a tag's value names: the addresses that count, its words that are none, how many more there are."""

    named: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    beyond: int = 0


def listed(text: str) -> Listed:
    """The addresses in a tag's value, separated by spaces or commas. One that is named twice counts once."""
    words = [word for word in re.split(r"[\s,]+", text[:MAX_READ]) if word]
    good: dict[str, str] = {}
    for word in words:
        if ADDRESS.fullmatch(word):
            good.setdefault(folded(word), word)
    named = tuple(good.values())
    wrong = tuple(dict.fromkeys(word for word in words if not ADDRESS.fullmatch(word)))
    return Listed(named=named[:MAX_NAMED], wrong=wrong, beyond=max(0, len(named) - MAX_NAMED))


def folded(address: str) -> str:
    """By what two addresses are compared: a mailbox that tells cases apart (RFC 5321, 2.4) is as good as unheard of."""
    return address.lower()


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()
