"""Where the names of canary pods are kept, so that a process that dies leaves none behind that nobody knows of."""

from __future__ import annotations

from typing import Protocol

import msgspec


class CanaryPod(msgspec.Struct, frozen=True):
    """A canary pod: the ARM id of its cluster, its namespace and name."""

    cluster: str
    namespace: str
    name: str


class CanaryRecords(Protocol):
    """Keeps the names of pods from before they are made until they are gone."""

    async def add(self, pod: CanaryPod, seconds: int) -> None:
        """Keeps a name; the pod ends by itself ``seconds`` after it is made. Raises CollectError: then none is made."""

    async def remove(self, pod: CanaryPod) -> None:
        """Forgets a pod that is gone or was never made."""


class Unrecorded:
    """No storage, as on the command line: a pod that is left is found by its label."""

    async def add(self, pod: CanaryPod, seconds: int) -> None:
        """Keeps nothing."""

    async def remove(self, pod: CanaryPod) -> None:
        """Has nothing to forget."""
