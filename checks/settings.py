"""Every setting: its name, type, default and doc line. Read once at start from the environment, validated there.

The README's table is made from ``SETTINGS`` (``pullwatch settings``), so a setting without a doc line cannot be.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from checks import ncrontab
from checks.rules.azure.clouds import CLOUDS, Cloud
from checks.rules.images import parse as parse_image
from checks.rules.mail_addresses import ADDRESS, DOMAIN, LABEL, folded
from checks.text import redacted

PREFIX = "PULLWATCH_"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BEGINS_A_ROUTE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]*\s*=", re.IGNORECASE)
MAX_ID = 400  # of a resource, as an error shows it: what is wrong often stands at its end
WORKSPACE = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/?#,\s]{1,90}/providers/Microsoft\.OperationalInsights/workspaces"
    r"/[a-z0-9-]{4,63}",
    re.IGNORECASE,
)
_HOST = re.compile(r"(\*\.)?([a-z0-9-]+\.)*[a-z0-9-]+", re.IGNORECASE)
_KEY_VAULT = "@microsoft.keyvault("
_IN_AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID")
# What speaks for Azure besides: App Service's own names; but Core Tools sets WEBSITE_HOSTNAME to a laptop's.
# CONTAINER_NAME, which Azure sets too, is none of them: development containers have it, and Azure never has it alone.
_APP_SERVICE = "WEBSITE_"
_HOSTNAME = "WEBSITE_HOSTNAME"
_LEGION = "LEGION_SERVICE_HOST"
VIEWER_ROLES = ("Reader", "Operator")
MAX_LOCAL_NAME = 60
AT_LEAST = ("failing", "down")  # what a route is notified of, the least first
ALL_ROUTES = "*"
ROUTES = ("default", "subscriptions", "tags")
TRANSPORTS = ("folder", "smtp", "graph", "webhook")
_TO_MAILBOXES = ("smtp", "graph")
# What a receiver of webhooks is called: a dotted name, as public names are, and none that networks use inside.
_PUBLIC_NAME = re.compile(rf"(?=.{{4,253}}$)({LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_INWARD_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa")
MIN_SECRET = 16
MAX_ADDRESSES = 100  # of one setting or subscription: Exchange Online takes 500 recipients, and every mail names them
DEFAULT_SCHEDULE = "0 */30 * * * *"


class SettingError(ValueError):
    """A setting has a value that cannot be used; the text names it and what it takes."""


class _WrongPart(SettingError):
    """One of several parts of a value cannot be used; the text repeats that part, so the whole need not follow."""


class UnusableSettings(msgspec.Struct, frozen=True):
    """What the app has instead of settings where one of them cannot be used: the sentence that says which and why."""

    problem: str


class ConnectTo(msgspec.Struct, frozen=True):
    """One entry of PULLWATCH_CONNECT_TO: connections to ``host`` (may start with "*.") and ``port`` go elsewhere."""

    host: str
    port: int
    to_host: str
    to_port: int


class LocalViewer(msgspec.Struct, frozen=True):
    """Who PULLWATCH_LOCAL_VIEWER says looks at the dashboard. ``role`` is one of VIEWER_ROLES."""

    name: str
    role: str


class Setting(msgspec.Struct, frozen=True):
    """One setting: environment name without the prefix, field, how it is read, default as text, doc line."""

    name: str
    field: str
    read: Callable[[str], Any]
    default: str
    doc: str
    secret: bool = False


def _shown(value: str, limit: int) -> str:
    """A value as an error repeats it: without secrets, for one may stand where it does not belong, and bounded."""
    return repr(redacted(value)[:limit])


def _text(value: str) -> str:
    return value.strip()


def _flag(value: str) -> bool:
    low = value.strip().lower()
    if low in ("true", "1", "yes", "on"):
        return True
    if low in ("false", "0", "no", "off", ""):
        return False
    raise SettingError("takes true or false")


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"\s*[0-9]{1,9}\s*", value) or not low <= int(value) <= high:
            raise SettingError(f"takes a whole number from {low} to {high}")
        return int(value)

    return read


def _looks(defaults: Mapping[str, int]) -> Callable[[str], dict[str, int]]:
    """How many looks each facet takes: a number for all of them, or ``path=3,pull=2``, the others as they are."""
    number = _number(1, 20)

    def read(value: str) -> dict[str, int]:
        if re.fullmatch(r"\s*[0-9]+\s*", value):
            return dict.fromkeys(defaults, number(value))
        looks = dict(defaults)
        for word in _words(value.lower()):
            facet, equals, count = word.partition("=")
            if facet.strip() not in defaults or not equals:
                raise _WrongPart(
                    f"takes a number, or facet=number for any of {', '.join(defaults)}; {_shown(word, 80)} is neither"
                )
            looks[facet.strip()] = number(count)
        return looks

    return read


def _words(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))


def _list(pattern: re.Pattern[str], what: str, shown: int = 80) -> Callable[[str], tuple[str, ...]]:
    def read(value: str) -> tuple[str, ...]:
        for word in _words(value):
            if not pattern.fullmatch(word):
                raise _WrongPart(f"takes {what}, separated by commas; {_shown(word, shown)} is none")
        return _words(value)

    return read


def _addresses(value: str) -> tuple[str, ...]:
    """Mail addresses; one that is there twice, in whatever case, counts once."""
    addresses: dict[str, str] = {}
    for word in _list(ADDRESS, "addresses")(value):
        addresses.setdefault(folded(word), word)
    if len(addresses) > MAX_ADDRESSES:
        raise _WrongPart(
            f"takes at most {MAX_ADDRESSES} addresses, and {len(addresses)} are there: name a group's address instead"
        )
    return tuple(addresses.values())


def _sender(value: str) -> tuple[str, ...]:
    for word in _words(value):
        if not ADDRESS.fullmatch(word):
            raise _WrongPart(f"takes one address; {_shown(word, 80)} is none")
    return _words(value)


def _lower_list(pattern: re.Pattern[str], what: str) -> Callable[[str], tuple[str, ...]]:
    """A list of names whose case says nothing. That of a mailbox may (RFC 5321, 2.4)."""
    read = _list(pattern, what)
    return lambda value: read(value.lower())


def _choices(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    def read(value: str) -> tuple[str, ...]:
        for word in _words(value.lower()):
            if word not in allowed:
                raise _WrongPart(f"takes any of {', '.join(allowed)}; {_shown(word, 80)} is none of them")
        return _words(value.lower())

    return read


def _registry_logs(value: str) -> tuple[str, ...]:
    """ "auto", "off", or the workspaces' ARM ids."""
    if value.strip().lower() in ("auto", "off"):
        return (value.strip().lower(),)
    given = ",".join(word.rstrip("/") for word in _words(value))
    ids = _list(WORKSPACE, "auto, off, or ids of Log Analytics workspaces", MAX_ID)(given)
    if not ids:
        raise SettingError("has to be auto, off, or ids of Log Analytics workspaces")
    return ids


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.strip().lower() not in allowed:
            raise SettingError(f"takes one of {', '.join(allowed)}")
        return value.strip().lower()

    return read


