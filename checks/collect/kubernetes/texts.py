"""Texts of pods and events: without secrets, and no more of them than a scan can look at.

Whoever may make pods decides how many and how long they are. What exceeds the bounds is cut and counted: of a single
text, of one namespace's and of the cluster's together. The beginning of the first text about each image or pod is kept
all the same, for so many of each namespace: what fills the room hides no other failure, not even one of its namespace.
"""

from __future__ import annotations

import re

from checks.text import redacted, redacted_start

MAX_TEXT = 8 * 1024  # kubelet's longest texts about pulls have some 2,000 characters
PER_NAMESPACE = 1024 * 1024
PER_CLUSTER = 16 * 1024 * 1024
BEGINNING = 1024  # shows the cause of nearly every pull error
BEGINNINGS = 64  # of one namespace
# Kubelet's words about a pull that succeeded: an image and numbers, in which nothing but the image can be secret.
_TIME = r"[0-9.hmsnu\u00b5]{1,40}"
_PULLED = re.compile(
    rf'Successfully pulled image "([^"\s]{{1,600}})" in {_TIME}(?: \({_TIME} including waiting\))?'
    r"(?:\. Image size: [0-9]{1,20} bytes\.)?"
)


class Texts:
    """The texts of one cluster. ``cut`` counts those of which a part is missing."""

    def __init__(
        self, per_namespace: int = PER_NAMESPACE, per_cluster: int = PER_CLUSTER, beginnings: int = BEGINNINGS
    ) -> None:
        self.cut = 0
        self._per_namespace = per_namespace
        self._left = per_cluster
        self._most_beginnings = beginnings
        self._taken: dict[str, int] = {}
        self._beginnings: dict[str, set[str]] = {}
        self._redacted: dict[str, str] = {}

    def safe(self, namespace: str, about: str, text: str) -> str:
        """A text of a namespace ``about`` an image or a pod without secrets, as much of it as there is room for."""
        room = self._room(namespace)
        if room < min(len(text), BEGINNING) and self._is_first(namespace, about):
            room = BEGINNING
        taken = min(room, len(text))
        self.cut += taken < len(text)
        self._left -= taken
        self._taken[namespace] = self._taken.get(namespace, 0) + taken
        return self.start(text, room)

    def of_pull(self, namespace: str, about: str, text: str) -> str:
        """As ``safe``, and cheaper for what kubelet says of pulls that succeeded, the most of all texts."""
        pulled = _PULLED.fullmatch(text)
        if pulled is None or self.redacted(pulled[1]) != pulled[1] or len(text) > self._room(namespace):
            return self.safe(namespace, about, text)
        self._left -= len(text)
        self._taken[namespace] = self._taken.get(namespace, 0) + len(text)
        return text

    def _room(self, namespace: str) -> int:
        return max(0, min(MAX_TEXT, self._left, self._per_namespace - self._taken.get(namespace, 0)))

    def start(self, text: str, limit: int) -> str:
        """The first ``limit`` characters of a text without secrets."""
        if len(text) <= limit:
            return self.redacted(text)
        return redacted_start(text, limit, redact=self.redacted) if limit else ""

    def _is_first(self, namespace: str, about: str) -> bool:
        """Whether this is the first text about something for which its namespace has a beginning left."""
        seen = self._beginnings.setdefault(namespace, set())
        if about in seen or len(seen) >= self._most_beginnings:
            return False
        seen.add(about)
        return True

    def redacted(self, text: str) -> str:
        """A text without secrets. Most pods name the images of others: equal texts are searched once."""
        known = self._redacted.get(text)
        if known is None:
            known = self._redacted[text] = redacted(text)
        return known
