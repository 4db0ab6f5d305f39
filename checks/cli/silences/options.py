"""What ``silence`` and ``ack`` take: of what, why, by whom and for how long."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from checks import catalog, settings
from checks.cli import names
from checks.cli.arguments import duration
from checks.rules import registry_names
from checks.settings import Settings
from checks.silences import LONGEST, MAX_AUTHOR, MAX_REASON, Matchers, harmless


def matcher_options(parser: argparse.ArgumentParser) -> None:
    """Options that say what a silence is of."""
    group = parser.add_argument_group("of what", "at least one; all that are given must match, in any case of letters")
    group.add_argument("--subscription", type=names.subscription_id, metavar="ID")
    group.add_argument("--cluster", type=_cluster, metavar="NAME|ID", help="its name or its ARM id")
    group.add_argument("--registry", type=_registry, metavar="NAME|LOGIN_SERVER")
    group.add_argument("--code", type=_code, metavar="PWnnn", help="a check that decided it")
    group.add_argument("--cause", type=_cause, metavar="CAUSE", help="as mails name it: role-missing, …")


def words_options(parser: argparse.ArgumentParser) -> None:
    """Options that say why, by whom and for how long."""
    group = parser.add_argument_group("why, by whom and for how long")
    group.add_argument("--reason", required=True, type=_reason, help="why: mails and lists show it")
    group.add_argument(
        "--for",
        dest="duration",
        required=True,
        type=_duration,
        metavar="30m|4h|2d",
        help=f"for how long; at most {LONGEST.days}d",
    )
    group.add_argument("--author", type=_author, help="default: who is signed in to Azure, or to the system")


def _wrong(text: str, what: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{harmless(text, 80)!r} is {what}")


def _duration(text: str) -> timedelta:
    length = duration(text, "mhd")
    if length is None:
        raise _wrong(text, "no duration: 30m, 4h and 2d are")
    if length > LONGEST:
        raise _wrong(text, f"longer than a silence may last: at most {LONGEST.days}d, then make it anew")
    return length


def _cluster(text: str) -> str:
    if set(text) & set("*?"):
        raise _wrong(
            text, "no cluster: there are no wildcards, and --registry, --subscription or --cause match many clusters"
        )
    return names.cluster_name_or_id(text)


def _registry(text: str) -> str:
    if not registry_names.is_host_or_name(text):
        raise _wrong(text, "no registry's name or login server")
    return registry_names.login_server_of(text.lower())


def _code(text: str) -> str:
    codes = {check.code for check in catalog.checks()}
    if text.upper() not in codes:
        raise _wrong(text, "no check: `pullwatch list` shows them")
    return text.upper()


def _cause(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise _wrong(text, "no cause: they are words such as role-missing")
    return text.lower()


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MAX_REASON:
        raise argparse.ArgumentTypeError(f"takes 1 to {MAX_REASON} characters")
    return text


def _author(text: str) -> str:
    if not text.strip() or len(text) > MAX_AUTHOR:
        raise argparse.ArgumentTypeError(f"takes 1 to {MAX_AUTHOR} characters")
    return text


def silence_id(text: str) -> str:
    """The id of a silence. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[a-z0-9]{1,40}", text.strip().lower()):
        raise _wrong(text, "no id of a silence: `pullwatch silence list` shows them")
    return text.strip().lower()


def matchers_of(options: argparse.Namespace, loaded: Settings) -> Matchers:
    """What is given on the command line. An Azure registry's name is that of its login server."""
    registry = options.registry or ""
    if registry and "." not in registry and not registry.startswith("localhost"):
        registry = f"{registry}.{loaded.cloud.acr_suffix}"
    given = Matchers(
        subscription=options.subscription or "",
        cluster=options.cluster or "",
        registry=registry,
        code=options.code or "",
        cause=options.cause or "",
    )
    if not given:
        raise settings.SettingError("name what it is of: --cluster, --registry, --subscription, --code or --cause.")
    return given