def _schedule(value: str) -> str:
    wrong = ncrontab.problem(redacted(value))  # it repeats a part of it
    if wrong is not None:
        raise SettingError(f"takes an NCRONTAB expression of six fields; {wrong}")
    return value.strip()


def _namespace(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value.strip()):
        raise SettingError("takes the name of a Kubernetes namespace")
    return value.strip()


def _image(value: str) -> str:
    if value.strip() and parse_image(value.strip()) is None:
        raise SettingError("takes an image reference")
    return value.strip()


def _server(value: str) -> str:
    host = value.strip()
    if host and not (_HOST.fullmatch(host) or _is_address(host)):
        raise SettingError("takes a host name or an address, without scheme and port (PULLWATCH_SMTP_PORT has that)")
    return host


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _password(value: str) -> str:
    """Without a line break at its end, which a file has that was put into a Key Vault, and no password."""
    return value.rstrip("\r\n")


def _cloud(value: str) -> Cloud:
    result = CLOUDS.get(value.strip().lower())
    if result is None:
        raise SettingError(f"takes one of {', '.join(cloud.name for cloud in CLOUDS.values())}")
    return result


def _endpoint(value: str) -> str:
    if not value.strip():
        return ""
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        raise SettingError("takes an https:// address") from None
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise SettingError("takes an https:// address")
    if "@" in parts.netloc:
        raise SettingError("takes an https:// address without a user")
    return value.strip().rstrip("/")


