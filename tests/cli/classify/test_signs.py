"""What makes a text one of a pull: phrases of those who pull and of registries, not words that others use too."""

# ruff: noqa: E501
from __future__ import annotations

import json
from typing import Any

import pytest

from checks.rules.pull.errors import has_sign_of_a_pull
from tests.support.classified import IMAGE, NOT_FOUND, classified, event, printed

OF_OTHERS = (
    # Package managers, whose sources are "registries" as well.
    "npm ERR! 404 Not Found - GET https://registry.npmjs.org/foo - Not found",
    "npm error 401 Unauthorized - GET https://registry.npmjs.org/@acme%2fx",
    "npm ERR! request to https://registry.npmjs.org/x failed, reason: getaddrinfo ENOTFOUND registry.npmjs.org",
    "npm ERR! 403 Forbidden - GET https://us-npm.pkg.dev/contoso/npm/x",
    "Error: Failed to query available provider packages: could not connect to registry.terraform.io: dial tcp: i/o timeout",
    "pip: THESE PACKAGES DO NOT MATCH THE HASHES: expected sha256:abc: not found",
    # APIs of the second version, and queues, repositories, settings and secrets that are "pulled" or "registered".
    'Get "https://api.example.com/v2/orders": dial tcp: lookup api.example.com: no such host',
    "POST https://shop.example.com/v2/payments: 401 Unauthorized",
    "GET https://login.contoso.example/oauth2/token?scope=orders.read: 401 Unauthorized",
    "ERROR consumer failed to pull message from pubsub: context deadline exceeded",
    "failed to pull config from https://config.corp/v1: 404 not found",
    "Failed to create pull request: 403 Forbidden",
    "git pull: fatal: unable to access 'https://github.com/acme/x.git/': Could not resolve host: github.com",
    "git pull failed: Could not resolve host: github.com",
    "error: failed to pull some refs: fatal: unable to access 'https://github.com/acme/x.git/': Could not resolve host: github.com",
    "com.netflix.discovery: Cannot execute request on any known server, registry http://eureka:8761 Connection refused",
    "io.confluent: Schema registry http://schema-registry:8081 connection refused",
    "Error fetching secret from https://vault.corp/v1/registry/creds: 403 permission denied",
    "az acr build: ERROR: (ResourceNotFound) The Resource 'Microsoft.ContainerRegistry/registries/a' was not found",
    r"Registry key HKLM\Software not found",
    "nn: layer conv2d not found in manifest",
    "failed to extract archive: write /data/x: no space left on device",
    'could not render image "cat.png": 404 not found',
    "openapi: failed to resolve reference '#/components/x': not found",
    "snapshot restore: dial tcp 10.0.0.5:9200: connect: connection refused",
    "Error response from daemon: No such container: web: not found",
    # Pushes.
    "denied: requested access to the resource is denied: failed to push image a.azurecr.io/x:1",
    "docker push a.azurecr.io/x:1: unauthorized: authentication required",
    # Somebody's own words.
    "How do I create a role for the kubelet to pull from acr? I read about 401 Unauthorized errors",
    # Kubelet's own trouble: its runtime is down, its disk is full.
    '"Failed to get image status" err="rpc error: code = Unknown desc = connection refused" image="a.azurecr.io/x:1"',
    "kubelet: eviction manager: must evict pod(s) to reclaim ephemeral-storage; no space left on device",
)  # fmt: skip


@pytest.mark.parametrize("line", OF_OTHERS)
def test_an_error_of_something_else_is_no_pull_error_whatever_words_it_shares(line: str) -> None:
    for given in (f"{NOT_FOUND}\n\n{line}\n", f"{NOT_FOUND}\n\n2026-11-28T15:00:00Z {line}\n"):
        assert classified(given).causes == ["image_not_found"]


OF_PULLS = (
    ('Error response from daemon: Get "https://host.contoso.example/v2/": dial tcp: lookup host.contoso.example: no such host', "dns"),
    ('Get "https://reg.contoso.example/v2/web/manifests/1": dial tcp 10.0.0.5:443: connect: connection refused', "connect_refused"),
    ("GET https://reg.contoso.example/v2/team/web/blobs/sha256:ab: 401 Unauthorized", "unauthorized"),
    ("https://reg.contoso.example/oauth2/token?service=x&scope=repository%3Aweb%3Apull: 401 Unauthorized", "unauthorized"),
    ("crictl: dial tcp 10.0.0.5:443: i/o timeout", "connect_timeout"),
    ("pinging container registry reg.contoso.example: i/o timeout", "connect_timeout"),
    ("failed to pull contoso.azurecr.io/web:1: 401 Unauthorized", "unauthorized"),
    ("failed to pull web:1: no such host", "dns"),
    ("error pulling image configuration: download failed after attempts=6: i/o timeout", "connect_timeout"),
    ("Back-off pulling image web:1: ErrImagePull: 401 Unauthorized", "unauthorized"),
)  # fmt: skip


