"""What a worker says of itself, a line of JSON each."""

from __future__ import annotations

import msgspec

READY = "ready"  # everything is imported
TOOK = "took"  # a message, which it works on from now
DID = "did"  # a message, which is deleted


class Event(msgspec.Struct, frozen=True):
    """One of the above. ``shard`` is that of a scan message; ``word`` is that of ``queued_jobs.handle``."""

    kind: str
    queue: str = ""
    shard: str = ""
    word: str = ""
