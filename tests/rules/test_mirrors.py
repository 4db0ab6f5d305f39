"""Which host failed: the registry that an image names, or a mirror that nodes ask first."""

import pytest

from checks.rules.pull.mirrors import is_artifact_streaming, is_in_network, is_on_node, mirror_in

HOST = "acrone.azurecr.io"
REQUEST = 'failed to do request: Head "{}/v2/team/web/manifests/1{}": dial tcp: connection refused'


@pytest.mark.parametrize(
    ("text", "host", "mirror"),
    [
        (REQUEST.format("http://localhost:8578", f"?ns={HOST}"), HOST, "localhost:8578"),
        (REQUEST.format("https://mirror.corp.example", f"?ns={HOST}"), HOST, "mirror.corp.example"),
        (REQUEST.format("https://mirror.corp.example", f"?a=b&ns={HOST}"), HOST, "mirror.corp.example"),
        (REQUEST.format("https://Mirror.corp.example", "?ns=docker.io"), "docker.io", "mirror.corp.example"),
        ("pulling from host 127.0.0.1:65001 failed with status code [manifests 9]: 500", HOST, "127.0.0.1:65001"),
        (REQUEST.format(f"https://{HOST}", ""), HOST, ""),
        (REQUEST.format(f"https://{HOST}", f"?ns={HOST}"), HOST, ""),
        (REQUEST.format("https://registry-1.docker.io", "?ns=docker.io"), "docker.io", ""),
        (REQUEST.format("https://acrone.westeurope.geo.azurecr.io", f"?ns={HOST}"), HOST, ""),
        (f"pulling from host {HOST} failed with status code [manifests 9]: 401 Unauthorized", HOST, ""),
        ("", HOST, ""),
        # AKS's documentation shows it without the space that ends a URL.
        (f"from HEAD request to http://localhost:8578/v2/a/manifests/1?ns={HOST}:503 Service", HOST, "localhost:8578"),
        # The first request decides, as its error does.
        (
            f"[{REQUEST.format(f'https://{HOST}', '')}, {REQUEST.format('http://localhost:8578', f'?ns={HOST}')}]",
            HOST,
            "",
        ),
        (
            f"[{REQUEST.format('http://localhost:8578', f'?ns={HOST}')}, {REQUEST.format(f'https://{HOST}', '')}]",
            HOST,
            "localhost:8578",
        ),
        # With override_path a mirror's paths do not begin with v2.
        ('Head "https://mirror.corp.example/hub/a/manifests/1?ns=docker.io": EOF', "docker.io", "mirror.corp.example"),
        # A token service and the host of layers are no mirrors.
        ('Get "https://auth.corp.example/token?service=x": dial tcp: i/o timeout', "quay.io", ""),
        ('Get "https://cdn.corp.example/v2/web/blobs/sha256:5f": EOF', "quay.io", ""),
    ],
)
def test_the_host_that_failed_is_the_one_that_the_text_names(text: str, host: str, mirror: str) -> None:
    assert mirror_in(text, host) == mirror


@pytest.mark.parametrize("mirror", ["localhost:8578", "127.0.0.1:65001", "127.0.0.9", "[::1]", "localhost"])
def test_a_mirror_on_the_node_is_the_nodes_own(mirror: str) -> None:
    assert is_on_node(mirror)


@pytest.mark.parametrize("mirror", ["mirror.corp.example", "10.0.0.4:5000", "", "localhost.evil.example", "[fd00::1]"])
def test_any_other_mirror_is_not(mirror: str) -> None:
    assert not is_on_node(mirror)


@pytest.mark.parametrize(
    ("mirror", "streaming", "in_network"),
    [
        ("localhost:8578", True, False),
        ("127.0.0.1:8578", True, False),
        ("127.0.0.1:65001", False, False),
        ("10.224.0.4:30020", False, True),
        ("[fd00::1]", False, True),
        ("20.1.2.3:443", False, False),
        ("mirror.corp.example:8578", False, False),
        ("", False, False),
    ],
)
def test_what_a_mirror_is_by_its_address(mirror: str, *, streaming: bool, in_network: bool) -> None:
    assert (is_artifact_streaming(mirror), is_in_network(mirror)) == (streaming, in_network)


def test_a_hostile_text_costs_no_time() -> None:
    assert mirror_in("https://a/" * 100_000 + "?ns=", HOST) == ""
