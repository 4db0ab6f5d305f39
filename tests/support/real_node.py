"""A node's real containerd and a real registry, from Debian's packages, on loopback, for one module of tests.

containerd runs as on a node, with its CRI plugin, and is asked as a kubelet asks it. It sees a hosts file and a
resolver of its own (a private mount namespace), so that registries have real names. All of it lives in one folder
and ends with the ``with`` block; where this process is killed, the kernel ends its children.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = {"containerd": "containerd", "docker-registry": "docker-registry", "curl": "curl"}
USER, PASSWORD = "puller", "the-right-password"
# bcrypt of PASSWORD, the one scheme the registry takes; made once, for no server but the ones of this module.
_HTPASSWD = f"{USER}:$2y$05$Pul1watchPul1watchPuluEZjbaDau4m75qkZayEaDKsld5r0dcha\n"
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
_START_SECONDS = 20.0
# gRPC's codes by number, as Go spells them.
_CODES = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"),
    *("PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"),
    *("Internal", "Unavailable", "DataLoss", "Unauthenticated"),
)
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def what_is_missing() -> str:
    """Why the real programs cannot run here, "" where they can."""
    absent = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if absent:
        return f"not installed: apt-get install {' '.join(absent)}"
    if os.geteuid() != 0:
        return "containerd unpacks images as root only"
    return "" if _may_mount() else "no right to a mount namespace (CAP_SYS_ADMIN)"


@functools.cache
def _may_mount() -> bool:
    probe = ["unshare", "--mount", "--propagation", "private", "mount", "--bind", "/etc/hosts", "/etc/hosts"]
    return subprocess.run(probe, capture_output=True, timeout=20).returncode == 0


@dataclass(frozen=True)
class Identity:
    """A server's certificate and key, as files."""

    certificate: Path
    key: Path


