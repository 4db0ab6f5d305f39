"""Events that are about something else than a pull: their words are those of pull errors, and no pull failed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.rules.pull.errors import REASONS, RULES, OtherEventCause, PullErrorCause, Rule, classify, classify_event

IMAGE = "contoso.azurecr.io/unauthorized/timeout:404"
SANDBOX = "Failed to create pod sandbox: rpc error: code = Unknown desc = "


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Unhealthy", 'Readiness probe failed: Get "http://10.0.0.4:8080/": connect: connection refused'),
        ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 401"),
        ("", 'Startup probe failed: Get "http://10.0.0.4/": context deadline exceeded'),
        ("", "(combined from similar events): Readiness probe failed: dial tcp 10.0.0.4:80: i/o timeout"),
        ("FailedMount", 'MountVolume.SetUp failed for volume "cfg" : configmap "web" not found'),
        ("", 'MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found'),
        ("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[data]: timed out waiting"),
        ("FailedMount", "anything else: 403 Forbidden"),
        ("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu."),
        ("", "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }."),
        ("Scheduled", "Successfully assigned default/web-1 to aks-system-1"),
        ("Pulling", f'Pulling image "{IMAGE}"'),
        ("", f'Pulling image "{IMAGE}"'),
        ("Pulled", f'Successfully pulled image "{IMAGE}" in 1.2s (1.2s including waiting).'),
        ("", f'Successfully pulled image "{IMAGE}" in 1.2s (1.2s including waiting).'),
        ("Pulled", f'Container image "{IMAGE}" already present on machine'),
        ("", f'Container image "{IMAGE}" already present on machine and can be accessed by the pod'),
        ("Created", "Created container web"),
        ("Started", "Started container web"),
        ("Killing", "Stopping container web"),
        ("BackOff", "Back-off restarting failed container web in pod web-1_default(1)"),
        ("Failed", 'Error: secret "db" not found'),
        ("Failed", "Error: couldn't find key password in Secret default/db"),
        ("Failed", "Error: failed to create containerd task: OCI runtime create failed: exec: permission denied"),
        ("Failed", "Error: failed to start container: OCI runtime exec failed: no such file or directory"),
        ("Failed", "Error: container has runAsNonRoot and image will run as root"),
        ("CreateContainerConfigError", 'secret "db" not found'),
        ("FailedCreatePodSandBox", SANDBOX + "failed to setup network for sandbox: connect: connection refused"),
        ("NodeNotReady", "Node is not ready"),
        ("DNSConfigForming", "Nameserver limits were exceeded, some nameservers have been omitted"),
        ("ImageGCFailed", "failed to garbage collect required amount of images"),
        ("FreeDiskSpaceFailed", ""),
        ("SyncLoadBalancerFailed", "Error syncing load balancer: HTTPStatusCode: 403"),
        ("", "Exec lifecycle hook ([/bin/sh]) for Container failed - error: command exited with 1: connection refused"),
        # The sub path of an image volume is in no image; the image itself was pulled.
        ("CreateContainerError", 'failed to ensure image subpath "models" in "/run/x": no such file or directory'),
        ("Failed", "Error: ImageVolumeMountFailed: only directory subpath is supported, subpath: models"),
        ("ImageVolumeMountFailed", "readonly must be true while mount image: not found"),
    ],
)
def test_an_event_about_something_else_is_not_a_pull(reason: str, message: str) -> None:
    answer = classify_event(message, reason)

    assert answer.cause is OtherEventCause.NOT_A_PULL
    assert answer.rule in ("event-reason", "event-text") and 0 < len(answer.evidence) <= 200


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("Failed", f'Failed to pull image "{IMAGE}": 401 Unauthorized', PullErrorCause.UNAUTHORIZED),
        ("Failed", "Error: ErrImagePull", PullErrorCause.BACKOFF_ONLY),
        ("Failed", "Error: ImagePullBackOff", PullErrorCause.BACKOFF_ONLY),
        ("BackOff", f'Back-off pulling image "{IMAGE}"', PullErrorCause.BACKOFF_ONLY),
        (
            "FailedSync",
            'Error syncing pod, skipping: failed to "StartContainer" for "web" with ErrImagePull: "Failed to pull '
            f'image \\"{IMAGE}\\": 401 Unauthorized"',
            PullErrorCause.UNAUTHORIZED,
        ),
        (
            "FailedCreatePodSandBox",
            SANDBOX + 'failed to get sandbox image "registry.k8s.io/pause:3.9": failed to pull image: i/o timeout',
            PullErrorCause.CONNECT_TIMEOUT,
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "model" : failed to pull image: 401 Unauthorized',
            PullErrorCause.UNAUTHORIZED,
        ),
        (
            "FailedCreate",
            'Error creating: admission webhook "validation.gatekeeper.sh" denied the request: not allowed',
            PullErrorCause.POLICY,
        ),
        ("ErrImagePull", "Readiness probe failed: 401 Unauthorized", PullErrorCause.UNAUTHORIZED),
        # The image of another platform is pulled, and fails as its container starts.
        (
            "Failed",
            "Error: failed to create containerd task: OCI runtime create failed: exec format error",
            PullErrorCause.PLATFORM_MISMATCH,
        ),
        # Kubelet's old words on purpose, also where the image is there and the pod may not use it.
        (
            "ErrImageNeverPull",
            f'Container image "{IMAGE}" is not present with pull policy of Never',
            PullErrorCause.POLICY,
        ),
        ("Failed", f'Container image "{IMAGE}" is not present with pull policy of Never', PullErrorCause.POLICY),
        (
            "",
            "ImageVolumeMountFailed: failed to unpack image volume: no space left on device",
            PullErrorCause.NODE_DISK,
        ),
        ("", "dial tcp: lookup contoso.azurecr.io: no such host", PullErrorCause.DNS),
        (
            "",
            'Started container setup\nFailed to pull image "contoso.azurecr.io/a:1": 401 Unauthorized',
            PullErrorCause.UNAUTHORIZED,
        ),
        (
            "",
            'Pulling image "contoso.azurecr.io/a:1"\nFailed to pull image: lookup contoso.azurecr.io: no such host',
            PullErrorCause.DNS,
        ),
        ("", "something new", PullErrorCause.UNKNOWN),
        ("", "", PullErrorCause.UNKNOWN),
    ],
)
def test_an_event_about_a_pull_keeps_its_cause(reason: str, message: str, expected: str) -> None:
    assert classify_event(message, reason, IMAGE).cause == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
@pytest.mark.parametrize("wrapped", ["{}", f'Failed to pull image "{IMAGE}": {{}}'])
def test_no_rules_example_is_taken_for_something_else(rule: Rule, wrapped: str) -> None:
    text = wrapped.format(rule.example)

    assert classify_event(text, "Failed") == classify(text, "Failed")


@pytest.mark.parametrize("reason", REASONS)
def test_what_kubelet_reports_of_pulls_is_a_pull_unless_it_is_about_a_container(reason: str) -> None:
    about_containers = reason in ("CreateContainerConfigError",)

    assert (classify_event("", reason).cause is OtherEventCause.NOT_A_PULL) is about_containers


@given(st.text(max_size=300), st.text(max_size=30), st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_it_raise(message: str, reason: str, image: str) -> None:
    assert len(classify_event(message, reason, image).evidence) <= 200


@pytest.mark.parametrize("piece", ['container image "', "error: ", "node ", "mountvolume", "(combined ", "0/3 nodes "])
def test_a_megabyte_of_anything_takes_less_than_a_second(piece: str) -> None:
    hostile = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    began = time.process_time()
    classify_event(hostile, hostile, hostile)

    assert time.process_time() - began < 1
