"""Secrets that are known by their own form, wherever they stand."""

from __future__ import annotations

from checks.secrets.patterns import BREAK, Shape, cased

_TOKENS = (
    *("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "gloas-"),
    *("dckr_", "npm_", "xox", "akcp", "aiza", "ya29.", "k_live_", "k_test_", "whsec_"),
)

FORMS: tuple[Shape, ...] = (
    cased(
        "private key (PEM)",
        r"-----BEGIN(?:[A-Z0-9\ +]|%20){0,40}PRIVATE(?:\ |\+|%20)KEY"
        r".*?(?:-----END(?:[A-Z0-9\ +]|%20){0,40}KEY(?:(?:\ |\+|%20)BLOCK)?-----|\Z)",
        "private",
    ),
    cased(
        "private key (PEM) that lost its first line",
        rf"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/=]{{40,}}+{BREAK}{{1,4}}+(?=[A-Za-z0-9+/=])){{0,70}}+[A-Za-z0-9+/=]++"
        rf"(?={BREAK}{{0,4}}+-----END[A-Z0-9\ ]{{0,40}}\ KEY)",
        "-----end",
    ),
    cased("private key of PuTTY", r"(?P<keep>Private-Lines:).*?(?=Private-(?:MAC|Hash)|\Z)", "private-lines:"),
    cased("PEM in base64", r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]*+", "ls0tls1crudjti"),
    # base64 of '{"': a JSON web token, with or without its signature, and a Docker configuration too.
    cased("JSON web token", r"eyJ[A-Za-z0-9_+/-]{8,}+=*+(?:\.[A-Za-z0-9_-]*+)*+", "eyj"),
    cased("client secret of Microsoft Entra ID", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{8,}+", "q~"),
    cased(
        "personal access token",
        r"(?:gh[opsur]_|github_pat_|gl(?:pat|dt|rt|ptt|cbt|oas)-|dckr_[a-z]{1,8}_|npm_|xox[abeprs]-|AKCp|AIza|ya29\."
        r"|[rs]k_(?:live|test)_|whsec_)[A-Za-z0-9_-]{16,}+",
        *_TOKENS,
    ),
    # Their marks are short: names of images and hosts have them too, though no upper-case letters.
    cased(
        "token with a short mark",
        r"(?<![A-Za-z0-9])(?:hf_|hv[brs]\.|sk-(?:proj|ant|svcacct|admin)-|SG\.|pypi-AgE)(?=[a-z0-9_.-]*+[A-Z])"
        r"[A-Za-z0-9_-]{14,}+(?:\.[A-Za-z0-9_-]*+)*+",
        *("hf_", "hvb.", "hvr.", "hvs.", "sk-proj-", "sk-ant-", "sk-svcacct-", "sk-admin-", "sg.", "pypi-age"),
    ),
    cased("token of Databricks", r"(?<![A-Za-z0-9])dapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    cased("token of Azure DevOps", r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]{60,100}AZDO)[A-Za-z0-9]++", "azdo"),
    cased("key of age", r"AGE-SECRET-KEY-[A-Z0-9]++", "age-secret-key-"),
    cased(
        "hash of a password",
        r"\$(?:2[abxy]|apr1|[156y]|argon2id?)\$[A-Za-z0-9./$=,]{20,}+",
        *("$2a$", "$2b$", "$2x$", "$2y$", "$apr1$", "$1$", "$5$", "$6$", "$y$", "$argon2i"),
    ),
    # Keys of Storage (+ASt), Service Bus (+ASb), Event Hubs (+AEh), registries (+ACR) and others end so.
    cased(
        "key of an Azure resource",
        r"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]*?\+A(?:St|Sb|Eh|Rm|CR|Ba|MC|Io))[A-Za-z0-9+/]{32,}+={0,2}",
        *("+ast", "+asb", "+aeh", "+arm", "+acr", "+aba", "+amc", "+aio"),
    ),
    cased(
        "padded base64",
        r"(?<![A-Za-z0-9+/])(?=[A-Za-z+/]*[0-9])(?=[a-z0-9+/]*[A-Z])[A-Za-z0-9+/]{42,}+={1,2}(?![A-Za-z0-9=])",
        "=",
    ),
)
