"""Texts that hold secrets, one per shape and spelling: each has a canary of its own that must be found nowhere."""

from __future__ import annotations

import base64

# What stands in for the canary below; a canary is letters and digits in both cases, as tokens are.
_HERE = "CANARY"
_SPELLINGS = {
    "bearer header": "GET /api HTTP/1.1 Authorization: Bearer CANARY Accept: */*",
    "bearer header of Go": "headers map[Accept:[*/*] Authorization:[Bearer CANARY]]",
    "bearer header in JSON": '{"headers":{"Authorization":["Bearer CANARY"]}}',
    "bearer in escaped JSON": 'sent {\\"Authorization\\": \\"Bearer CANARY\\"} back',
    "bearer, percent-encoded": "authorization=Bearer%20CANARY&x=1",
    "bearer alone": "the header 'bearer CANARY' is not accepted",
    "basic header": "Authorization: Basic CANARY==",
    "proxy header": "Proxy-Authorization: Negotiate CANARY",
    "header without a scheme": "Authorization: CANARY",
    "registry header": "X-Registry-Auth: CANARY",
    "registry header of Go": '"X-Registry-Auth:[CANARY]"',
    "cookie": "Set-Cookie: session=CANARY; Path=/",
    "token": "got eyJhbGciOiJSUzI1NiJ9.CANARY.CANARY back",
    "token without a signature": "got eyJhbGciOiJub25lIn0.CANARY back",
    "token cut short": "got eyJCANARY",
    "refresh token of a registry": '{"refresh_token":"CANARY"}',
    "access token in a form": "grant_type=refresh_token&refresh_token=CANARY&service=x",
    "client secret by its shape": "the secret abc8Q~CANARY.x~y_z-CANARY has expired",
    "client secret by its name": "client_secret=CANARY&scope=x",
    "personal access token": "ghp_CANARYCANARY of ghcr.io",
    "password in JSON": '{"username":"web","password":"CANARY"}',
    "password with quotes in JSON": '{"password": "a\\"CANARY\\"b", "x": 1}',
    "password in escaped JSON": '"{\\"password\\":\\"CANARY\\"}"',
    "password in JSON escaped twice": '{\\\\\\"password\\\\\\": \\\\\\"CANARY\\\\\\"}',
    "password of Python": "{'username': 'web', 'password': 'CANARY'}",
    "password in a list": '{"password":["CANARY"]}',
    "password between entities": "&quot;password&quot;:&quot;CANARY&quot;",
    "password in a query": "GET /login?password=CANARY&user=web",
    "password in a query, encoded": "redirect_uri=https%3A%2F%2Fx%2F%3Fpassword%3DCANARY%26y%3D1",
    "password in JSON, encoded": "%7B%22password%22%3A%22CANARY%22%7D",
    "password in YAML": "username: web password: CANARY",
    "password in a sentence": "the password is CANARY.",
    "password in a sentence with quotes": "with the password 'CANARY twice'",
    "password with spaces": 'password="two words CANARY"',
    "password of Go": "{map[password:CANARY username:web]}",
    "password as an option": "docker login --username web --password CANARY contoso.azurecr.io",
    "password in an environment": '{"name":"REGISTRY_PASSWORD","value":"CANARY"}',
    "passwords of a registry": '{"passwords":[{"name":"password2","value":"CANARY"}]}',
    "key of a storage account": "AccountName=x;AccountKey=CANARY/+==;EndpointSuffix=core.windows.net",
    "key of a service bus": "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=CANARY=",
    "key by its shape": "the key CANARYCANARYCANARY+AStCANARY== is not valid",
    "signature": "https://x.blob.core.windows.net/c?sv=2024&sig=CANARY%2F&se=2026",
    "signature in JSON": "https://x.blob.core.windows.net/c?sv=2024\\u0026sig=CANARY\\u0026se=2026",
    "instrumentation": "InstrumentationKey=CANARY;IngestionEndpoint=https://x/",
    "key of a function": "https://x.azurewebsites.net/api/checks?code=CANARYCANARY==",
    "address with a password": 'Get "https://web:CANARY@contoso.azurecr.io/v2/": EOF',
    "address with a token": "https://CANARY@contoso.azurecr.io/v2/",
    "address with signs in the password": "https://web:a@CANARY@contoso.azurecr.io/v2/",
    "address with a slash in the password": 'parse "https://web:a/CANARY@contoso.azurecr.io": invalid port',
    "address in escaped JSON": "https:\\/\\/web:CANARY@contoso.azurecr.io",
    "address in JSON escaped twice": "https:\\\\/\\\\/web:CANARY@contoso.azurecr.io",
    "address, percent-encoded": "https%3A%2F%2Fweb%3ACANARY%40contoso.azurecr.io%2Fv2",
    "auth of a Docker configuration": '{"auths":{"contoso.azurecr.io":{"auth":"CANARY=="}}}',
    "Docker configuration in base64": ".dockerconfigjson: CANARY",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIICANARY\n-----END RSA PRIVATE KEY----- of x",
    "private key in JSON": '"-----BEGIN PRIVATE KEY-----\\nCANARY\\n-----END PRIVATE KEY-----\\n"',
    "private key cut short": "-----BEGIN PRIVATE KEY-----\nCANARY",
    "private key in base64": f"client-key-data: {base64.b64encode(b'-----BEGIN PRIVATE KEY').decode()}CANARY",
    "password in an environment of Python": "{'name': 'REGISTRY_PASSWORD', 'value': 'CANARY'}",
    "passwords of a registry of Python": "{'passwords': [{'name': 'password2', 'value': 'CANARY'}]}",
    "signature of S3": "Get https://bucket.s3.amazonaws.com/x?X-Amz-Date=1&X-Amz-Signature=CANARY&x=1: 403",
    "signature of Google": "https://storage.googleapis.com/x?X-Goog-Signature=CANARY",
    "signature of CloudFront": "https://d1.cloudfront.net/x?Expires=1&Signature=CANARY&Key-Pair-Id=K",
    "signature of Docker Hub": "https://production.cloudflare.docker.com/x?verify=CANARY",
    "short password in a query": "GET https://host.example/?user=a&pass=CANARY",
    "password in XML": "<user>web</user><password>CANARY</password>",
    "sign-in of SMTP": "unrecognized command: AUTH PLAIN CANARY",
    "key of JFrog": "key AKCpCANARYCANARY is not valid",
    "token of npm": "npm_CANARYCANARY is not valid",
    "short password by its name": "connect user=a pw=CANARY host=b",
    "assertion by its name": "body was assertion=CANARY",
    "auth of a Docker configuration in YAML": "auths: contoso.azurecr.io: auth: CANARY==",
    "password of docker login": "RUN docker login -u web -p CANARY contoso.azurecr.io",
    "password of helm's registry login": "helm registry login contoso.azurecr.io --username web -p 'CANARY'",
    "user of curl": "curl -fsS -u web:CANARY https://contoso.azurecr.io/v2/",
    "user of curl, in quotes": 'curl --user "web:CANARY" https://contoso.azurecr.io/v2/',
    "password in an environment in YAML": "env: - name: REGISTRY_PASSWORD value: CANARY",
    "password in an environment in YAML, in lines": 'env:\n- name: DB_PASSWORD\n  value: "CANARY"\n',
    "password in an environment of Go": "Env:[{Name:DB_PASSWORD Value:CANARY ValueFrom:nil}]",
    "password in YAML with a space": "username : web password : CANARY",
}


def _canary(index: int) -> str:
    return f"cNry{index:02}x7Qz9Lm4Tk"


CANARIES = {name: _canary(index) for index, name in enumerate(_SPELLINGS)}
TEXTS = {name: text.replace(_HERE, CANARIES[name]) for name, text in _SPELLINGS.items()}


def leaks(shown: str) -> list[str]:
    """The names of the texts whose canary is found in what is shown."""
    return [name for name, canary in CANARIES.items() if canary in shown]
