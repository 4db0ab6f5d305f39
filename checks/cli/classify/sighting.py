"""One text about one pod, wherever it was found."""

from __future__ import annotations

import msgspec

from checks.rules.pull.errors import Classified

NOW = float("inf")


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A text that an event, a container's status or a line of a log shows, and whom it is about; "" is not known.

    ``about`` names what is no pod ("ReplicaSet/web-7d9f"). ``when`` orders the sightings of one input: seconds since
    1970, or, where only an age is shown, that age below zero; a status is ``NOW``. ``log``: a line of a log, which is
    about a pull only where it says so.
    """

    message: str
    reason: str = ""
    namespace: str = ""
    pod: str = ""
    about: str = ""
    container: str = ""
    image: str = ""
    node: str = ""
    when: float = 0.0
    log: bool = False


class PullError(msgspec.Struct, frozen=True):
    """A sighting of a pull that failed, and its cause."""

    seen: Sighting
    found: Classified
