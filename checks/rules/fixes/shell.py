"""Commands for a POSIX shell: each value that Azure or a pod supplied becomes one quoted word."""

from __future__ import annotations

import shlex

from checks.facts import resource_group_of, subscription_of
from checks.text import one_line


def command(*words: str) -> str:
    """One shell command out of words, each quoted where it needs to be."""
    return shlex.join(words)


def note(text: str) -> str:
    """A line for a person. What is called something by Azure or a pod must not end it and begin a command."""
    return f"# {one_line(text)}"


def resource_options(resource_id: str) -> tuple[str, ...]:
    """``--subscription`` and ``--resource-group`` of a resource, as most ``az`` commands take them."""
    return ("--subscription", subscription_of(resource_id), "--resource-group", resource_group_of(resource_id))


def look_up_host(host: str) -> str:
    """``nslookup``: the addresses that the resolver returns for a host name."""
    return command("nslookup", host)
