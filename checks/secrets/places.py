"""Secrets that are known by where they stand: in a header, an address, a field of a file."""

from __future__ import annotations

from checks.secrets.patterns import (
    BARE,
    OPAQUE,
    OPEN,
    PLACEHOLDER,
    QUOTE,
    QUOTED,
    SCHEMES,
    SENTENCE,
    Shape,
    cased,
    mixed,
    shape,
)

# What follows the word in a sentence.
BEARER_SENTENCE = (
    r"(?:and|are|auth|authentication|authorization|can|cannot|challenges?|credentials?|error|for|from|has|headers?|in|is|"
    r"missing|must|not|of|on|or|realm|required|schemes?|to|tokens?|was|which|with|without)(?![a-z0-9_~+/-])"
)
_HEADERS = (
    shape(
        "Authorization header",
        rf"""(?P<keep>authorization\\*+["']?+\s*+[:=,][\s\[("'\\]*+{SCHEMES})"""
        rf"(?!{SENTENCE}|\[redacted\]|[a-z_]{{1,30}}=)[^\s,;\"'\\\])}}]++",
        "authorization",
    ),
    shape(
        "Authorization header without a scheme",
        rf"""(?P<keep>authorization\\*+["']?+\s*+[:=,][\s\[("'\\]*+)(?!{SCHEMES}){OPAQUE}{{8,}}+""",
        "authorization",
    ),
    shape(
        "credentials behind a scheme",
        r"(?P<keep>\b(?:basic|bearer|negotiate|ntlm|sharedkey(?:lite)?)(?:\s++|%20|\+))"
        r"(?![a-z_]{1,30}=[\"\\])"
        rf"(?:{OPAQUE}{{8,}}+|[A-Za-z0-9._~+/=-]{{18,}}+)",
        *("basic", "bearer", "negotiate", "ntlm", "sharedkey"),
    ),
    # Its parts have to be neither long nor in both cases, as people write them who made a token unreadable.
    shape(
        "bearer token of several parts",
        r"(?P<keep>\bbearer(?:\s++|%20|\+)[\[\"'(]?+)(?!https?:)[a-z0-9_-]{1,4000}+(?:\.[a-z0-9_-]{1,4000}+){2,}+(?![/:\w])",
        "bearer",
    ),
    cased(
        "bearer token of one word",
        rf"(?P<keep>\bBearer\s++)(?!{BEARER_SENTENCE})(?=[a-z0-9._~+/-]*+(?:[\s,;)\]\"']|\Z))[a-z0-9][a-z0-9._~+/-]++",
        "bearer",
    ),
    shape(
        "answer to a challenge",
        rf"(?P<keep>(?<=[\s,])(?:response|signature)=(?:{QUOTE})?+)(?:[0-9a-f]{{32,}}+|{mixed('+/=_-', 16)})",
        *("response=", "signature="),
    ),
    shape(
        "cookie",
        r"""(?P<keep>\b(?:set-)?cookie["']?+\s*+:[\s\["']*+)(?:[^\s;=,"'\[]{1,200}+=[^\s;,"']++(?:;\s*+)?+)++""",
        "cookie",
    ),
)

_ADDRESSES = (
    shape(
        "user part of an address",
        r"(?P<keep>:(?:\\*+/){2})[^/\s\"'<>@\\]*+(?:@(?!sha\d)[^/\s\"'<>@\\]*+)*(?=@(?!sha\d))",
        "@",
    ),
    shape(
        "user part of an address, with a slash in the password",
        r"(?P<keep>:(?:\\*+/){2})[^\s/:@\"'\\]*+:(?!\d{1,5}(?:[/\s\"'?\#]|\Z))[^\s\"'@]{0,500}+(?=@(?!sha\d)|\Z)",
        *("://", ":\\"),
    ),
    shape(
        "user part of an address, percent-encoded",
        r"(?P<keep>%(?:25)*+3A(?:%(?:25)*+2F){2})(?:(?!%(?:25)*+(?:2F|40|22|26))[^\s&\"'/])*+(?=%(?:25)*+40)",
        "%40",
        "25",
    ),
    shape(
        "signature or password in a query",
        r"(?P<keep>[?&](?:amp;|\\*u0026)?(?:x-(?:amz|goog)-(?:signature|security-token)|signature|verify|assertion"
        r"|pass|pw)=)[^\s&\"'<>\\]++",
        *("signature=", "security-token=", "verify=", "assertion=", "pass=", "pw="),
    ),
    shape("key in a query", rf"(?P<keep>[?&](?:amp;|\\*u0026)?key=){OPAQUE}{{16,}}+", "key="),
    shape("key of a function", r"(?P<keep>[?&]code=)[A-Za-z0-9_=/+%-]{16,}+", "code="),
    shape(
        "user part of a host without a scheme",
        rf"(?P<keep>(?<![^\s\"'=(]))[a-z0-9._-]{{1,100}}:(?={OPAQUE})[^\s\"'@/]{{6,200}}+"
        r"(?=@(?!sha\d)(?:[a-z0-9-]++(?:\.[a-z]|:\d)|(?:tcp|unix)\())",
        "@",
    ),
    shape(
        "user and password of Oracle",
        r"(?P<keep>(?::(?:thin|oci8?):|\bsqlplus\s++)[^\s/:@\"']{1,100}/)[^\s@\"']++",
        *(":thin:", ":oci", "sqlplus"),
    ),
    shape(
        "webhook",
        r"(?P<keep>hooks\.slack\.com/[a-z]{1,20}/|webhook\.office\.com/webhookb2/|outlook\.office(?:365)?\.com/webhook/"
        r"|discord(?:app)?\.com/api/webhooks/|api\.telegram\.org/bot)[^\s\"'<>\\]++",
        *("hooks.slack.com/", "office.com/webhook", "office365.com/webhook", "/api/webhooks/", "telegram.org/bot"),
    ),
    shape(
        "signature of a shared access signature",
        rf"""(?P<keep>(?<![a-z])sig(?:=|\\*+["']\s*+:\s*+\\*+["']))(?!{PLACEHOLDER}){BARE}""",
        *("sig=", 'sig"', "sig'", "sig\\"),
    ),
    shape(
        "signature of a shared access signature, percent-encoded",
        r"(?P<keep>(?<![a-z])sig%(?:25)*+3D)(?:(?!%(?:25)*+(?:22|26|3B))[^\s&;\"'])++",
        "sig%",
    ),
)

