"""What clusters and registries send is hostile: nothing makes a scan raise, and nothing gets out unescaped."""

import base64
import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.collect.kubernetes import secret_bodies
from checks.collect.kubernetes.kubeconfig import read as read_kubeconfig
from checks.collect.kubernetes.objects import Event, Pod, ServiceAccount, containers, decode_page, pod_event
from checks.collect.kubernetes.texts import Texts
from checks.collect.registry import manifests
from checks.collect.wire.errors import CollectError
from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason, PodEvent
from checks.facts.pulls import CredentialTest, Manifest, PullSecret, SecretEntry, UserKind
from checks.findings import ScanReport
from checks.history.decide import Policy, decide
from checks.history.model import RunRef
from checks.notify.incidents import items_of, mail_of
from checks.notify.message import compose, message_id_of
from checks.report.cluster_report import build_report
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.as_json import scan_answer
from checks.rules import images
from checks.rules.access.pull_secrets import key_matches, match_target, matching_entries
from checks.rules.pull import image_access
from tests.support import access_facts as base
from tests.support.image_facts import ACR, NO_ROLE, WEB, container, facts
from tests.support.screens import ALL, printed

T = TypeVar("T")
ABOUT = ScanAbout(at=datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
NASTY = "\x1b[31m\x07\u202eevil\u2066<script>alert(1)</script>{{7*7}}\r\nBcc: x@y.z\x00'\";rm -rf /"
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
KEYS = (
    "metadata spec status name namespace containers image imagePullSecrets type data auths auth username password",
    ".dockerconfigjson .dockercfg continue involvedObject message reason count manifests platform os architecture user",
    "manifest changeableAttributes errors code clusters cluster server users exec token waiting state items",
)
keys = st.text(max_size=12) | st.sampled_from([key for line in KEYS for key in line.split()])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6))
texts = st.text(max_size=60) | st.sampled_from([NASTY, WEB, ACR, "", "docker.io", "\ud7ff", "%00", "a" * 3000])


def quietly(call: Callable[[], T]) -> T | None:
    """What a call gives; the one kind of error that callers turn into a gap is let pass."""
    try:
        return call()
    except CollectError:
        return None


@FUZZ
@given(values | st.lists(values, max_size=5))
def test_no_page_of_objects_makes_its_reader_raise(body: Any) -> None:
    for raw in (json.dumps(body).encode(), json.dumps({"kind": "PodList", "items": body, "metadata": body}).encode()):
        for kind, convert in (
            (Pod, lambda p: containers(p, Texts())),
            (Event, lambda e: [pod_event(e, Texts())]),
            (ServiceAccount, lambda a: [a]),
        ):
            page = quietly(lambda raw=raw, kind=kind: decode_page(raw, kind))  # type: ignore[misc]
            for item in page[0] if page else []:
                list(convert(item))