@contextmanager
def _daemon(folder: Path, command: list[str], environment: Mapping[str, str]) -> Iterator[tuple[Any, Path]]:
    """A program that ends with the block or with this process, and the file its output goes to."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        )
        try:
            yield process, log
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Registry:
    """A running docker-registry: ``port`` on loopback, ``storage`` its files."""

    def __init__(self, port: int, storage: Path, url: str, context: Any) -> None:
        self.port = port
        self.storage = storage
        self._url = url
        self._context = context

    def push(self, name: str, *, tag: str = "1", platform: str = "", size: int = 0, layers: int = 1) -> str:
        """An image of one file of that many bytes; with ``platform`` (os/architecture) an index of that platform.

        ``layers``: how many the manifest lists, while the configuration tells of one. Answers the layer's digest.
        """
        layer = _tar(name, size)
        system, _, architecture = (platform or "linux/amd64").partition("/")
        root = {"type": "layers", "diff_ids": [_digest(layer)]}
        config = json.dumps({"os": system, "architecture": architecture, "config": {}, "rootfs": root}).encode()
        listed = [self._blob(name, layer, "application/vnd.oci.image.layer.v1.tar")] * layers
        body = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob(name, config, "application/vnd.oci.image.config.v1+json"),
            "layers": listed,
        }
        manifest = json.dumps(body).encode()
        if platform:
            self._put(f"/v2/{name}/manifests/{_digest(manifest)}", manifest, _MANIFEST)
            entry = {"mediaType": _MANIFEST, "digest": _digest(manifest), "size": len(manifest)}
            entry["platform"] = {"os": system, "architecture": architecture}
            manifest = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}).encode()
        self._put(f"/v2/{name}/manifests/{tag}", manifest, _INDEX if platform else _MANIFEST)
        return _digest(layer)

    def blob(self, digest: str) -> Path:
        """The file in which the registry keeps that content."""
        algorithm, _, value = digest.partition(":")
        return self.storage / "docker/registry/v2/blobs" / algorithm / value[:2] / value / "data"

    def _blob(self, name: str, content: bytes, media: str) -> dict[str, Any]:
        begun = self._ask("POST", f"/v2/{name}/blobs/uploads/", b"", "application/octet-stream")
        where = urllib.parse.urlsplit(begun["Location"])
        self._put(f"{where.path}?{where.query}&digest={_digest(content)}", content, "application/octet-stream")
        return {"mediaType": media, "digest": _digest(content), "size": len(content)}

    def _put(self, path: str, content: bytes, media: str) -> None:
        self._ask("PUT", path, content, media)

    def _ask(self, method: str, path: str, content: bytes, media: str) -> Any:
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Content-Type": media, "Authorization": f"Basic {token}"}
        request = urllib.request.Request(f"{self._url}{path}", data=content, method=method, headers=headers)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._context)
        )
        with opener.open(request, timeout=20) as response:
            return response.headers


@contextmanager
def registry(
    folder: Path, *, identity: Identity | None, context: Any = None, auth: Mapping[str, Any] | None = None
) -> Iterator[Registry]:
    """docker-registry on a free port of loopback; without ``identity`` it speaks plain HTTP.

    ``auth`` is its own setting of that name; without it USER and PASSWORD are asked for.
    """
    folder.mkdir(parents=True)
    (folder / "htpasswd").write_text(_HTPASSWD)
    http: dict[str, Any] = {"addr": "127.0.0.1:0", "secret": "of this test"}
    if identity:
        http["tls"] = {"certificate": str(identity.certificate), "key": str(identity.key)}
    config = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": http,
        "auth": auth or {"htpasswd": {"realm": "the test's registry", "path": str(folder / "htpasswd")}},
    }
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(config))
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    with _daemon(folder, command, {"OTEL_TRACES_EXPORTER": "none"}) as (process, log):
        port = _wait(process, log, lambda: _LISTENING.search(log.read_text(errors="replace")))
        scheme = "https" if identity else "http"
        yield Registry(int(port[1]), folder / "storage", f"{scheme}://127.0.0.1:{port[1]}", context)


class Node:
    """A running containerd, asked over CRI."""

    def __init__(self, socket: Path, log: Path) -> None:
        self._socket = socket
        self._log = log

    def pull(self, image: str, user: str = "", password: str = "") -> str:
        """Asks for the image as a kubelet does: the error it would show, "" where the image was pulled.

        Raises RuntimeError where containerd gave no answer.
        """
        auth = _text(1, user) + _text(2, password)
        request = _message(1, _text(1, image)) + (_message(2, auth) if auth else b"")
        answered = subprocess.run(
            [
                *("curl", "-sS", "--http2-prior-knowledge", "--unix-socket", str(self._socket), "--max-time", "50"),
                *("-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-"),
                *("--dump-header", "-", "--output", os.devnull, "http://cri/runtime.v1.ImageService/PullImage"),
            ],
            input=b"\0" + len(request).to_bytes(4, "big") + request,
            capture_output=True,
            timeout=60,
        )
        shown = dict(re.findall(r"(?m)^(grpc-status|grpc-message): ?(.*?)\r?$", answered.stdout.decode()))
        if not shown.get("grpc-status", "").isdigit():
            raise RuntimeError(
                f"no answer of containerd: {answered!r}\n{self._log.read_text(errors='replace')[-3000:]}"
            )
        code, message = _CODES[int(shown["grpc-status"])], urllib.parse.unquote(shown.get("grpc-message", ""))
        return "" if code == "OK" else f"rpc error: code = {code} desc = {message}"


@contextmanager
def node(
    folder: Path,
    *,
    names: Mapping[str, str],
    resolver: str,
    trusted: Mapping[str, Path],
    environment: Mapping[str, str],
    disk: str = "64m",
) -> Iterator[Node]:
    """containerd with CRI in ``folder``; ``names``: address by host, everything else is asked of ``resolver``.

    ``disk`` is the size of what it keeps images in (memory, gone with it), as mount(8) takes it.
    ``trusted``: the authority's file by registry (host:port), where containerd looks for it (certs.d).
    """
    folder.mkdir(parents=True)
    for registry_name, authority in trusted.items():
        own = folder / "certs.d" / registry_name
        own.mkdir(parents=True)
        shutil.copyfile(authority, own / "ca.crt")
    (folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in names.items()))
    (folder / "resolv.conf").write_text(f"nameserver {resolver}\noptions timeout:1 attempts:1\n")
    (folder / "config.toml").write_text(_node_config(folder))
    (folder / "root").mkdir()
    script = (
        'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf '
        f'&& mount -t tmpfs -o size={disk} tmpfs "$0/root" && exec "$@"'
    )
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(folder)]
    containerd = ["containerd", "--config", str(folder / "config.toml")]
    with _daemon(folder, [*private, *containerd], {"GODEBUG": "netdns=go", **environment}) as (process, log):
        _wait(process, log, lambda: "containerd successfully booted" in log.read_text(errors="replace"))
        yield Node(folder / "socket", log)


def _node_config(folder: Path) -> str:
    """Every path in ``folder``, and no plugin that would look for one elsewhere."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    # containerd's own choice, and the only one its second major version is content with; the other works everywhere.
    snapshotter = "overlayfs" if "\toverlay\n" in Path("/proc/filesystems").read_text() else "native"
    return f"""
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.nri.v1.nri",
]
[grpc]
address = "{folder}/socket"
[ttrpc]
address = "{folder}/ttrpc"
[{cri}]
stream_server_address = "127.0.0.1"
[{cri}.cni]
bin_dir = "{folder}/cni/bin"
conf_dir = "{folder}/cni/conf"
[{cri}.containerd]
snapshotter = "{snapshotter}"
[{cri}.registry]
config_path = "{folder}/certs.d"
"""


def _wait(process: Any, log: Path, ready: Any) -> Any:
    """What ``ready`` answers once it is true. Raises RuntimeError with the log where the program ends or takes long."""
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        if result := ready():
            return result
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _message(field: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def _text(field: int, content: str) -> bytes:
    return _message(field, content.encode()) if content else b""


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _tar(name: str, size: int) -> bytes:
    """A layer of one file; its name makes the digest another one for each image."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(name.replace("/", "-"))
        entry.size = size
        archive.addfile(entry, io.BytesIO(bytes(size)))
    return buffer.getvalue()