def _link(value: str) -> str:
    """The address of a page for people; it may have a query and a fragment, unlike that of a service."""
    address = value.strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        raise SettingError("takes an https:// address") from None
    plain = address.isascii() and address.isprintable() and not set(address) & set(" \"'<>\\`")
    if address and not (plain and parts.scheme == "https" and parts.hostname and "@" not in parts.netloc):
        raise SettingError("takes an https:// address without a user")
    return address


def _folder(value: str) -> str:
    """The address that paths of pages are put behind."""
    address = _link(value).rstrip("/")
    if "?" in address or "#" in address:
        raise SettingError("takes an https:// address without a query and a fragment")
    return address


def _local_viewer(value: str) -> LocalViewer | None:
    name, colon, role = (part.strip() for part in value.strip().rpartition(":"))
    if not (colon or role):
        return None
    known = next((word for word in VIEWER_ROLES if word.lower() == role.lower()), None)
    if known is None or not name or len(name) > MAX_LOCAL_NAME or not name.isprintable():
        raise SettingError(
            f"takes a name of at most {MAX_LOCAL_NAME} characters, a colon and {' or '.join(VIEWER_ROLES)}"
        )
    return LocalViewer(name, known)


def _webhook(value: str) -> str:
    """An address that holds a secret, as those of Teams and Slack do: it is in no refusal."""
    url = value.strip()
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        usual_port = parts.port in (None, 443)
    except ValueError:
        raise SettingError("takes an https:// address") from None
    if parts.scheme != "https" or not url.isprintable() or not url.isascii() or " " in url:
        raise SettingError("takes an https:// address")
    if "@" in parts.netloc or parts.fragment:
        raise SettingError("takes an https:// address without a user and a fragment")
    if not usual_port:
        raise SettingError("takes an https:// address on port 443")
    host = parts.hostname or ""
    if not _PUBLIC_NAME.fullmatch(host) or host.rpartition(".")[2] in _INWARD_NAMES:
        raise SettingError("takes an https:// address with a public host name, such as hooks.example.com")
    return url


def _signing_secret(value: str) -> str:
    secret = _password(value)
    if secret and len(secret) < MIN_SECRET:
        raise SettingError(f"takes a secret of at least {MIN_SECRET} characters")
    return secret


def _connect_to(value: str) -> tuple[ConnectTo, ...]:
    entries = []
    for word in _words(value):
        match = re.fullmatch(r"([^:=\s]+):([0-9]{1,5})=([^:=\s]+):([0-9]{1,5})", word)
        if not match or not _HOST.fullmatch(match[1]):
            raise _WrongPart(f"takes HOST:PORT=HOST:PORT, separated by commas; {_shown(word, 80)} is none")
        entries.append(ConnectTo(match[1].lower(), int(match[2]), match[3], int(match[4])))
    return tuple(entries)


def _routes(value: str) -> dict[str, tuple[str, ...]]:
    """Who is notified of which subscription: ``<id>=a@x.example,b@x.example;<id>=…``."""
    routes: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in value.split(";"))):
        guid, equals, addresses = entry.partition("=")
        guid = guid.strip().lower()
        if not equals or not _GUID.fullmatch(guid):
            form = "takes <subscription id>=<addresses separated by commas>, these separated by semicolons"
            raise _WrongPart(f"{form}; {_shown(entry, 80)} is none")
        if guid in routes:
            raise _WrongPart(f"takes each subscription once; {guid} is there twice")
        second = next((word for word in _words(addresses) if _BEGINS_A_ROUTE.match(word)), None)
        if second is not None:  # every server takes such an address, and nobody has it
            raise _WrongPart(f"takes a semicolon between subscriptions, not a comma; see {_shown(second, 80)}")
        routes[guid] = _addresses(addresses)
        if not routes[guid]:
            raise _WrongPart(f"takes at least one address for each subscription; {guid} has none")
    return routes


