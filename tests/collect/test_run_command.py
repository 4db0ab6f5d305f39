"""Run Command: hostile output read back, output that was cut, and what keeps it from running, over the wire."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any
from unittest import mock

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hurried
from hypothesis import strategies as st

from checks import settings
from checks.collect.arm import reads
from checks.collect.arm.client import open_azure
from checks.collect.kubernetes import api, run_command
from checks.collect.kubernetes import run_command_output as output
from checks.collect.kubernetes.objects import Event, Pod, containers, decode_page, pod_events
from checks.collect.kubernetes.texts import Texts
from checks.facts import NotSeen, NotSeenReason, Seen, Workloads
from simulator import Simulator, running
from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from simulator.kubernetes.jsonpath import printed
from simulator.kubernetes.objects import ClusterObjects
from simulator.kubernetes.run_command import run
from tests.support.cli import clean
from tests.support.sampling import sampled
from tests.support.tenant_builder import SUBSCRIPTION, Tenant

NONCE = "n0NcEabc"
ALLOWED = {"PULLWATCH_ALLOW_RUN_COMMAND": "true"}

# What anyone may write: control characters, tabs, lines that look like records, marks of other nonces.
NASTY = st.text(max_size=40) | st.sampled_from(
    [
        "\n",
        "\t",
        "a\tb",
        f"\n{NONCE[:-1]}E",
        "\nn0NcEabdPdefault\tvictim\t\t\t\t",
        "null",
        "P",
        "E\n",
        "x" * 5000,
        "\r\n\n",
    ]
)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


def maybe(value: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.just({}) | value.map(lambda result: {key: result})


def merge(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda result: {key: value for part in result for key, value in part.items()})


POLICY = st.sampled_from(["Always", "IfNotPresent", "Never"])
CONTAINER = merge(NAME.map(lambda name: {"name": name}), maybe(NASTY, "image"), maybe(POLICY, "imagePullPolicy"))
# The API server leaves empty texts out, as Go does.
WAITING = merge(
    st.sampled_from(["ErrImagePull", "ImagePullBackOff"]).map(lambda r: {"reason": r}),
    maybe(NASTY.filter(bool), "message"),
)
STATUS = merge(
    NAME.map(lambda name: {"name": name}),
    (WAITING.map(lambda waiting: {"waiting": waiting}) | st.just({"running": {}})).map(lambda state: {"state": state}),
)
OWNER = merge(
    st.sampled_from(["ReplicaSet", "Job", "a\tb", "\n"]).map(lambda kind: {"kind": kind}),
    (NASTY | st.just("web-abcde12345")).map(lambda name: {"name": name}),
    maybe(st.booleans(), "controller"),
)


def listed(value: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[dict[str, Any]]:
    return maybe(st.lists(value, max_size=3), key)


def statuses(key: str) -> st.SearchStrategy[dict[str, Any]]:
    """One status a name: a pod's containers have different ones."""
    return maybe(st.lists(STATUS, max_size=3, unique_by=lambda status: status["name"]), key)


TIME = st.sampled_from([None, "2026-11-24T08:00:00Z", "2026-11-24T08:00:00.123456Z"])
VOLUME = merge(
    NAME.map(lambda name: {"name": name}),
    st.just({"emptyDir": {}})
    | merge(maybe(NASTY.filter(bool), "reference"), maybe(POLICY, "pullPolicy")).map(lambda image: {"image": image}),
)

POD = st.builds(
    lambda metadata, spec, status: {"metadata": metadata, "spec": spec, "status": status},
    merge(
        NAME.map(lambda n: {"name": n}),
        NAME.map(lambda n: {"namespace": n}),
        listed(OWNER, "ownerReferences"),
        maybe(TIME.filter(bool), "deletionTimestamp"),
    ),
    merge(
        listed(VOLUME, "volumes"),
        *(listed(CONTAINER, key) for key in ("containers", "initContainers", "ephemeralContainers")),
        listed(NASTY.map(lambda name: {"name": name}), "imagePullSecrets"),
        maybe(NAME, "nodeName"),
        maybe(NAME, "serviceAccountName"),
        maybe(st.sampled_from(["linux", "windows"]).map(lambda os: {"kubernetes.io/os": os}), "nodeSelector"),
    ),
    merge(
        *(statuses(key) for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")),
        maybe(st.just("2026-11-24T08:00:00Z"), "startTime"),
        maybe(st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]), "phase"),
    ),
)
EVENT = st.builds(
    lambda involved, rest: {"metadata": {"namespace": involved["namespace"]}, "involvedObject": involved} | rest,
    merge(
        st.just({"kind": "Pod"}),
        NAME.map(lambda name: {"namespace": name}),
        NASTY.map(lambda name: {"name": name}),
        maybe(NASTY.filter(bool), "fieldPath"),
    ),
    merge(
        maybe(NASTY, "reason"),
        maybe(NASTY, "message"),
        maybe(NASTY.filter(bool).map(lambda host: {"component": "kubelet", "host": host}), "source"),
        maybe(st.integers(0, 10**8) | st.none(), "count"),
        *(maybe(TIME, key) for key in ("firstTimestamp", "lastTimestamp", "eventTime")),
    ),
)