@FUZZ
@given(values, st.sampled_from(["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "Opaque", ""]))
def test_no_secret_makes_its_reader_raise(body: Any, kind: str) -> None:
    inner = base64.b64encode(json.dumps(body).encode()).decode()
    for data in ({".dockerconfigjson": inner, ".dockercfg": inner}, body):
        raw = json.dumps({"type": kind, "data": data}).encode()
        decoded = quietly(lambda raw=raw: secret_bodies.decode(raw, "ns/name"))  # type: ignore[misc]
        if decoded is not None:
            assert len(decoded.credentials) == len(decoded.facts.entries)
            for credential in decoded.credentials:
                credential.basic()
            matching_entries(decoded.facts, WEB)


@FUZZ
@given(st.binary(max_size=200))
def test_no_bytes_make_a_reader_raise(raw: bytes) -> None:
    quietly(lambda: secret_bodies.decode(raw, "ns/name"))
    quietly(lambda: read_kubeconfig(raw))
    quietly(lambda: decode_page(raw, Pod))
    manifests.code_of(raw)
    manifests.platforms_of(raw)
    manifests.with_attributes(Manifest(present=True), raw)


@FUZZ
@given(values)
def test_no_kubeconfig_or_manifest_makes_its_reader_raise(body: Any) -> None:
    raw = json.dumps(body).encode()
    quietly(lambda: read_kubeconfig(raw))
    manifests.code_of(raw)
    manifests.platforms_of(raw)
    manifests.with_attributes(Manifest(present=True), raw)


@FUZZ
@given(texts, texts)
def test_no_key_or_image_makes_matching_raise(key: str, image: str) -> None:
    usable = secret_bodies.key_of(key)
    key_matches(usable or key, match_target(image) or image)
    images.parse(image)
    images.host_of(image)


pods = st.builds(
    ContainerImage,
    namespace=texts,
    pod=texts,
    workload=texts,
    container=texts,
    kind=st.sampled_from(["main", "init", "ephemeral"]),
    image=texts,
    node=st.none() | texts,
    os=st.none() | texts,
    waiting_reason=st.none() | st.sampled_from(["ErrImagePull", "ImagePullBackOff", "InvalidImageName"]) | texts,
    waiting_message=st.none() | texts,
    since=st.none() | texts,
    pull_secrets=st.lists(texts, max_size=3).map(tuple),
    service_account=st.none() | texts,
)
events = st.builds(
    PodEvent,
    namespace=texts,
    pod=texts,
    reason=st.sampled_from(["Pulled", "Failed", "FailedToRetrieveImagePullSecret"]) | texts,
    message=texts
    | texts.map(lambda t: f'Successfully pulled image "{t}" in 1s')
    | texts.map("image pull secrets ({})".format),
    count=st.integers(min_value=-5, max_value=9),
    last_seen=st.none() | texts,
    first_seen=st.none() | texts,
)
entries = st.builds(
    SecretEntry,
    key=texts,
    user=st.sampled_from(list(UserKind)),
    has_password=st.booleans(),
    expires=st.none() | texts,
    asked=st.lists(
        st.builds(CredentialTest, registry=texts, accepted=st.none() | st.booleans(), detail=texts), max_size=2
    ).map(tuple),
)
secrets = st.builds(
    PullSecret,
    name=texts,
    exists=st.booleans(),
    type=st.none() | st.just("kubernetes.io/dockerconfigjson") | texts,
    problem=st.just("") | texts,
    entries=st.lists(entries, max_size=3).map(tuple),
)
image_manifests = st.builds(
    Manifest,
    present=st.booleans(),
    code=texts,
    platforms=st.lists(texts, max_size=3).map(tuple),
    quarantine=st.none() | texts,
    read_enabled=st.none() | st.booleans(),
)
gaps = st.builds(NotSeen, why=st.sampled_from(list(NotSeenReason)), detail=texts)


def cluster_of(
    used: list[ContainerImage], answered: list[PodEvent], secret: Any, manifest: Any, registries: dict[str, Any]
) -> ClusterFacts:
    names = {name for one in used for use in image_access.image_uses([one]) for name in use.secrets}
    parsed = [reference for one in used if (reference := images.parse(one.image))]
    return facts(
        *used,
        events=answered,
        authorization=NO_ROLE,
        pull_secrets=dict.fromkeys(names, secret),
        manifests={images.canonical(reference): manifest for reference in parsed},
        arm_registries=registries,
    )


@FUZZ
@given(
    st.lists(pods, max_size=4),
    st.lists(events, max_size=4),
    secrets.map(base.seen) | gaps,
    image_manifests.map(base.seen) | gaps,
    st.dictionaries(texts, st.lists(texts, max_size=2).map(tuple), max_size=2),
)
def test_no_facts_make_the_judges_raise_and_all_of_it_can_be_told(
    used: list[ContainerImage], answered: list[PodEvent], secret: Any, manifest: Any, registries: dict[str, Any]
) -> None:
    report = build_report(cluster_of(used, answered, secret, manifest, registries))
    json.loads(msgspec.json.encode(scan_answer(ScanReport(clusters=(report,)), ABOUT)))
    assert not STEERING.search(table(report))


def table(*reports: Any) -> str:
    return printed(ScanReport(clusters=reports), 80, ALL)


def hostile_report() -> Any:
    """Every text that a cluster or registry sends is hostile, and each check has something to say."""
    used = [
        container(f"{ACR}/{NASTY}", NASTY, namespace=NASTY, pod=NASTY, workload=NASTY, node=NASTY, container=NASTY),
        container(
            WEB, NASTY, waiting_reason="ErrImagePull", waiting_message=f"401 Unauthorized {NASTY}", workload=NASTY
        ),
        container(f"acrone/{'x'}:1", workload=f"ns/Deployment/{NASTY}"),
    ]
    answered = [
        PodEvent(namespace="default", pod="web-1", reason="Failed", message=f"{WEB} {NASTY}", first_seen=NASTY),
        PodEvent(namespace=NASTY, pod=NASTY, reason="FailedToRetrieveImagePullSecret", message=f"secrets ({NASTY})"),
    ]
    secret = base.seen(PullSecret(name=NASTY, type=NASTY))
    return build_report(
        cluster_of(used, answered, secret, base.seen(Manifest(present=False, code=NASTY)), {"acrone": (ACR,)})
    )


def test_hostile_texts_come_out_escaped_in_table_and_json() -> None:
    report = hostile_report()
    assert {"PW301", "PW302", "PW303", "PW304", "PW306"} <= {f.code for f in report.findings}
    shown = table(report)
    assert "evil" in shown
    assert not STEERING.search(shown)
    raw = msgspec.json.encode(scan_answer(ScanReport(clusters=(report,)), ABOUT))
    assert not re.search(rb"[\x00-\x1f]", raw)
    assert b"evil" in raw


def test_hostile_texts_come_out_escaped_in_mail() -> None:
    report = hostile_report()
    now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    decision = decide(None, report, RunRef("202611-000000000001", 1), Policy(), now)
    assert decision.change is not None
    message = mail(decision.change)
    assert message["Bcc"] is None
    for part in message.walk():
        if part.get_content_type() == "text/html":
            assert "<script>" not in part.get_content()
        if not part.is_multipart():
            assert not STEERING.search(part.get_content().replace("\r\n", "\n"))


def mail(change: Any) -> Any:
    grouped = mail_of(items_of([change]), "1-abc")
    sender = "pullwatch@contoso.example"
    now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    message_id = message_id_of(grouped.id, sender)
    return compose(grouped, message_id=message_id, sender=sender, recipients=("team@contoso.example",), now=now)


def test_every_command_keeps_hostile_values_inside_one_word() -> None:
    for command in (command for finding in hostile_report().findings for command in finding.fix):
        words = shlex.split(command)
        assert words[0] in ("az", "kubectl")
        assert "rm" not in words