def _thresholds(value: str) -> dict[str, str]:
    """What each route is notified of: a word for all, or ``tags=down,<subscription id>=down``, the others failing."""
    words = _words(value.lower())
    if len(words) == 1 and words[0] in AT_LEAST:
        return {ALL_ROUTES: words[0]}
    thresholds: dict[str, str] = {}
    for word in words:
        route, _, level = (part.strip() for part in word.partition("="))
        if level not in AT_LEAST or not (route in ROUTES or _GUID.fullmatch(route)):
            raise _WrongPart(
                f"takes {' or '.join(AT_LEAST)}, or <route>=<one of them> where a route is {', '.join(ROUTES)} or a "
                f"subscription id; {_shown(word, 80)} is neither"
            )
        thresholds[route] = level
    return thresholds


def _domains(value: str) -> tuple[str, ...] | None:
    """The domains; none of them where it says so; None where it says nothing."""
    words = _lower_list(DOMAIN, "domains")(value)
    if words == ("none",):
        return ()
    if "none" in words:
        raise SettingError("takes domains, separated by commas, or none alone")
    return words or None


# What Azure says of access is exact. Paths are pieced together, and pulls fail for a moment now and then.
FAIL_AFTER = {"access": 1, "path": 2, "pull": 2, "images": 2}
PASS_AFTER = {"access": 1, "path": 1, "pull": 1, "images": 1}


def _shown_looks(looks: Mapping[str, int]) -> str:
    return ",".join(f"{facet}={count}" for facet, count in looks.items())