def shown(command: str, kind: str, items: list[dict[str, Any]]) -> str:
    """What kubectl prints for a command in a cluster of these objects (the simulator prints as the real one does)."""
    template = command.split("jsonpath=", 1)[1].removesuffix("'")
    return printed(template, {"kind": kind, "items": items})


def directly(items: list[dict[str, Any]], kind: type[Any]) -> list[Any]:
    objects, _, unreadable = decode_page(json.dumps({"kind": f"{kind.__name__}List", "items": items}).encode(), kind)
    assert unreadable == 0
    return objects


@hurried(max_examples=40)
@given(st.lists(POD, max_size=4))
def test_pods_read_by_run_command_are_those_read_directly_whatever_their_authors_wrote(pods: list[Any]) -> None:
    result = output.read_pods(shown(output.pods_command(NONCE), "List", pods), NONCE)
    assert result is not None and result.whole
    assert (result.pods, result.unreadable) == (len(pods), 0)
    assert result.containers == tuple(c for pod in directly(pods, Pod) for c in containers(pod, Texts()))


@hurried(max_examples=40)
@given(st.lists(EVENT, max_size=4))
def test_events_read_by_run_command_are_those_read_directly_whatever_their_authors_wrote(events: list[Any]) -> None:
    result = output.read_events(shown(output.events_command(NONCE), "List", events), NONCE)
    assert result is not None and result.whole and result.unreadable == 0
    assert result.events == tuple(fact for event in directly(events, Event) for fact in pod_events(event, Texts()))


@hurried(max_examples=40)
@given(st.lists(POD, min_size=1, max_size=4), st.data())
def test_what_is_left_of_pods_that_were_cut_is_told_right_and_never_as_the_whole(pods: list[Any], data: Any) -> None:
    whole = shown(output.pods_command(NONCE), "List", pods).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    each = [containers(pod, Texts()) for pod in directly(pods, Pod)]
    start = output.read_pods(whole[:cut].decode(errors="ignore"), NONCE)
    assert start is None or not start.whole
    if start is not None:
        assert start.containers == tuple(c for images in each[: start.pods] for c in images)
        assert start.pods < len(pods)
    end = output.read_pods(whole[cut + 1 :].decode(errors="ignore"), NONCE)
    if end is not None:
        assert not end.whole
        assert end.containers == tuple(c for images in each[len(each) - end.pods :] for c in images)


@given(st.lists(EVENT, min_size=1, max_size=4), st.data())
def test_what_is_left_of_events_that_were_cut_is_told_right_and_never_as_the_whole(
    events: list[Any], data: Any
) -> None:
    whole = shown(output.events_command(NONCE), "List", events).encode()
    result = output.read_events(whole[: data.draw(st.integers(0, len(whole) - 1))].decode(errors="ignore"), NONCE)
    if result is not None:
        each = tuple(fact for event in directly(events, Event) for fact in pod_events(event, Texts()))
        assert not result.whole and result.events == each[: len(result.events)]


@given(st.lists(NASTY | st.just(NONCE) | st.sampled_from("BPOSICWMNVRAFHE\t\n"), max_size=30).map("".join))
def test_output_of_any_kind_is_read_without_an_error(logs: str) -> None:
    for pods in (output.read_pods(logs, NONCE), output.read_events(logs, NONCE)):
        assert pods is None or pods.unreadable >= 0


