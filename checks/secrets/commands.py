"""Secrets that are known by their place on a command line."""

from __future__ import annotations

from checks.secrets.names import SECRET_NAMES
from checks.secrets.patterns import BARE, OPAQUE, OPEN, PLACEHOLDER, QUOTED, Shape, shape

_VALUE = rf"(?(quote){QUOTED}|{BARE})"

COMMANDS: tuple[Shape, ...] = (
    shape(
        "password of a sign-in",
        rf"""(?P<keep>\blogin(?:\s++[^\s;|&]{{1,300}}+){{0,8}}?\s++-p[=\s]*+(?!{PLACEHOLDER})(?:{OPEN})?+){_VALUE}""",
        "login",
    ),
    shape(
        "password that a sign-in reads",
        rf"""(?P<keep>\b(?:echo|printf)\s++(?:-n\s++|["']?%s["']?\s++)?+(?!{PLACEHOLDER})(?:{OPEN})?+)
            (?(quote)(?:(?!(?P=quote))[^|\n]){{1,500}}+(?=["']\s*+\|)|[^\s;&|"'\\]{{1,500}}+(?=\s*+\|))
            (?=["']?\s*+\|\s*+(?:sudo\s++)?+
            (?:docker|podman|nerdctl|helm|oras|az|buildah|skopeo|crane|regctl|notation)\s)""",
        *("echo", "printf"),
    ),
    shape(
        "user of curl and ctr",
        rf"""(?P<keep>\b(?:curl|ctr)(?:\s++[^\s;|&]{{1,300}}+){{0,12}}?\s++(?:-u|--user)[=\s]*+(?:{OPEN})?+
            [^\s:"']{{0,100}}+:)(?!{PLACEHOLDER}){_VALUE}""",
        *("curl", "ctr"),
    ),
    shape(
        "credentials of crictl, podman and skopeo",
        rf"""(?P<keep>--(?:[a-z]{{1,12}}+-)?+creds[=\s]++(?:{OPEN})?+[^\s:"']{{1,100}}+:)(?!{PLACEHOLDER}){_VALUE}""",
        "creds",
    ),
    shape("auth of crictl", rf"(?P<keep>--auth[=\s]++[\"']?+)(?!{PLACEHOLDER}){OPAQUE}{{8,}}+", "--auth"),
    shape(
        "value of a Kubernetes Secret",
        rf"""(?P<keep>--from-literal[=\s]++["']?+[^\s="']{{1,253}}+=)(?!{PLACEHOLDER})(?:{OPEN})?+{_VALUE}""",
        "--from-literal",
    ),
    shape(
        "option",
        rf"""(?P<keep>--(?:[a-z]++-)*(?:{SECRET_NAMES}|token)\s++(?!-|{PLACEHOLDER})(?:{OPEN})?+){_VALUE}""",
        "--",
    ),
    shape(
        "parameter of PowerShell",
        rf"""(?P<keep>(?<![\w-])-[a-z]{{0,20}}?(?:password|passphrase|pwd)\ ++(?![-$(]|{PLACEHOLDER})(?:{OPEN})?+)
            {_VALUE}""",
        *("password ", "passphrase ", "pwd "),
    ),
    shape(
        "secret parameter of PowerShell",
        rf"(?P<keep>(?<![\w-])-[a-z]{{0,20}}?(?:secret|token|key)\ ++[\"']?+)(?![-$(/.]|{PLACEHOLDER}){OPAQUE}{{16,}}+",
        *("secret ", "token ", "key "),
    ),
    shape(
        "text that becomes a secure string",
        rf"""(?P<keep>convertto-securestring\s++(?:-string\s++)?+(?![-$(]|{PLACEHOLDER})(?:{OPEN})?+){_VALUE}""",
        "convertto-securestring",
    ),
    shape(
        "password of a network drive",
        rf"(?P<keep>(?<=\s)/user:\S{{1,100}}+\s++)(?!/|\*|{PLACEHOLDER}){OPAQUE}{{8,}}+",
        "/user:",
    ),
)