SETTINGS = (
    Setting("CLOUD", "cloud", _cloud, "AzurePublic", "AzurePublic, AzureChina or AzureUSGovernment."),
    Setting("SUBSCRIPTIONS", "subscriptions", _lower_list(_GUID, "subscription ids"), "",
            "Subscription ids to check; empty: every one the identity can see."),
    Setting("EXCLUDE_SUBSCRIPTIONS", "exclude_subscriptions", _lower_list(_GUID, "subscription ids"), "",
            "Subscription ids never to check."),
    Setting("REGISTRIES", "registries", _lower_list(_HOST, "login servers"), "",
            "Login servers that every cluster is judged on, used or not."),
    Setting("SCHEDULE", "schedule", _schedule, DEFAULT_SCHEDULE,
            "When a run starts: NCRONTAB with seconds, in UTC. Pod events live about an hour."),
    Setting("ALLOW_LOCAL_ACCOUNTS", "allow_local_accounts", _flag, "false",
            "Read pods of clusters without Entra ID by their kubeconfig, which is equal to cluster-admin."),
    Setting("ALLOW_RUN_COMMAND", "allow_run_command", _flag, "false",
            "Read pods of clusters out of reach by Run Command, which makes a pod in their namespace aks-command."),
    Setting("CANARY", "canary", _choice("off", "on-demand", "scheduled"), "on-demand",
            "Canary pulls (PW305), which make pods: off, on-demand (only where a request or `scan --canary` asks for "
            "them), scheduled (every run too)."),
    Setting("CANARY_NAMESPACE", "canary_namespace", _namespace, "default",
            "The namespace of canary pods. Requests over HTTP need one that is not default."),
    Setting("CANARY_IMAGE", "canary_image", _image, "",
            "A small image that exists, for canaries to pull besides: it proves the path of layers too."),
    Setting("CANARY_SECONDS", "canary_seconds", _number(5, 600), "120", "How long a canary pod waits for its answer."),
    Setting("PROBE", "probe", _flag, "true",
            "Probe the Azure registries in use from where Pullwatch runs (PW201)."),
    Setting("PROBE_OTHERS", "probe_others", _flag, "false",
            "Probe other registries that pods name too: public addresses, port 443, without credentials."),
    Setting("REGISTRY_METRICS", "registry_metrics", _flag, "true",
            "Read from Azure Monitor how many pulls the Azure registries in use counted (PW307)."),
    Setting("READ_PULL_SECRETS", "read_pull_secrets", _flag, "false",
            "Read the secrets that pods name in imagePullSecrets (get on them is needed) and try them (PW303)."),
    Setting("CHECK_IMAGES", "check_images", _flag, "true",
            "Ask the Azure registries in use, with Pullwatch's own identity, whether the images still exist (PW302)."),
    Setting("REGISTRY_LOGS", "registry_logs", _registry_logs, "auto",
            "Whether registries' logs are read (PW308): auto (where diagnostic settings lead), off, or ARM ids of "
            "Log Analytics workspaces."),
    Setting("REGISTRY_LOG_HOURS", "registry_log_hours", _number(1, 24), "3", "How far back registries' logs are read."),
    Setting("CLUSTERS_AT_ONCE", "clusters_at_once", _number(1, 64), "8", "Clusters of a shard checked at once."),
    Setting("ONDEMAND_PER_HOUR", "ondemand_per_hour", _number(1, 1000), "30",
            "Checks of a single cluster that `POST /api/checks` takes in an hour, all callers together."),
    Setting("SHARD_SIZE", "shard_size", _number(1, 20), "20", "Clusters in one queue message."),
    Setting("CALL_SECONDS", "call_seconds", _number(1, 300), "30", "Deadline of one call to Azure or Kubernetes."),
    Setting("CLUSTER_SECONDS", "cluster_seconds", _number(5, 900), "120", "Deadline of all reads for one cluster."),
    Setting("RUN_MINUTES", "run_minutes", _number(1, 240), "25",
            "A run that is not complete after this time is closed with what is missing named."),
    Setting("FAIL_AFTER", "fail_after", _looks(FAIL_AFTER), _shown_looks(FAIL_AFTER),
            "Consecutive failed checks, at least four minutes apart, before a facet counts as failing: one number, or "
            "facet=number, separated by commas."),
    Setting("PASS_AFTER", "pass_after", _looks(PASS_AFTER), _shown_looks(PASS_AFTER),
            "Consecutive good checks before a facet counts as recovered, written in the same way."),
    Setting("BLIND_HOURS", "blind_hours", _number(1, 720), "6",
            "After so many hours of Unknown, a mail says what cannot be judged any more and what is missing."),
    Setting("REMIND_HOURS", "remind_hours", _number(0, 720), "24",
            "While anything fails, a reminder after so many hours; 0: none."),
    Setting("KEEP_RUNS_DAYS", "keep_runs_days", _number(31, 3650), "400",
            "Days for which runs are kept; they go by whole months."),
    Setting("KEEP_CHANGES_DAYS", "keep_changes_days", _number(31, 3650), "400",
            "Days for which the changes of a cluster are kept; older ones are folded into what they came to."),
    Setting("KEEP_GONE_DAYS", "keep_gone_days", _number(7, 3650), "90",
            "Days for which a cluster is kept that was deleted or opted out; one that is only not seen stays."),
    Setting("KEEP_MAILS_DAYS", "keep_mails_days", _number(7, 3650), "90",
            "Days for which mails that were sent are kept, and messages that were given up."),
    Setting("ALERT_ON", "alert_on", _choices("access", "path", "pull", "images"), "access,path,pull",
            "Which of a row's answers send mail when they change."),
    Setting("MAIL_TRANSPORTS", "mail_transports", _choices(*TRANSPORTS), "folder",
            "How mail leaves: folder (.eml files), smtp, graph (Microsoft Graph, without a password), webhook "
            "(JSON over HTTPS), or several."),
    Setting("MAIL_FROM", "mail_from", _sender, "pullwatch@localhost",
            "The sender's address; with graph a mailbox for which the identity may send."),
    Setting("MAILS_PER_HOUR", "mails_per_hour", _number(1, 1000), "20",
            "At most so many mails an hour to the same people; what there is no room for is one mail."),
    Setting("MAIL_TO", "mail_to", _addresses, "", "Who gets the mails, separated by commas."),
    Setting("ROUTES", "routes", _routes, "",
            "Who gets the mails about a subscription as well: `<subscription id>=<addresses separated by commas>`, "
            "several of these separated by semicolons."),
    Setting("NOTIFY_DOMAINS", "notify_domains", _domains, "",
            "The domains of the addresses that a cluster's tag `pullwatch-notify` may name; empty: those of "
            "PULLWATCH_MAIL_TO; none: the tag is not followed."),
    Setting("MAIL_AT_LEAST", "mail_at_least", _thresholds, "failing",
            "What is notified: failing (whatever PULLWATCH_ALERT_ON names) or down (only pulls that fail); or "
            "route=word, separated by commas, a route being default, subscriptions, tags or a subscription id."),
    Setting("DASHBOARD", "dashboard", _link, "", "The https:// address of a dashboard, to which mails then link."),
    Setting("DOCS_URL", "docs_url", _folder, "",
            "Where this repository's pages can be read, such as https://HOST/OWNER/pullwatch/blob/main, to which mails "
            "then link; empty: mails name the page."),
    Setting("SIGN_IN", "sign_in", _choice("off", "entra"), "off",
            "Who may open Pullwatch's own dashboard in Azure: nobody (off), or who signs in with Microsoft Entra ID "
            "(entra). infra/ sets it together with App Service authentication; alone it opens nothing."),
    Setting("LOCAL_VIEWER", "local_viewer", _local_viewer, "",
            "Development only: `NAME:Reader` or `NAME:Operator`, who looks at the dashboard on this machine. Refused "
            "in Azure."),
    Setting("MAIL_FOLDER", "mail_folder", _text, "mail", "Where the folder transport writes .eml files."),
    Setting("SMTP_HOST", "smtp_host", _server, "", "SMTP server."),
    Setting("SMTP_PORT", "smtp_port", _number(1, 65535), "587", "SMTP port; Azure blocks 25 for most subscriptions."),
    Setting("SMTP_TLS", "smtp_tls", _choice("starttls", "tls", "none"), "starttls",
            "starttls (required), tls from the first byte, or none."),
    Setting("SMTP_USER", "smtp_user", _text, "", "SMTP user name; empty: no sign-in."),
    Setting("SMTP_PASSWORD", "smtp_password", _password, "", "SMTP password; a Key Vault reference in Azure.",
            secret=True),
    Setting("WEBHOOK_URL", "webhook_url", _webhook, "",
            "Where the webhook posts to: https, a public name; a Key Vault reference in Azure.", secret=True),
    Setting("WEBHOOK_SECRET", "webhook_secret", _signing_secret, "",
            "Signs what the webhook posts: at least 16 characters; a Key Vault reference in Azure.",
            secret=True),
    Setting("ARM_ENDPOINT", "arm_endpoint", _endpoint, "", "Azure Resource Manager, where it is not the cloud's own."),
    Setting("GRAPH_ENDPOINT", "graph_endpoint", _endpoint, "", "Microsoft Graph, where it is not the cloud's own."),
    Setting("CONNECT_TO", "connect_to", _connect_to, "",
            "Development only: HOST:PORT=HOST:PORT, where connections to a registry really go. Refused in Azure."),
)  # fmt: skip