@pytest.mark.parametrize(
    "record",
    [
        "Pdefault\tp\t\t\t\t\t\t\tmore",
        "Pdefault\tp\t\t\t\t\t",
        "P\tp\t\t\t\t\t\t",
        "Pdefault\t\t\t\t\t\t\t",
        "Pdefault\tp\x00\t\t\t\t\t\t",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Cxname\tAlways\timage",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Cmname",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Cmna\rme\tAlways\timage",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Otrue\tJob",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Wmmain\tErrImagePull{NONCE}Cmmain\t\timage",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Imodel\tAlways",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Imo\rdel\tAlways\timage",
        f"Pdefault\tp\t\t\t\t\t\t{NONCE}Zwhat",
    ],
)
def test_a_pod_that_is_not_printed_as_asked_is_counted_and_left_out(record: str) -> None:
    good = f"Pdefault\tgood\t\t\t\t\t\t{NONCE}Cmmain\t\timage"
    pods = output.read_pods(f"{NONCE}B\n{NONCE}{record}\n{NONCE}{good}\n{NONCE}E", NONCE)
    assert pods is not None and pods.whole
    assert (pods.pods, pods.unreadable, [c.pod for c in pods.containers]) == (2, 1, ["good"])


@pytest.mark.skipif(which("kubectl") is None, reason="kubectl is not on PATH")
def test_the_real_kubectl_prints_what_the_simulated_one_prints(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    cluster = tenant.cluster()
    fill(tenant)
    null = {"eventTime": None, "lastTimestamp": None, "count": 7}
    involved = {"kind": "Pod", "name": "x", "namespace": "default", "fieldPath": "spec.containers{main}"}
    body = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}}
    tenant.write(
        "kubernetes/aks-1",
        body | null | {"involvedObject": involved, "reason": "Pulled", "source": {"host": "aks-system-1-vmss000000"}},
        "event-null",
    )
    with running(tenant.root) as simulator:
        config = tmp_path / "config"
        config.write_text(yaml.safe_dump(simulator.kubeconfig(cluster)))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "NO_PROXY": "127.0.0.1",
            "KUBECONFIG": str(config),
        }
        for command in (output.pods_command(NONCE), output.events_command(NONCE)):
            real = subprocess.run(
                ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=True
            )
            ours = run(command, ClusterObjects(tenant.root / "kubernetes" / "aks-1", print))
            assert real.stdout == ours.logs and real.stdout.count(NONCE) > 5


def fill(tenant: Tenant) -> None:
    """Pods and events with everything in them that is read, and texts that nobody should write."""
    image = "acrone.azurecr.io/team/web:1"
    first = tenant.pod(
        image,
        waiting=("ErrImagePull", f'Failed to pull image "{image}":\n\tnot found\n{NONCE[:-1]}E\u00e9\u2028'),
        metadata={
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": "web-5d8f7c9b6d", "controller": True},
                {"kind": "Other", "name": "a\tb"},
            ]
        },
        spec={
            "imagePullSecrets": [{"name": "one two"}, {"name": "three"}],
            "nodeSelector": {"kubernetes.io/os": "windows"},
            "serviceAccountName": "web",
            "initContainers": [{"name": "first", "image": "a\tb\nc", "imagePullPolicy": "Always"}],
            "ephemeralContainers": [{"name": "last", "image": "docker.io/library/busybox:1"}],
            "volumes": [
                {"name": "model", "image": {"reference": "acrone.azurecr.io/models/llm:1", "pullPolicy": "Always"}},
                {"name": "scratch", "emptyDir": {}},
            ],
        },
        status={"initContainerStatuses": [{"name": "first", "state": {"waiting": {"reason": "ErrImagePull"}}}]},
    )
    tenant.pulled("acrone.azurecr.io/team/api:2")
    tenant.event(first, "Failed", f'Failed to pull image "{image}":\tmanifest unknown\n')
    tenant.event(first, "Scheduled", "Successfully assigned")


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A private cluster, out of reach, with pods."""
    tenant = Tenant(tmp_path / "tenant")
    private(tenant)
    fill(tenant)
    return tenant


def private(tenant: Tenant, **over: Any) -> str:
    return tenant.cluster(properties={"apiServerAccessProfile": {"enablePrivateCluster": True}} | over)


@pytest.fixture
def sim(tenant: Tenant) -> Iterator[Simulator]:
    with running(tenant.root) as served:
        yield served


def read(sim: Simulator, **over: str) -> Seen[Workloads] | NotSeen:
    """The workloads of the tenant's one cluster, with Run Command allowed."""

    async def look() -> Seen[Workloads] | NotSeen:
        async with open_azure(settings.load(os.environ)) as azure:
            (cluster,) = (await reads.clusters(azure, SUBSCRIPTION)).value
            return await api.workloads(azure, cluster)

    with mock.patch.dict(os.environ, clean(sim.environment | ALLOWED | over), clear=True):
        return asyncio.run(look())


