"""Tables, descriptions, logs and pasted texts: each pull error once, with its pod. Tables are kubectl 1.32's."""

# ruff: noqa: E501
from __future__ import annotations

import json
import re
import textwrap
import tracemalloc
from contextlib import suppress
from time import process_time

import pytest

from checks.cli.classify.answers import MAX_TEXT
from checks.cli.classify.formats import Unreadable
from checks.cli.classify.texts.ages import before
from tests.support.classified import BACK_OFF, IMAGE, NOT_FOUND, PROBE, UNAUTHORIZED, classified, event, pod, printed
from tests.support.cli import typed
from tests.support.sampling import sampled

WEB = ("image_not_found", "prod", "web-1", "", IMAGE)
OF_WEB = ("image_not_found", "prod", "web-1", "web", IMAGE)
HEAD = "NAMESPACE   LAST SEEN   TYPE      REASON          OBJECT                               MESSAGE"
EVENTS = f"""{HEAD}
default     0s          Warning   KubeAPIReadyz   namespace/openshift-kube-apiserver   readyz=true
prod        7h3m        Warning   Failed          pod/web-1                            {NOT_FOUND}
prod        7h3m        Warning   Failed          pod/web-1                            Error: ErrImagePull
prod        7h3m        Normal    BackOff         pod/web-1                            {BACK_OFF}
prod        7h3m        Warning   Unhealthy       pod/web-1                            Readiness probe failed: refused...
"""
WIDE_HEAD = "NAMESPACE   LAST SEEN   TYPE   REASON   OBJECT   SUBOBJECT   SOURCE   MESSAGE   FIRST SEEN   COUNT   NAME"
WIDE = f"""{WIDE_HEAD}
default   0s     Warning   Ready     namespace/x                           apiserver, vm       readyz=true           0s     1   x.1
prod      7h3m   Warning   Failed    pod/web-1   spec.containers{{web}}   kubelet, aks-np-0   {NOT_FOUND}           4d7h   4   w.0
prod      7h3m   Warning   Failed    pod/web-1   spec.containers{{web}}   kubelet, aks-np-0   Error: ErrImagePull   4d7h   4   w.1
prod      7h3m   Normal    BackOff   pod/web-1   spec.containers{{web}}   kubelet, aks-np-0   {BACK_OFF}            4d7h   4   w.2
"""
KUBECTL_EVENTS = f"""NAMESPACE   LAST SEEN             TYPE      REASON      OBJECT      MESSAGE
prod        7h3m (x4 over 4d7h)   Warning   Failed      Pod/web-1   {NOT_FOUND}
prod        7h3m (x4 over 4d7h)   Normal    BackOff     Pod/web-1   {BACK_OFF}
prod        7h3m (x4 over 4d7h)   Warning   Unhealthy   Pod/web-1   {PROBE}
second line
default     1s                    Warning   KubeAPIReadyz   Namespace/openshift-kube-apiserver   readyz=true
"""
PODS = """NAMESPACE   NAME    READY   STATUS                  RESTARTS      AGE
prod        web-1   0/2     ImagePullBackOff        0             5m
prod        web-2   0/1     Init:ErrImagePull       0             5m
prod        web-3   0/1     CrashLoopBackOff        3 (25s ago)   5m
prod        web-4   1/1     Running                 2 (3d1h ago)  9d
"""
DESCRIBED = f"""Name:             web-1
Namespace:        prod
Priority:         0
Service Account:  default
Node:             aks-np-0/10.0.0.4
Labels:           app=web
Annotations:      note: Failed to pull image "evil.example/x:1": connection refused
Status:           Pending
Init Containers:
  setup:
    Container ID:   containerd://1
    Image:          busybox
    State:          Terminated
      Reason:       Completed
      Exit Code:    0
    Ready:          True
Containers:
  web:
    Container ID:
    Image:          {IMAGE}
    Image ID:
    State:          Waiting
      Reason:       ImagePullBackOff
    Last State:     Terminated
      Reason:       ErrImagePull
    Environment:
      MESSAGE:      dial tcp: lookup no.such.host: no such host
  side:
    Image:          nginx:1
    State:          Running
Conditions:
  Type              Status
  Ready             False
Volumes:
  kube-api-access-j7xvt:
    Type:                    Projected (a volume that contains injected data from multiple sources)
QoS Class:                   BestEffort
Tolerations:                 node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  2m                 default-scheduler  Successfully assigned prod/web-1 to aks-np-0
  Normal   Pulling    90s (x4 over 2m)   kubelet            Pulling image "{IMAGE}"
  Warning  Failed     60s (x4 over 2m)   kubelet            {NOT_FOUND}
  Warning  Failed     60s (x4 over 2m)   kubelet            Error: ErrImagePull
  Normal   BackOff    20s (x6 over 2m)   kubelet            {BACK_OFF}
  Warning  Unhealthy  20s                kubelet            {PROBE}
second line of the probe
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("table", "wanted", "others"),
    [(EVENTS, [WEB], 2), (WIDE, [OF_WEB], 1), (KUBECTL_EVENTS, [WEB], 2)],
    ids=["events", "wide", "kubectl events"],
)
def test_a_table_of_events_is_one_error_with_its_pod(
    table: str, wanted: list[tuple[str, ...]], others: int, ends: str
) -> None:
    result = classified(table.replace("\n", ends))

    assert (result.named, result.read.others) == (wanted, others)


@pytest.mark.parametrize(
    "table", [EVENTS, WIDE, KUBECTL_EVENTS, PODS], ids=["events", "wide", "kubectl events", "pods"]
)
def test_a_table_is_read_without_its_header_and_its_namespaces(table: str) -> None:
    whole, rows = (
        classified(table),
        [line for line in table.splitlines() if not line.startswith(("NAMESPACE", "second"))],
    )
    without_header = classified("\n".join(rows))
    assert without_header.named == whole.named

    alone = classified("\n".join(row.split(None, 1)[1] for row in rows))
    assert alone.named == [(cause, "", *rest) for cause, _, *rest in whole.named]


def test_a_table_of_pods_tells_which_wait_for_their_images() -> None:
    result = classified(PODS)

    assert result.named == [("backoff_only", "prod", "web-1", "", ""), ("backoff_only", "prod", "web-2", "", "")]
    assert result.read.others == 2


@pytest.mark.parametrize("table", [EVENTS, KUBECTL_EVENTS, PODS], ids=["events", "kubectl events", "pods"])
def test_a_table_that_lost_its_columns_widths_in_a_chat_is_read(table: str) -> None:
    squeezed = "\n".join(" ".join(row.split()) for row in table.splitlines())

    assert classified(squeezed).named == classified(table).named


def test_tables_below_each_other_are_one_error() -> None:
    """As `kubectl get pods,events -A` prints them."""
    pods = PODS.replace(" web-", " pod/web-")

    assert classified(f"{pods}\n{EVENTS}").named[0] == WEB


def test_a_table_may_have_anything_around_it() -> None:
    text = f"Warning: deprecated\n$ kubectl get events -A\n{EVENTS}\nNo resources found in test namespace.\n"

    assert classified(text).named == [WEB]


def test_a_message_of_several_lines_is_one() -> None:
    head, _, cause = NOT_FOUND.rpartition("failed to resolve")
    text = f"{HEAD}\nprod   1m   Warning   Failed   pod/web-1   {head}\nfailed to resolve{cause}\n"

    assert classified(text).named == [WEB]


def test_a_described_pod_is_one_error_of_its_container() -> None:
    for text in (DESCRIBED, DESCRIBED.replace("\n", "\r\n"), f"Warning: x\n\n{DESCRIBED}\n\nsome line\n"):
        assert classified(text).named == [OF_WEB]


def test_what_a_described_pod_says_elsewhere_is_no_error() -> None:
    fine = DESCRIBED.partition("Events:")[0].replace("Waiting", "Running") + "Events:            <none>\n"
    result = classified(fine + EVENTS)

    assert result.named == [WEB]


def test_many_described_pods_are_told_apart() -> None:
    two = DESCRIBED.replace("web-1", "web-2").replace("prod", "test").replace(NOT_FOUND, UNAUTHORIZED)
    for between in ("\n\n", "", "\n---\n"):
        assert classified(DESCRIBED + between + two).named == [
            OF_WEB,
            ("unauthorized", "test", "web-2", "web", IMAGE),
        ]


def test_a_described_pod_without_events_tells_what_it_waits_for() -> None:
    text = DESCRIBED.partition("Events:")[0]

    assert classified(text).named == [("backoff_only", "prod", "web-1", "web", IMAGE)]


def test_a_described_workload_is_no_pod() -> None:
    text = """Name:           web-7d9f
