"""What comes of a node's try to pull an image: what the node hears, and what the registry noticed of it."""

from __future__ import annotations

from dataclasses import dataclass

PULLED_BYTES = 28_311_552
LOGIN, PULL = "Login", "Pull"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a registry writes down: a sign-in or a pull, with the HTTP status it answered.

    `principal` is the object id of who asked, "" for nobody. `digest` is that of the manifest that was sent; `why` says
    what was missing for 404.
    """

    operation: str
    status: int
    principal: str = ""
    digest: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One try as a registry of Azure's noticed it. A try that never reached the registry has none of these.

    `address` is where the try came from; `own`: it is the node's own address in its network, not a public one.
    `reference` is a tag, or a digest with its `sha256:`.
    """

    registry: str
    login_server: str
    address: str
    own: bool
    repository: str
    reference: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Pulled:
    size: int = PULLED_BYTES
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """`code` is the gRPC code by which containerd hands the error to kubelet, `text` its description.

    `again` is what the next try heard: kubelet makes one per credential, on AKS a last one without any. `seen` is about
    all of them.
    """

    text: str
    code: str = "Unknown"
    again: Failed | None = None
    seen: Seen | None = None

    @property
    def message(self) -> str:
        """As kubelet tells it: newer ones leave gRPC's prefix out where the code says nothing."""
        answered = self.text if self.code == "Unknown" else f"rpc error: code = {self.code} desc = {self.text}"
        return answered if self.again is None else f"[{answered}, {self.again.message}]"