def commands(sim: Simulator) -> list[tuple[str, str]]:
    """The method of each request about a command, and the last part of its path but the result's id."""
    request_records = [record for record in sim.requests if "command" in record.path.lower()]
    return [(r.method, "results" if "commandResults" in r.path else r.path.rsplit("/", 1)[-1]) for r in request_records]


def gap(workloads: Seen[Workloads] | NotSeen) -> NotSeen:
    assert isinstance(workloads, NotSeen)
    return workloads


def whole(workloads: Seen[Workloads] | NotSeen) -> Workloads:
    assert isinstance(workloads, Seen) and not workloads.partial
    return workloads.value


def test_the_facts_are_those_of_the_direct_way_but_for_the_way_itself(tenant: Tenant) -> None:
    with running(tenant.root) as sim:
        by_command = whole(read(sim))
        posts = [record for record in commands(sim) if record[0] == "POST"]
    tenant.cluster()
    with running(tenant.root) as sim:
        direct = whole(read(sim))
        assert not commands(sim)
    assert by_command.containers == direct.containers and len(direct.containers) == 5
    assert (by_command.pods, by_command.unreadable) == (direct.pods, direct.unreadable) == (2, 0)
    assert isinstance(by_command.events, Seen) and isinstance(direct.events, Seen)
    assert by_command.events.value == direct.events.value and len(direct.events.value) == 2
    assert "Run Command" in by_command.read_through and not direct.read_through
    assert len(posts) == 2  # each makes a pod


def test_nothing_is_run_without_the_setting_and_the_gap_names_it(sim: Simulator) -> None:
    not_seen = gap(read(sim, PULLWATCH_ALLOW_RUN_COMMAND="false"))
    assert not_seen.why is NotSeenReason.UNREACHABLE and "PULLWATCH_ALLOW_RUN_COMMAND=true" in not_seen.detail
    assert "PULLWATCH_ALLOW_RUN_COMMAND=true" in (not_seen.role or "") and not commands(sim)


def test_a_cluster_that_has_it_disabled_is_not_asked_and_the_switch_is_named(tenant: Tenant) -> None:
    private(tenant, apiServerAccessProfile={"enablePrivateCluster": True, "disableRunCommand": True})
    with running(tenant.root) as sim:
        not_seen = gap(read(sim))
        assert not commands(sim)
        off = gap(read(sim, PULLWATCH_ALLOW_RUN_COMMAND="false"))
    assert "disableRunCommand" in not_seen.detail and not_seen.fix[0].endswith("--enable-run-command")
    assert "PULLWATCH_ALLOW_RUN_COMMAND" not in off.detail  # it would not help


def faults(tenant: Tenant, *rules: dict[str, Any]) -> None:
    (tenant.root / "faults.json").write_text(json.dumps([{"service": "arm", **rule} for rule in rules]))


def post(**effect: Any) -> dict[str, Any]:
    return {"path": "*/runCommand", "method": "POST", "effect": effect}


def results(**effect: Any) -> dict[str, Any]:
    return {"path": "*/commandResults/*", "effect": effect}


def done(**properties: Any) -> dict[str, Any]:
    return results(status=200, body={"id": "x", "properties": properties})


def test_a_disabled_run_command_that_arm_did_not_show_is_named_all_the_same(tenant: Tenant) -> None:
    faults(tenant, post(status=400, body={"code": "BadRequest", "message": "Run command is disabled.", "subcode": ""}))
    with running(tenant.root) as sim:
        assert gap(read(sim)).fix[0].endswith("--enable-run-command")