Namespace:      prod
Selector:       app=web
Replicas:       0 current / 1 desired
Pod Template:
  Containers:
   web:
    Image:      nginx
Events:
  Type     Reason        Age  From                   Message
  ----     ------        ---- ----                   -------
  Warning  FailedCreate  5s   replicaset-controller  Error creating: admission webhook "validation.gatekeeper.sh" denied \
the request: [azurepolicy-k8sazurev2containerallowedimag-1] Container image nginx for container nginx has not been allowed.
"""
    (shown,) = classified(text).answers

    assert (shown["cause"], shown["about"], shown["namespace"], "pod" in shown) == ("policy", "web-7d9f", "prod", False)


def test_described_events_are_read_as_events() -> None:
    text = f"""Name:             web-1.0
Namespace:        prod
Involved Object:
  API Version:   v1
  Field Path:    spec.containers{{web}}
  Kind:          Pod
  Name:          web-1
  Namespace:     prod
Kind:            Event
Message:         {NOT_FOUND}
Reason:                Failed
Events:       <none>
"""
    assert classified(text).named == [OF_WEB]


def test_a_piece_of_a_description_is_read() -> None:
    rows = DESCRIBED.partition("-------\n")[2]

    assert classified(rows).named == [("image_not_found", "", "", "", IMAGE)]


RUNTIME = f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": {IMAGE}: not found'
KLOG = "E1128 15:00:00.123456    1234 "
KUBELET = "\n".join(
    f"Nov 28 15:00:00 aks-np-0 kubelet[1234]: {KLOG}{line}"
    for line in (
        f'remote_image.go:180] "PullImage from image service failed" err={json.dumps(RUNTIME)} image="{IMAGE}"',
        f'kuberuntime_image.go:55] "Failed to pull image" err={json.dumps(RUNTIME)} image="{IMAGE}"',
        'kuberuntime_manager.go:1256] "Unhandled Error" err='
        + json.dumps(
            f"container &Container{{Name:web,Image:{IMAGE},Command:[],Args:[],}} start failed in pod "
            f"web-1_prod(93b0359e-27f1-46e0-9f29-b8a732cf84e2): ErrImagePull: {RUNTIME}"
        ),
        'pod_workers.go:1301] "Error syncing pod, skipping" err='
        + json.dumps(f'failed to "StartContainer" for "web" with ErrImagePull: {json.dumps(RUNTIME)}')
        + ' pod="prod/web-1" podUID="93b0359e-27f1-46e0-9f29-b8a732cf84e2"',
        'reflector.go:561] "Unhandled Error" err="failed to list *v1.Service: dial tcp 10.0.0.1:443: i/o timeout"',
        'kubelet.go:2412] "SyncLoop (PLEG): event for pod" pod="prod/web-2"',
    )
)


def test_kubelets_log_is_one_error_of_the_pod() -> None:
    result = classified(KUBELET)

    assert result.named == [OF_WEB]
    assert result.read.others == 2
    assert classified(KUBELET.replace("Nov 28 15:00:00 aks-np-0 kubelet[1234]: ", "")).named == [OF_WEB]


def test_each_line_of_kubelets_log_tells_the_cause() -> None:
    for line in KUBELET.splitlines()[:4]:
        assert classified(line).causes == ["image_not_found"]


def test_an_older_kubelets_line_names_the_pod() -> None:
    line = (
        f'{KLOG}pod_workers.go:191] Error syncing pod 93b0359e-27f1 ("web-1_prod(93b0359e-27f1)"), skipping: failed to '
        f'"StartContainer" for "web" with ErrImagePull: {json.dumps(RUNTIME)}'
    )
    assert classified(line).named == [OF_WEB]


def test_containerds_log_is_read() -> None:
    error = f'failed to pull and unpack image "{IMAGE}": failed to do request: dial tcp: lookup x: no such host'
    line = f'time="2026-11-28T15:00:00Z" level=error msg="PullImage \\"{IMAGE}\\" failed" error={json.dumps(error)}'
    for text in (line, f"Nov 28 15:00:00 aks-np-0 containerd[999]: {line}"):
        assert classified(text).named == [("dns", "", "", "", IMAGE)]


def test_a_log_in_which_nothing_is_about_a_pull_is_read_and_has_no_answer() -> None:
    result = classified("\n".join(KUBELET.splitlines()[4:]))

    assert (result.answers, result.read.others) == ([], 2)


def test_what_kubectl_logs_says_of_a_pod_that_waits_names_it() -> None:
    text = (
        'Error from server (BadRequest): container "web" in pod "web-1" is waiting to start: '
        "trying and failing to pull image\n"
    )
    assert classified(text).named == [("backoff_only", "", "web-1", "web", "")]


def test_pasted_errors_are_answered_a_line_each() -> None:
    lines = (
        "dial tcp: lookup contoso.azurecr.io on 168.63.129.16:53: no such host",
        NOT_FOUND,
        "",
        "Error response from daemon: pull access denied for contoso/web, repository does not exist or may require "
        "'docker login': denied: requested access to the resource is denied",
        PROBE,
    )
    result = classified("\n".join(lines))

    assert result.named == [
        ("dns", "", "", "", ""),
        ("image_not_found", "", "", "", IMAGE),
        ("image_not_found", "", "", "", "contoso/web"),
    ]
    assert result.read.others == 1


def test_a_runtimes_error_that_nobody_knows_is_an_error_on_its_own_and_none_in_a_log() -> None:
    text = "rpc error: code = FailedPrecondition desc = failed precondition"
    assert classified(text).causes == ["unknown"]
    assert classified(f'{KLOG}x.go:1] "Other" err="{text}"').causes == []


@pytest.mark.parametrize(
    "secret", ["Bearer abc.def.ghi", "Authorization: Basic xyz", "token=xyz", "https://web:xyz@contoso.azurecr.io/v2/"]
)
def test_no_text_of_any_format_shows_a_credential(secret: str) -> None:
    text = f'Failed to pull image "{IMAGE}": something new: {secret}'
    rows = f"{HEAD}\nprod   1s   Warning   Failed   pod/web-1   {text}\n"
    waiting = pod("ErrImagePull", text, container=secret)
    texts = (text, rows, json.dumps({"message": text, "pod": secret, "image": secret}), printed(event(text), waiting))
    for given in (*texts, f"rpc error: code = Unknown desc = {secret}"):
        shown = json.dumps(classified(given).answers)
        assert "[redacted]" in shown and not re.search(r"xyz|abc\.def|ghi", shown)


def test_a_credential_that_is_cut_by_the_bound_of_a_text_is_not_shown() -> None:
    begins = f'Failed to pull image "{IMAGE}": '
    text = f"{begins}{' ' * (MAX_TEXT - len(begins) - 20)}https://web:hunter2hunter2@contoso.azurecr.io/v2/"

    assert "hunter" not in json.dumps(classified(text.replace("  ", " x", 1)).answers)


def test_an_image_without_quotes_is_named() -> None:
    text = "CannotPullContainerError: failed to resolve ref docker.io/library/nginx:none: not found"
    assert classified(text).named == [("image_not_found", "", "", "", "docker.io/library/nginx:none")]


@pytest.mark.parametrize(
    "given",
    [
        b"a,b,c\n1,2,3\n",
        b"<html><body>Sign in</body></html>",
        b"\x1f\x8b\x08\x00" + bytes(range(256)) * 40,
        b"hello",
        b"event/web-1.0\nevent/web-1.1\n",
        b"NAME   READY   UP-TO-DATE\nweb    1/1     1\n",
        b"[1, 2",
        b"\xff\xfe\x00",
    ],
)
def test_a_format_that_cannot_be_read_is_one_clear_error(given: bytes) -> None:
    with pytest.raises(Unreadable, match="no text of a failed pull in it, and is in no format that is read"):
        classified(given)


@pytest.mark.parametrize("given", [b"", b"\n \n\t\r\n", b"\xef\xbb\xbf", b"No resources found in default namespace.\n"])
def test_an_input_without_anything_is_empty(given: bytes) -> None:
    result = classified(given)

    assert result.read.empty and result.answers == []


def test_ages_are_compared_in_seconds() -> None:
    ages = ["<unknown>", "2y1d", "4d7h", "7h3m (x4 over 4d7h)", "61m", "60s", "500ms", "0s"]

    assert sorted(ages, key=before) == ages
    assert before("7h3m") == -(7 * 3600 + 3 * 60)


PIECES = [
    "  Normal  a  b  c  ", "  Warning Failed 1s (x1 over ", " ", "  Normal ", "\n", "{", "Name: x\n", "Events:\n",
    "prod 1s Warning Failed pod/x y ", "x 0/1 ", "\\", '"', 'image "', "http://", "x_y(", "E1128 15:00:00.1 1 a.go:1] ",
    'a="', "time=x level=error ", "\x1b[", "lookup ", "[", "- ", "a: ", "apiVersion: ", "spec.containers{",
]  # fmt: skip


@pytest.mark.parametrize("piece", sampled(PIECES, 4))
def test_a_megabyte_of_anything_takes_little_time(piece: str) -> None:
    hostile = ("Name: x\nEvents:\n" + piece * 1024 * 1024)[: 1024 * 1024]
    for text in (hostile, hostile[len("Name: x\nEvents:\n") :]):
        began = process_time()
        with suppress(Unreadable):
            classified(text)
        assert process_time() - began < 5


QUOTED_TABLE = (
    "> NAMESPACE   LAST SEEN   TYPE      REASON   OBJECT       MESSAGE\n"
    "> shop        2m          Warning   Failed   pod/cart-1   "
    'Failed to pull image "contoso.azurecr.io/shop/cart:1": 401 Unauthorized\n'
)


def test_a_quotation_is_read_like_what_it_quotes() -> None:
    unquoted = QUOTED_TABLE.replace("> ", "")
    assert classified(QUOTED_TABLE).named == classified(unquoted).named != []
    assert classified("".join(f"    {line}\n" for line in unquoted.splitlines())).named == classified(unquoted).named


def test_columns_of_somebodys_own_are_known_by_their_heading() -> None:
    text = (
        "NS    POD       REASON      MSG\n"
        "web   front-1   Unhealthy   Liveness probe failed: HTTP probe failed with statuscode: 503\n"
        'web   front-1   Failed      Failed to pull image "contoso.azurecr.io/web:1": 401 Unauthorized\n'
        'web   front-2   FailedMount MountVolume.SetUp failed for volume "x" : secret "y" not found\n'
    )
    assert classified(text).named == [("unauthorized", "web", "front-1", "", "contoso.azurecr.io/web:1")]


def test_a_line_of_kubelet_with_two_containers_is_two_errors() -> None:
    error = ", ".join(
        f'failed to \\"StartContainer\\" for \\"{name}\\" with ImagePullBackOff: \\"Back-off pulling image '
        f'\\\\\\"x.io/{name}:1\\\\\\"\\"'
        for name in "ab"
    )
    line = f'{KLOG}pod_workers.go:1324] "Error syncing pod, skipping" err="[{error}]" pod="shop/cart-1"'
    found = classified(line).named
    assert [(one[1], one[2], one[3], one[4]) for one in found] == [
        ("shop", "cart-1", "a", "x.io/a:1"),
        ("shop", "cart-1", "b", "x.io/b:1"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        'Error from server (NotFound): pods "x" not found',
        "error: You must be logged in to the server (Unauthorized)",
        "Unable to connect to the server: dial tcp: lookup aks-x.hcp.westeurope.azmk8s.io: no such host",
        "The connection to the server 127.0.0.1:8080 was refused - did you specify the right host or port?",
    ],
)
def test_what_kubectl_says_of_its_own_request_is_no_pull_error(line: str) -> None:
    assert (classified(line).causes, classified(line).read.others) == ([], 1)


def test_an_error_of_a_pull_is_one_whatever_it_begins_with() -> None:
    assert classified('error: failed to pull image "a.azurecr.io/x:1": 401 Unauthorized').causes == ["unauthorized"]


@pytest.mark.parametrize(
    "line",
    [
        "dial tcp 10.0.0.5:5432: connect: connection refused",
        "failed to connect to `host=db user=web database=shop`: dial tcp 10.0.0.5:5432: connect: connection refused",
        "GET https://api.contoso.example/orders: 401 Unauthorized",
        "401 Unauthorized",
        "could not load the image gallery: 503 Service Unavailable",
        "java.net.UnknownHostException: orders: Temporary failure in name resolution",
        "x509: certificate signed by unknown authority",
        "write /data/cache.db: no space left on device",
        "redis: i/o timeout",
        "unexpected EOF",
    ],
)
@pytest.mark.parametrize("before", ["", "2026-11-28T15:00:00Z ", "Nov 28 15:00:00 aks-np-0 shop[12]: "])
def test_an_applications_own_error_is_no_pull_error(line: str, before: str) -> None:
    assert classified(f"{NOT_FOUND}\n{before}{line}").causes == ["image_not_found"]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('Get "https://contoso.azurecr.io/v2/": dial tcp 10.0.0.5:443: connect: connection refused', "connect_refused"),
        ("failed to fetch anonymous token: unexpected status: 401 Unauthorized", "unauthorized"),
        ("dial tcp: lookup contoso.azurecr.io: no such host", "dns"),
        ("ErrImagePull: 401 Unauthorized", "unauthorized"),
        ("contoso.example/web:1: dial tcp 10.0.0.5:443: i/o timeout", "connect_timeout"),
    ],
)
def test_an_error_with_a_sign_of_a_pull_is_one(line: str, cause: str) -> None:
    assert classified(line).causes == [cause]


def broken(text: str, width: int) -> str:
    """A text as a terminal shows it, and as it is copied from there."""
    return "\n".join(text[at : at + width].rstrip() for at in range(0, len(text), width))


@pytest.mark.parametrize("width", [72, 80, 83, 100, 120])
@pytest.mark.parametrize("how", ["terminal", "mail", "quoted mail"])
@pytest.mark.parametrize("text", [NOT_FOUND, UNAUTHORIZED], ids=["not found", "unauthorized"])
def test_an_error_that_was_broken_at_a_column_is_one_with_its_image(text: str, how: str, width: int) -> None:
    if how == "terminal":
        wrapped = broken(text, width)
    else:
        wrapped = textwrap.fill(text, min(width, 78), break_long_words=False, break_on_hyphens=False)
    if how == "quoted mail":
        wrapped = "".join(f"> {line}\n" for line in wrapped.splitlines())
    for given in (wrapped, f"hello, this is what it says:\n\n{wrapped}\n\nregards\n"):
        assert classified(given).named == classified(text).named


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("table", [EVENTS, KUBECTL_EVENTS, DESCRIBED], ids=["events", "kubectl events", "described"])
def test_a_table_that_was_broken_at_a_column_is_one_error_with_its_image(table: str, width: int) -> None:
    wrapped = "\n".join(broken(line, width) for line in table.splitlines())

    assert classified(wrapped).named == classified(table).named
    rows = "\n".join(broken(line, width) for line in table.splitlines()[1:]) if table is EVENTS else wrapped
    assert classified(rows).named == classified(table).named


def test_errors_of_one_length_below_each_other_are_told_apart() -> None:
    lines = [f'Failed to pull image "contoso.azurecr.io/{name}:1": 401 Unauthorized' for name in ("web", "api", "job")]
    assert classified("\n".join(lines)).causes == ["unauthorized"] * 3
    lines = [f"dial tcp: lookup {name}.azurecr.io on 168.63.129.16:53: no such host" for name in ("contoso", "fabrikm")]
    assert classified("\n".join(lines)).causes == ["dns"] * 2


def test_a_credential_that_was_broken_at_a_column_is_not_shown() -> None:
    text = f'Failed to pull image "{IMAGE}": something new: the header was Authorization: Basic hunterhunterhunter=='

    for given in (broken(text, 120), broken(text, 131)):
        assert "hunter" not in json.dumps(classified(given).answers)


QUOTES = (
    ("&quot;", "&quot;"),
    ("&#34;", "&#34;"),
    ("&#x22;", "&#x22;"),
    ("&amp;quot;", "&amp;quot;"),
    ("&ldquo;", "&rdquo;"),
    ("\u201c", "\u201d"),
    ("\u201e", "\u201c"),
    ("\u2018", "\u2019"),
)


@pytest.mark.parametrize(("opens", "closes"), QUOTES)
def test_what_a_web_page_or_a_mail_made_of_quotes_is_undone(opens: str, closes: str) -> None:
    text = re.sub(r'"([^"]*)"', lambda quoted: f"{opens}{quoted[1]}{closes}", UNAUTHORIZED)
    assert classified(text).named == [("unauthorized", "", "", "", IMAGE)]
    assert classified(text.replace("&service", "&amp;service")).named == [("unauthorized", "", "", "", IMAGE)]


def test_no_entity_steers_a_terminal_or_hides_a_credential() -> None:
    text = f"{NOT_FOUND.removesuffix('not found')}&#27;[31m &#8238;&#10; password=&quot;hunter two&quot; new"
    shown = json.dumps(classified(text).answers)

    assert "hunter" not in shown and not re.search(r"u001b|u202e", shown)


HUGE = 16 * 1024 * 1024


@pytest.mark.parametrize("begins", ["", "[", "- a: ", "kind: ", "> ", "prod  1s  Warning  Failed  pod/web-1  x"])
def test_of_one_huge_line_no_more_than_its_beginning_is_held_and_what_was_cut_is_said(begins: str) -> None:
    given = f"{NOT_FOUND}\n{begins}{'x ' * (HUGE // 2)}\n{BACK_OFF}\n".encode()
    tracemalloc.start()
    try:
        result = classified(given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert result.causes[0] == "image_not_found"
    assert result.read.notes == ("1 line is longer than 64 KiB: no more than that was looked at",)
    assert peak < (10 if begins != "[" else 80) * 1024 * 1024


def test_a_list_on_a_huge_line_is_no_line_of_text() -> None:
    """As `kubectl get --raw` prints it, where only its text could be cut."""
    many = [event(NOT_FOUND, pod=f"web-{n}") for n in range(4000)]
    for text in (printed(*many, indent=None), f"here:\n{printed(*many, indent=None)}\n"):
        result = classified(text)

        assert (len(result.answers), result.read.notes) == (4000, ())


def test_what_was_cut_is_said_on_standard_error() -> None:
    done = typed({}, "classify", "--quiet", stdin=f"{NOT_FOUND} {'x ' * 50_000}\n")

    assert done.returncode == 0
    assert done.stderr == "pullwatch: 1 line is longer than 64 KiB: no more than that was looked at\n"


def test_a_list_that_ends_in_the_middle_is_said_on_standard_error_and_is_no_failure() -> None:
    whole = printed(event(NOT_FOUND), event(NOT_FOUND, pod="web-2"))
    done = typed({}, "classify", "--quiet", stdin=whole[: whole.index("web-2")])

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert done.stderr == "pullwatch: the input ends in the middle, after 1 whole item of a list\n"


def test_a_described_pod_that_lost_its_indent_keeps_its_pod_and_container() -> None:
    flat = "\n".join(line.lstrip() for line in DESCRIBED.splitlines())
    labels = flat.replace("Labels: ", "Labels:           a=b\ntier=web\nLabels2:")
    for text in (flat, labels, f"it says\n\n{flat}\n\nany idea?\n"):
        assert classified(text).named == [OF_WEB]
    without_events = flat.partition("Events:")[0]
    assert classified(without_events).named == [("backoff_only", "prod", "web-1", "web", IMAGE)]


def test_two_described_pods_without_indent_are_told_apart() -> None:
    flat = "\n".join(line.lstrip() for line in DESCRIBED.splitlines())
    two = flat.replace("web-1", "web-2").replace("prod", "test")

    assert classified(f"{flat}\n\n{two}\n").named == [OF_WEB, ("image_not_found", "test", "web-2", "web", IMAGE)]


@pytest.mark.parametrize("table", [EVENTS, KUBECTL_EVENTS, PODS], ids=["events", "kubectl events", "pods"])
@pytest.mark.parametrize("ruled", [True, False])
def test_a_table_of_markdown_is_read_like_the_table_that_it_was(table: str, *, ruled: bool) -> None:
    rows = [re.split(r" {2,}", row.strip()) for row in table.splitlines() if row.strip() and not row.startswith("sec")]
    shown = [f"| {' | '.join(row)} |" for row in rows]
    if ruled:
        shown.insert(1, f"|{'|'.join(' :--- ' for _ in rows[0])}|")
    for text in (
        "\n".join(shown),
        "it says:\n\n" + "\r\n".join(shown) + "\r\n\nany idea?\n",
        "\n".join(shown[2 if ruled else 1 :]),
    ):
        assert classified(text).named == classified(table).named