# Fields whose values no representation shows; a connection string of the storage holds the account's key.
_SECRET_FIELDS = frozenset(setting.field for setting in SETTINGS if setting.secret) | {"storage"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, typed. ``storage`` is the connection string of AzureWebJobsStorage, or None with service URIs."""

    cloud: Cloud
    subscriptions: tuple[str, ...]
    exclude_subscriptions: tuple[str, ...]
    registries: tuple[str, ...]
    schedule: str
    allow_local_accounts: bool
    allow_run_command: bool
    canary: str
    canary_namespace: str
    canary_image: str
    canary_seconds: int
    probe: bool
    probe_others: bool
    registry_metrics: bool
    read_pull_secrets: bool
    check_images: bool
    registry_logs: tuple[str, ...]
    registry_log_hours: int
    clusters_at_once: int
    ondemand_per_hour: int
    shard_size: int
    call_seconds: int
    cluster_seconds: int
    run_minutes: int
    fail_after: dict[str, int]
    pass_after: dict[str, int]
    blind_hours: int
    remind_hours: int
    keep_runs_days: int
    keep_changes_days: int
    keep_gone_days: int
    keep_mails_days: int
    alert_on: tuple[str, ...]
    mail_transports: tuple[str, ...]
    mail_from: tuple[str, ...]
    mail_to: tuple[str, ...]
    mails_per_hour: int
    dashboard: str
    docs_url: str
    sign_in: str
    local_viewer: LocalViewer | None
    routes: dict[str, tuple[str, ...]]
    notify_domains: tuple[str, ...] | None
    mail_at_least: dict[str, str]
    mail_folder: str
    smtp_host: str
    smtp_port: int
    smtp_tls: str
    smtp_user: str
    smtp_password: str
    webhook_url: str
    webhook_secret: str
    arm_endpoint: str
    graph_endpoint: str
    connect_to: tuple[ConnectTo, ...]
    storage: str | None = None
    table_endpoint: str | None = None
    queue_endpoint: str | None = None

    def __repr__(self) -> str:
        """Without the secrets: settings end up in logs and in tracebacks."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The fields as they may be shown, for ``repr`` and for rich's tracebacks."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, "***" if value and name in _SECRET_FIELDS else _harmless(value)) for name, value in values]

    @property
    def arm(self) -> str:
        """Azure Resource Manager's address."""
        return self.arm_endpoint or self.cloud.arm

    @property
    def graph(self) -> str:
        """Microsoft Graph's address."""
        return self.graph_endpoint or self.cloud.graph