@pytest.mark.parametrize(("line", "cause"), OF_PULLS)
def test_a_phrase_of_those_who_pull_makes_a_pull_error(line: str, cause: str) -> None:
    assert classified(line).causes == [cause]


def test_the_scope_of_a_push_is_no_sign_against_a_pull() -> None:
    text = "https://reg.contoso.example/token?scope=repository:web:pull,push: failed to fetch anonymous token"

    assert has_sign_of_a_pull(text)
    assert not has_sign_of_a_pull(f"failed to push: {text}")


def of(kind: str, name: str, message: str, reason: str) -> dict[str, Any]:
    found = event(message, reason)
    found["involvedObject"] = {"kind": kind, "namespace": "prod", "name": name}
    return found


OTHER_EVENTS = (
    ("Application", "SyncFailed", "failed to pull config from https://c/v1: 404 not found"),
    ("Application", "Failed", "failed to pull config from https://c/v1: 404 not found"),
    ("Job", "Failed", "Job failed: dial tcp: i/o timeout registry"),
    ("Job", "Failed", "Job failed: lookup contoso.azurecr.io: no such host"),
    ("Pod", "Failed", "Error: context deadline exceeded"),
    ("Pod", "CreateContainerError", "context deadline exceeded"),
    ("Pod", "FailedSync", "error determining status: connection refused"),
)


@pytest.mark.parametrize(("kind", "reason", "message"), OTHER_EVENTS)
def test_events_of_controllers_and_of_a_containers_start_are_no_pull_errors(
    kind: str, reason: str, message: str
) -> None:
    found = of(kind, "x", message, reason)
    row = f"prod   1m   Warning   {reason}   {kind.lower()}/x   {message}"
    for given in (printed(found), f"{printed(found, indent=None)}\n", f"{row}\n"):
        result = classified(given)

        assert (result.answers, result.read.others) == ([], 1)


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("Failed", NOT_FOUND, "image_not_found"),
        ("Failed", "Error: ErrImagePull", "backoff_only"),
        ("BackOff", f'Back-off pulling image "{IMAGE}"', "backoff_only"),
        ("ErrImageNeverPull", f'Container image "{IMAGE}" is not present with pull policy of Never', "policy"),
        ("InspectFailed", f'Failed to inspect image "{IMAGE}": invalid reference format', "invalid_reference"),
        ("Failed", f'Failed to apply default image tag "{IMAGE}:": invalid reference format', "invalid_reference"),
        ("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (x)", "credentials_missing"),
        ("FailedCreatePodSandBox", 'failed to get sandbox image "mcr.microsoft.com/p:1": i/o timeout', "connect_timeout"),
    ],
)  # fmt: skip
def test_kubelets_events_of_a_pull_are_pull_errors(reason: str, message: str, cause: str) -> None:
    assert classified(json.dumps({"kind": "List", "items": [event(message, reason)]})).causes == [cause]


MANIFEST = "Error response from daemon: manifest for a.azurecr.io/x:9 not found: manifest unknown: manifest unknown"


@pytest.mark.parametrize(
    "before",
    [
        "2024-11-28T10:00:00.1234567Z ##[error]",  # GitHub Actions, Azure Pipelines
        "2024-11-28T10:00:00.1234567Z ",
        "build\tPull the image\t2024-11-28T10:00:00.1234567Z ##[error]",  # gh run view --log
        "##[error]",
        "##[error] ",
        "::error::",
        "::error file=Dockerfile,line=1::",
        "2024-11-28T10:00:00.123456Z 01E ",  # GitLab
        "2024-11-28T10:00:00.123456Z 00O+",
        "WARNING: Failed to pull image with policy \"always\": ",
        "ERROR: Job failed: ",
        "[2024-11-28T10:00:00.123Z] ",  # Jenkins
        "10:00:00  ",
        "docker: ",
        "2024-11-28T10:00:00Z docker: ",
    ],
)  # fmt: skip
def test_a_line_of_a_pipelines_log_is_read_like_what_was_printed(before: str) -> None:
    for text in (f"{before}{MANIFEST}\n", f"Starting: pull\n\n{before}{MANIFEST}\ndone\n"):
        assert classified(text).named == [("image_not_found", "", "", "", "a.azurecr.io/x:9")]


@pytest.mark.parametrize("line", OF_OTHERS)
@pytest.mark.parametrize("before", ["##[error]", "2024-11-28T10:00:00.1234567Z ##[error]", "[2024-11-28T10:00:00Z] "])
def test_a_pipelines_other_errors_are_no_pull_errors(before: str, line: str) -> None:
    assert classified(f"{MANIFEST}\n\n{before}{line}\n").causes == ["image_not_found"]


def test_what_kubelet_logs_of_its_runtime_is_no_pull_error_without_the_lines_beginning() -> None:
    line = '"Failed to pull image" err="rpc error: code = Unknown desc = 401 Unauthorized" image="a.azurecr.io/x:1"'

    assert classified(line).named == [("unauthorized", "", "", "", "a.azurecr.io/x:1")]
    assert classified(f"{NOT_FOUND}\n\n{OF_OTHERS[-2]}").causes == ["image_not_found"]