def test_a_policy_that_blocks_its_pod_is_named_with_what_to_exclude(tenant: Tenant) -> None:
    tenant.write(
        "kubernetes/aks-1",
        {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "K8sAzureCustomContainerAllowedImages",
            "metadata": {"name": "allowed"},
        },
        "policy",
    )
    with running(tenant.root) as sim:
        not_seen = gap(read(sim))
    assert "RunCommandBlockedByAzurePolicy" in not_seen.detail and "aks-command" in not_seen.detail
    assert "aks-command" in (not_seen.role or "") and not_seen.fix[0].startswith("az policy assignment list ")


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_policy_block_is_told_by_its_code_whatever_the_status_and_the_wrapping(tenant: Tenant, status: int) -> None:
    body = {"error": {"code": "RunCommandBlockedByAzurePolicy", "message": "blocked"}}
    faults(tenant, post(status=status, body=body))
    with running(tenant.root) as sim:
        assert gap(read(sim)).fix[0].startswith("az policy assignment list ")


@pytest.mark.parametrize("action", run_command.RIGHTS)
def test_a_missing_right_is_named_with_the_role_that_gives_it(tenant: Tenant, action: str) -> None:
    tenant.caller(denied=[{"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": [action]}])
    with running(tenant.root) as sim:
        not_seen = gap(read(sim))
    assert not_seen.why is NotSeenReason.NOT_ALLOWED
    assert all(right in (not_seen.role or "") for right in (*run_command.RIGHTS, run_command.READER))
    assert all(right in not_seen.fix[0] for right in run_command.RIGHTS) and "role assignment create" in not_seen.fix[1]
    assert "AuthorizationFailed" in not_seen.detail


def test_what_may_not_be_listed_in_the_cluster_names_the_reader_role(tenant: Tenant) -> None:
    action = "Microsoft.ContainerService/managedClusters/pods/read"
    tenant.caller(denied=[{"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": [action]}])
    with running(tenant.root) as sim:
        not_seen = gap(read(sim))
    assert (not_seen.why, not_seen.role) == (NotSeenReason.NOT_ALLOWED, run_command.READER)
    assert DEFAULT_PRINCIPAL in not_seen.detail and "exit code 1" in not_seen.detail


def test_events_that_may_not_be_listed_cost_the_events_only(tenant: Tenant) -> None:
    action = "Microsoft.ContainerService/managedClusters/events/read"
    tenant.caller(denied=[{"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": [action]}])
    with running(tenant.root) as sim:
        workloads = whole(read(sim))
    assert len(workloads.containers) == 5
    assert isinstance(workloads.events, NotSeen) and workloads.events.role == run_command.READER


def test_a_pod_that_never_ran_is_told_with_its_reason(tenant: Tenant) -> None:
    private(tenant, networkProfile={"outboundType": "none"})
    with running(tenant.root) as sim:
        not_seen = gap(read(sim))
    assert "ImagePullBackoff" in not_seen.detail and "mcr.microsoft.com" in not_seen.detail


@pytest.mark.parametrize(
    ("rule", "words"),
    sampled(
        [
            (done(provisioningState="Succeeded", exitCode=137, logs="Killed\n"), "exit code 137: Killed"),
            (done(provisioningState="succeeded", exitCode=1, logs="x\nerror: no such thing\n"), "error: no such thing"),
            (done(provisioningState="Succeeded", exitCode=1, logs=""), "no output"),
            (done(provisioningState="Succeeded", exitCode=0, logs="Welcome!"), "not what kubectl was asked for"),
            (done(provisioningState="Succeeded", exitCode=0, logs=""), "not what kubectl was asked for"),
            (done(provisioningState="Succeeded", exitCode=0), "exit code 0"),
            (done(provisioningState="Succeeded", exitCode="0", logs=7), "exit code 0"),
            (done(provisioningState="Succeeded"), "exit code None"),
            (done(provisioningState="failed"), "no reason given"),
            (done(provisioningState="Canceled", reason="Evicted"), "Evicted"),
            (results(garbage=True), "gave no result within"),
            (results(status=404, body={"code": "NotFound", "message": "gone"}), "gone"),
            (post(status=202, body={}), "without a Location"),
            (post(status=202, headers={"Location": "https://elsewhere.example/x"}, body={}), "another host"),
            (post(status=500, body="what?"), "HTTP 500"),
            (post(garbage=True), "without a Location"),
            (post(close=True), "Run Command"),
        ],
        3,
    ),
)
def test_whatever_azure_answers_becomes_a_gap_that_says_so(tenant: Tenant, rule: dict[str, Any], words: str) -> None:
    faults(tenant, rule)
    with running(tenant.root) as sim:
        not_seen = gap(read(sim, PULLWATCH_CLUSTER_SECONDS="8", PULLWATCH_CALL_SECONDS="5"))
        assert len([one for one in commands(sim) if one[0] == "POST"]) == 1
    assert words in not_seen.detail
    assert "Cannot connect" in not_seen.detail  # why Run Command was asked at all