# A name that gives its object away as a secret's, wherever in it the word stands.
_SECRET_KEY = r"[\w.-]{0,60}?(?:pass|pwd|secret|token|key|credential|connection)"
_FIELDS = (
    shape("sign-in of SMTP", r"(?P<keep>\bauth\s+(?:plain|login)\s+)[A-Za-z0-9+/=]{8,}+", "auth"),
    shape(
        "short name of a password or assertion",
        rf"(?P<keep>(?<![a-z0-9_.-])(?:assertion|pass|pw)=[\"']?+)(?!{PLACEHOLDER}){OPAQUE}{{6,}}+",
        *("assertion=", "pass=", "pw="),
    ),
    shape(
        "short name of a password in YAML",
        rf"(?P<keep>(?<![a-z0-9_.-])(?:pass|pw):\s++[\"']?+)(?!{PLACEHOLDER}){mixed('~!@#$%^&*_+=-', 8)}",
        *("pass:", "pw:"),
    ),
    shape(
        "auth of a Docker configuration in YAML",
        rf"(?P<keep>(?<![a-z])auth:\s++)(?:[A-Za-z0-9+/]{{6,}}+={{1,2}}|{OPAQUE}{{8,}}+\Z)",
        "auth:",
    ),
    # In lower case it could be an image and its tag.
    cased(
        "auth of a Docker configuration, as Go prints it",
        rf"(?P<keep>(?<![A-Za-z-])Auth:(?:{QUOTE})?+)(?=[A-Za-z+/]*+[0-9=])[A-Za-z0-9+/]{{8,}}+={{0,2}}",
        "auth:",
    ),
    shape(
        "auth of a Docker configuration in TOML",
        rf"(?P<keep>(?<![a-z])auth\s*+=\s*+(?:{QUOTE})?+)(?=[a-z+/]*+[0-9=])[A-Za-z0-9+/]{{12,}}+={{0,2}}",
        *("auth =", "auth="),
    ),
    shape(
        "auth of a Docker configuration",
        rf"""(?P<keep>["'](?:auth|otp)\\*+["']\s*+[:=]\s*+{OPEN})(?!{PLACEHOLDER}){QUOTED}""",
        *('auth"', "auth'", "auth\\", 'otp"', "otp'", "otp\\"),
    ),
    # "pass" is how a check ends too.
    cased(
        "short name of a password in JSON",
        rf"(?P<keep>(?:[a-z]P|[\"']p)ass{QUOTE}\s*+:\s*+{QUOTE})(?!{PLACEHOLDER}){OPAQUE}{{6,}}+",
        *('pass"', "pass'", "pass\\"),
    ),
    shape(
        "value of an object with the name behind it",
        rf"""(?P<keep>value{QUOTE}\s*+:\s*+{OPEN})(?!{PLACEHOLDER})(?:(?!(?P=slashes)(?P=quote)).){{1,4000}}+
            (?={QUOTE}\s*+,\s*+{QUOTE}(?:name{QUOTE}\s*+:\s*+{QUOTE}{_SECRET_KEY}|key_?name{QUOTE}))""",
        "value",
    ),
    shape(
        "one of an Azure resource's keys",
        rf"""(?P<keep>\bkey_?name{QUOTE}\s*+:\s*+{QUOTE}[^"'\\]{{0,80}}+{QUOTE}\s*+,
            (?:\s*+{QUOTE}permissions{QUOTE}\s*+:\s*+{QUOTE}[^"'\\]{{0,40}}+{QUOTE}\s*+,)?+
            \s*+{QUOTE}value{QUOTE}\s*+:\s*+{OPEN}){QUOTED}""",
        *("keyname", "key_name"),
    ),
    shape(
        "private key of a Kubernetes Secret",
        rf"(?P<keep>(?:[a-z0-9]\.key|ssh-privatekey):\s++){mixed('+/', 16)}={{0,2}}",
        *(".key:", "ssh-privatekey:"),
    ),
    shape(
        "password of netrc",
        rf"(?P<keep>\bmachine\s++\S{{1,200}}+\s++login\s++\S{{1,200}}+\s++password\s++)(?!{PLACEHOLDER})\S++",
        "machine",
    ),
    shape(
        "user and password of a sentence",
        rf"(?P<keep>\bcredentials?\s++[\"'(]?+[^\s:/@\"'(]{{1,100}}+:)(?!{PLACEHOLDER}){OPAQUE}{{8,}}+",
        "credential",
    ),
)

PLACES: tuple[Shape, ...] = (*_HEADERS, *_ADDRESSES, *_FIELDS)