def _harmless(value: Any) -> Any:
    """A value without what looks like a secret: a service URI may hold a shared access signature."""
    if isinstance(value, tuple):
        return tuple(map(_harmless, value))
    return redacted(value) if isinstance(value, str) else value


def load(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment, checked by themselves: nothing is asked of anybody.

    Raises SettingError that names the setting, its value and what it takes.
    """
    _refuse_unknown(environment)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        name = PREFIX + setting.name
        given = environment.get(name, setting.default)
        _refuse_unresolved(name, given)
        try:
            values[setting.field] = setting.read(given)
        except _WrongPart as error:
            raise SettingError(f"{name} {error}.") from None
        except SettingError as error:
            description = "" if setting.secret else f", not {_shown(given, 120)}"
            raise SettingError(f"{name} {error}{description}.") from None
    settings = Settings(**values, **_storage(environment))
    _refuse_contradictions(settings, environment)
    return settings


def load_or_explain(environment: Mapping[str, str]) -> Settings | UnusableSettings:
    """The settings, or what is wrong with them: an app that does not load can tell nobody."""
    try:
        return load(environment)
    except SettingError as error:
        return UnusableSettings(str(error))


def perhaps_in_azure(environment: Mapping[str, str]) -> str:
    """The first variable that only Azure is known to set so; "" where there is none, and so no reason to think so."""
    return next((name for name in sorted(environment) if environment[name] and _is_azures(name, environment[name])), "")


def _is_azures(name: str, value: str) -> bool:
    if name == _HOSTNAME:
        return not _is_loopback(value.partition(":")[0])
    return name.startswith(_APP_SERVICE) or name == _LEGION


def _refuse_unresolved(name: str, given: str) -> None:
    """Azure hands the reference itself over where it cannot read the secret."""
    if given.strip().lower().startswith(_KEY_VAULT):
        raise SettingError(
            f"{name} is a Key Vault reference that Azure could not resolve: give the app's identity the role Key Vault "
            "Secrets User on the secret or its vault, name that identity in the app's keyVaultReferenceIdentity, and "
            "see that the secret is there and enabled. Azure looks again within a day, or when settings are saved."
        )


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + setting.name for setting in SETTINGS}
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingError(f"{name} is no setting.{hint} `pullwatch settings` lists them all.")


def _storage(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        "storage": environment.get("AzureWebJobsStorage") or None,
        "table_endpoint": environment.get("AzureWebJobsStorage__tableServiceUri") or None,
        "queue_endpoint": environment.get("AzureWebJobsStorage__queueServiceUri") or None,
    }


def _refuse_contradictions(settings: Settings, environment: Mapping[str, str]) -> None:
    in_azure = any(environment.get(name) for name in _IN_AZURE)
    if settings.connect_to and in_azure:
        raise SettingError("PULLWATCH_CONNECT_TO is for development and refused in Azure; remove it.")
    azure = perhaps_in_azure(environment)
    if settings.local_viewer and azure:
        raise SettingError(
            f"PULLWATCH_LOCAL_VIEWER is for development and refused in Azure, which sets {azure}; remove it. "
            "docs/dashboard-sign-in.md says how people sign in there."
        )
    if len(settings.mail_from) != 1:
        raise SettingError("PULLWATCH_MAIL_FROM takes exactly one address.")
    if not settings.mail_transports:
        raise SettingError(f"PULLWATCH_MAIL_TRANSPORTS takes at least one of {', '.join(TRANSPORTS)}.")
    if not settings.alert_on:
        raise SettingError(
            f"PULLWATCH_ALERT_ON takes at least one of {', '.join(FAIL_AFTER)}: "
            "with none of them no mail would ever come."
        )
    if in_azure and settings.mail_transports == ("folder",):
        raise SettingError(
            "PULLWATCH_MAIL_TRANSPORTS names only folder, whose files nobody gets in Azure; set it to "
            f"{' or '.join(name for name in TRANSPORTS if name != 'folder')}."
        )
    remote = [name for name in settings.mail_transports if name in _TO_MAILBOXES]
    if remote and not settings.mail_to:
        raise SettingError(f"PULLWATCH_MAIL_TRANSPORTS names {remote[0]}; set PULLWATCH_MAIL_TO to who gets the mails.")
    unserved = [name for name in settings.mail_at_least if _GUID.fullmatch(name) and name not in settings.routes]
    if unserved:
        raise SettingError(f"PULLWATCH_MAIL_AT_LEAST names {unserved[0]}, for which PULLWATCH_ROUTES has nobody.")
    if "graph" in settings.mail_transports and "." not in settings.mail_from[0].rpartition("@")[2]:
        raise SettingError("PULLWATCH_MAIL_TRANSPORTS names graph; set PULLWATCH_MAIL_FROM to the mailbox that sends.")
    if "smtp" in settings.mail_transports:
        _refuse_smtp(settings)
    if "webhook" in settings.mail_transports and not settings.webhook_url:
        raise SettingError("PULLWATCH_MAIL_TRANSPORTS names webhook; set PULLWATCH_WEBHOOK_URL to the receiver.")
    for endpoint in (settings.table_endpoint, settings.queue_endpoint):
        if endpoint and not settings.storage and not endpoint.lower().startswith("https://"):
            raise SettingError(
                "AzureWebJobsStorage__tableServiceUri and AzureWebJobsStorage__queueServiceUri take https:// "
                "addresses: tokens are not sent in the clear."
            )
    if in_azure and not settings.storage and not (settings.table_endpoint and settings.queue_endpoint):
        raise SettingError(
            "History and queues have no storage: set AzureWebJobsStorage__tableServiceUri and "
            "AzureWebJobsStorage__queueServiceUri to the addresses of the storage account's services."
        )


def _refuse_smtp(settings: Settings) -> None:
    if not settings.smtp_host:
        raise SettingError("PULLWATCH_MAIL_TRANSPORTS names smtp; set PULLWATCH_SMTP_HOST to the server.")
    if settings.smtp_user and not settings.smtp_password:
        raise SettingError("PULLWATCH_SMTP_USER is set; set PULLWATCH_SMTP_PASSWORD too, or neither.")
    if settings.smtp_user and settings.smtp_tls == "none" and not _is_loopback(settings.smtp_host):
        raise SettingError(
            "PULLWATCH_SMTP_USER signs in, and PULLWATCH_SMTP_TLS is none: the password would be readable on the way; "
            "set PULLWATCH_SMTP_TLS to starttls or tls."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def table() -> str:
    """The settings as a Markdown table, for the README."""
    rows = [f"| `{PREFIX}{s.name}` | {f'`{s.default}`' if s.default else '(empty)'} | {s.doc} |" for s in SETTINGS]
    return "\n".join(["| setting | default | what it does |", "| --- | --- | --- |", *rows])