def test_words_of_a_pod_in_a_failed_command_are_not_taken_for_kubectls(tenant: Tenant) -> None:
    async def failed() -> str:
        reading = run_command._Reading(mock.Mock(), mock.Mock(id="x"), None, 0.0)
        error = reading._failed(1, f"{NONCE}B\n{NONCE}Pa\tb\t\t\t\t{NONCE}Cm\t\tx\nError (Forbidden)", NONCE)
        return type(error).__name__

    assert asyncio.run(failed()) == "Temporary"


def test_a_command_that_never_ends_is_given_up_before_the_clusters_deadline(tenant: Tenant) -> None:
    faults(tenant, results(status=202, retry_after=3600, body={"properties": {"provisioningState": "Running"}}))
    with running(tenant.root) as sim:
        not_seen = gap(read(sim, PULLWATCH_CLUSTER_SECONDS="5", PULLWATCH_CALL_SECONDS="4"))
    assert not_seen.why is NotSeenReason.UNREACHABLE and "gave no result within 4 s" in not_seen.detail


def test_a_command_that_hangs_while_events_are_read_leaves_the_pods(tenant: Tenant) -> None:
    faults(tenant, {**post(hang=True), "after": 1})
    with running(tenant.root) as sim:
        workloads = whole(read(sim, PULLWATCH_CLUSTER_SECONDS="6", PULLWATCH_CALL_SECONDS="5"))
    assert len(workloads.containers) == 5
    assert isinstance(workloads.events, NotSeen) and "gave no result" in workloads.events.detail


def test_output_that_azure_cut_is_told_as_partial(tenant: Tenant) -> None:
    for number in range(300):
        text = f"Back-off pulling image: {'x' * 1800}"
        tenant.pod("acrone.azurecr.io/team/web:1", name=f"q{number:04}", waiting=("ImagePullBackOff", text))
        tenant.event(f"q{number:04}", "Failed", "y" * 2000)
    with running(tenant.root) as sim:
        workloads = read(sim)
    assert isinstance(workloads, Seen) and "cut off" in workloads.partial
    assert 200 < workloads.value.pods < 300 and workloads.value.unreadable == 0
    assert f"{workloads.value.pods} pods were read, not all" in workloads.partial
    events = workloads.value.events
    assert isinstance(events, Seen) and "cut off" in events.partial
    assert 200 < len(events.value) < 300
    assert {event.message for event in events.value if event.pod.startswith("q")} == {"y" * 2000}


def test_where_the_pods_that_never_started_cannot_be_asked_for_that_is_told(tenant: Tenant) -> None:
    for number in range(300):
        tenant.pod("acrone.azurecr.io/team/web:1", name=f"q{number:04}", waiting=("ErrImagePull", "x" * 2000))
    rule = {"service": "arm", "path": "*/runCommand", "after": 1, "times": 1, "effect": {"status": 500}}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))
    with running(tenant.root) as sim:
        workloads = read(sim)
        assert len([one for one in commands(sim) if one[0] == "POST"]) == 3
    assert isinstance(workloads, Seen) and isinstance(workloads.value.events, Seen)
    assert "those of phase Pending could not be asked for besides: Run Command: HTTP 500" in workloads.partial


def test_a_cluster_without_entra_id_sends_no_token_and_needs_both_settings(tenant: Tenant) -> None:
    private(tenant, aadProfile=...)
    with running(tenant.root) as sim:
        assert gap(read(sim)).role == "PULLWATCH_ALLOW_LOCAL_ACCOUNTS=true"
        assert not commands(sim)
        assert len(whole(read(sim, PULLWATCH_ALLOW_LOCAL_ACCOUNTS="true")).containers) == 5


def test_the_nonce_is_new_each_time_and_means_nothing_to_a_shell() -> None:
    names = {run_command._nonce() for _ in range(200)}
    assert len(names) == 200 and all(len(one) == 8 and one.isalnum() for one in names)
