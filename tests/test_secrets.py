"""Secrets in other people's text: each spelling is redacted, what people need is not, hostile text costs little."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.text import MAX_LINE, one_line, redacted
from tests.support.sampling import sampled
from tests.support.secret_texts import CANARIES, TEXTS, leaks

GUID = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
DIGEST = "sha256:" + "0123456789abcdef" * 4
SCOPE = f"/subscriptions/{GUID}/resourceGroups/rg1Prod/providers/Microsoft.ContainerRegistry/registries/acrone"
NORMAL = [
    f"contoso.azurecr.io/team/web:1.2@{DIGEST}",
    f"docker://contoso.azurecr.io/team/web:1@{DIGEST}",
    "forgot-password:1.4.2",
    'Failed to pull image "contoso.azurecr.io/team/auth-token:Release2024": not found',
    'Failed to pull image "contoso.azurecr.io/team/password:v2": not found',
    f"az role assignment create --assignee-object-id {GUID} --role AcrPull --scope {SCOPE}",
    'kubectl create secret docker-registry regcred --docker-username web --docker-password "$PASSWORD"',
    "kubectl create secret docker-registry regcred --docker-username '<user name>' --docker-password '<password>'",
    f"az aks update-credentials --service-principal {GUID} --client-secret '<the new secret>'",
    "az acr import --image x:1 --username '<token>' --password '<its password>' --force",
    "az acr login --name acrone --username web --password-stdin",
    "az acr token create --registry acrone --name pull --repository team/web content/read",
    'secrets "regcred" not found',
    'couldn\'t find the secret "default/acr-token": secrets "acr-token" not found',
    "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
    "unauthorized: incorrect username or password: unauthorized",
    "failed to authorize: failed to fetch oauth token: unexpected status from GET request to "
    "https://contoso.azurecr.io/oauth2/token?scope=repository%3Ateam%2Fweb%3Apull&service=contoso.azurecr.io: 401",
    "failed to fetch anonymous token: unexpected status: 403 Forbidden",
    'Www-Authenticate: Bearer realm="https://contoso.azurecr.io/oauth2/token",service="contoso.azurecr.io"',
    "no basic auth credentials; basic authentication is off; the bearer token is missing",
    "repository does not exist or may require authorization: server message: insufficient_scope",
    "the token is expired, the secret is missing and the password is wrong or has expired",
    "AADSTS7000222: The provided client secret keys for app '{GUID}' are expired.",
    "rpc error: code = Unknown desc = x509: certificate signed by unknown authority",
    "Get https://contoso.azurecr.io:443/v2/: dial tcp: lookup contoso.azurecr.io on 10.0.0.10:53: no such host",
    "Microsoft.Authorization/roleAssignments/write, Microsoft.ContainerService/managedClusters/secrets/read",
    "AuthorizationFailed: The client 'web' with object id '" + GUID + "' does not have authorization",
    "https://vault.vault.azure.net/secrets/hub-password/0123456789abcdef0123456789abcdef",
    "docker login -u web -p '<password>' contoso.azurecr.io; curl -u web:$TOKEN https://contoso.azurecr.io/v2/",
    "env: - name: REGISTRY_PASSWORD valueFrom: secretKeyRef: name: regcred key: password",
    "Env:[{Name:DB_PASSWORD Value: ValueFrom:&EnvVarSource{SecretKeyRef:nil}}] pass=3 fail=2 auth: required",
    "az login failed; kubectl port-forward -p 8080; the login of curl -u is missing",
    "PULLWATCH_SMTP_PASSWORD takes a text; mail to ops@example.com, web:1 or user@host",
    "secret-accepted access-token-error refresh-token-error www-authenticate-error",
    "secret: app-Secrets9 not found; Secret=default/regcred1A; secret: app-Secrets9 was not found",
    'pod="default/web" secret="default/regcred" err="not found"',
    "pod pwd: /home/app, PWD=/workspace/src",
    'couldn\'t find key DB_PASSWORD in Secret default/app-secrets; error: secret "my-Secret-4F" not found',
    "error: password authentication failed for user web; token: node123; registry token: 401",
    "access token: expired at 2026-11-27T10:00:00Z; name: regcred, key: Password1; secretName: tls-Secret2026",
    "tokens: MyToken1; the token MyPullTokenOfTeam2026 of the registry; secret team-Secret-of-the-web-2026",
    "crictl pull --creds web:$TOKEN x; skopeo copy --src-creds 'web:<password>' docker://a docker://b",
    'echo "$PASSWORD" | docker login contoso.azurecr.io -u web --password-stdin; echo done | tee log',
    "docker run --user 1000:1000 x; ctr images pull --user web:$TOKEN x; kubectl auth can-i --auth none",
    "Connect-AzContainerRegistry -Password $password; ConvertTo-SecureString $text -AsPlainText; x -Key",
    "kubectl create secret generic x --from-literal=password='<password>' --from-literal=user=$NAME",
    '{"networkAcls":{"bypass":"AzureServices"},"value":"Premium_LRS2024","name":"sku"}',
    "<name>web</name><password></password> -p <password> --yes <token>",
    '"rows": {"access": {"pass": 1}}, {"pass": "green", "fail": "red"}, "bypass": "AzureServices", "pass":"#1a7f37"',
    "the header `x-functions-key` instead of the query; `password` | (empty) | the password `",
    "openssl req -key /etc/kubernetes/PKI/Server1.key; pulled contoso.azurecr.io/team/user:1.2 Status401Error; pass: 3",
    'status=403, response=https://contoso.azurecr.io/v2/Team1/manifests, pass: all; {"sku":{"value":"Premium1"}}',
    "if token == nil, password != null; password: |",
    "a test_pass; the pass-through; 3 pass, response=Forbidden",
    "hf_hub, hvs.contoso-registry.example, pypi-server:1.2, sk-contoso, gldt-, SG.x",
    'https://hooks.example/services/T0000, admission webhook "x" denied the request',
    'open /etc/tls.key: permission denied; "key":"tls.key"; the credentials acr:5000; machine 7 login',
    f"{'Ab1+' * 16} is no key; -----END CERTIFICATE-----",
    "the secret `regcred` in the namespace `web`; the token `pull` was provided; password provided: none",
    "https://contoso.azurecr.io/v2/team/key?key=name&n=1; auth = none; Auth:NotFound; auth:Release2024",
    "Bearer tokens of Entra; Bearer authentication; Bearer: missing; Bearer scheme, the bearer of contoso.azurecr.io",
    "Bearer is not taken, the bearer a.b is none",
    "identity-header-proxy:2; device code; the assertion is within its validity period; assertion: failed",
]


@pytest.mark.parametrize("name", TEXTS)
def test_every_spelling_loses_its_secret_and_only_that(name: str) -> None:
    shown = redacted(TEXTS[name])
    assert not leaks(shown)
    assert "[redacted]" in shown
    assert redacted(shown) == shown, "what is redacted stays as it is"
    surrounded = redacted(f"the image contoso.azurecr.io/web:1: {TEXTS[name]}")
    assert surrounded.startswith("the image contoso.azurecr.io/web:1: ") and not leaks(surrounded)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("weird Bearer abc.def.ghi at the end", "weird Bearer [redacted] at the end"),
        ("weird bearer abc.def.ghi", "weird bearer [redacted]"),
        ("sent 'Bearer hunter' and got nothing", "sent 'Bearer [redacted]' and got nothing"),
        ("Authorization: Basic xyz", "Authorization: Basic [redacted]"),
    ],
)
def test_a_credential_that_is_short_and_in_lower_case_is_one_behind_its_scheme(text: str, shown: str) -> None:
    assert redacted(text) == redacted(shown) == shown


# What makes a secret of these comes after it: "web@host" without its end could be any word.
NEED_THEIR_END = {
    "address with a token",
    "address with signs in the password",
    "address, percent-encoded",
    "key by its shape",
    "password on the standard input",
    "password in quotes on the standard input",
    "value before its name",
    "key before its name",
    "address of MySQL",
    "host without a dot",
    "private key without its first line",
}


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - NEED_THEIR_END))
def test_a_text_that_was_cut_anywhere_does_not_show_a_whole_secret(name: str) -> None:
    text, canary = TEXTS[name], CANARIES[name]
    first_whole = text.index(canary) + len(canary)
    assert not [end for end in range(first_whole, len(text) + 1) if canary in redacted(text[:end])]


@pytest.mark.parametrize("text", NORMAL)
def test_what_people_need_is_not_redacted(text: str) -> None:
    assert redacted(text) == text


def test_a_line_is_cut_after_it_is_redacted() -> None:
    text = f"{'x' * (MAX_LINE - 30)} https://web:{'s3cret' * 20}@contoso.azurecr.io"
    assert "s3cret" not in one_line(text)
    assert len(one_line(text)) <= MAX_LINE


@given(st.text(max_size=60), st.sampled_from(sorted(TEXTS)), st.text(max_size=60))
def test_what_stands_around_a_secret_does_not_save_it(before: str, name: str, after: str) -> None:
    assert not leaks(redacted(f"{before} {TEXTS[name]} {after}"))


HOSTILE = (
    *("password", "password=", "password: ", 'password":"', "password is ", 'name","value', "\\", '\\"', "'", " "),
    *("://", "://a:b", "://a@", "user@", "%25", "%3A%2F%2F", "password%3D", "authorization:", "Authorization: Bearer "),
    *(
        "basic ",
        "bearer a",
        "bearer a.",
        "Bearer a",
        "cookie: a=",
        "cookie:",
        "eyJ",
        "eyJaaaaaaaaaa.",
        "-----BEGIN",
        "-----BEGIN PRIVATE KEY-----",
    ),
    *(
        "&quot;",
        "password&quot;:&quot;",
        "--a-",
        "--password ",
        "token: aaaaaaaaaaaa",
        "=",
        "A1/+ASt",
        "1Q~",
        "?code=a",
    ),
    *("[password:", "A" * 41 + "=", "pwd", "key", "sig=", '"auth":', "Aa1"),
    *("A" * 41 + " ", "-----END A KEY-----" + "A" * 41 + " ", "Private-Lines:", "SG.", "sk-ant-a", "$2a$", "1AZDO"),
    *(
        'value":"',
        'value":"a","name":"',
        'keyname":"a","value":"',
        "echo ",
        "echo a|",
        "ctr a ",
        "--creds a:",
        "--a-creds ",
    ),
    *("-a-password ", "-password ", "/user:a ", "machine a login a password ", "credential a", "response=", ":thin:a/"),
    *("password: | ", "password: !!a ", "password `", "token a1", "token 1", "password>", "password>a", "secret: a "),
    *("secret=a/", "pass", "_pass", "_pw", "hooks.slack.com/a/", "auth=a", "Auth:a", "a.key: a", "secret provided: a"),
)


@pytest.mark.parametrize("unit", sampled(HOSTILE, 4))
@pytest.mark.parametrize("end", [pytest.param("", marks=pytest.mark.matrix), '"!'])
def test_a_hostile_text_costs_time_in_proportion_to_its_length(unit: str, end: str) -> None:
    text = unit * (300_000 // len(unit)) + end
    started = time.process_time()
    redacted(text)
    assert time.process_time() - started < 4, "it takes less than half a second where time is linear, else minutes"


def test_a_password_before_a_host_without_a_scheme_is_redacted_and_no_tag_or_digest() -> None:
    """Cut before the "@" it is told from no tag: only whole it has a shape."""
    shown = redacted("pull web:x7Qz9Lm4Tk@contoso.azurecr.io/x:1")
    assert "x7Qz9Lm4Tk" not in shown
    assert shown.endswith("[redacted]@contoso.azurecr.io/x:1")
    for image in ("contoso.azurecr.io/web:V1.2-RC9", "web:V1@sha256:" + "0aF" * 20, "mailto:Ops7@contoso.example"):
        assert redacted(image) in (image, "mailto:[redacted]@contoso.example")
