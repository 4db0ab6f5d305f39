"""API Priority and Fairness: a user to whom the API server answers 429, as it does to all under load.

The user has one seat, and a request that stays at it: Azure, which is asked whether it is allowed, does not answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from tests.support.real_kubernetes.server import ApiError, KubeApiServer

_PATH = "/apis/flowcontrol.apiserver.k8s.io/v1"
_NAME = "one-seat"
SECONDS = 40.0
# One that sits down before the limit applies holds no seat of it for as long as Azure does not answer.
NEXT_SITS = 1.0


@contextmanager
def throttled(server: KubeApiServer, user: str) -> Iterator[Callable[[], None]]:
    """Every request of the user is answered with 429, until the block ends or what it yields is called."""
    _give_one_seat(server, user)
    server.hooks.released.clear()
    sitting: list[threading.Thread] = []
    try:
        _wait(server, user, sitting)
        yield server.hooks.released.set
    finally:
        server.hooks.released.set()
        for thread in sitting:
            thread.join()
        for resource in ("flowschemas", "prioritylevelconfigurations"):
            server.request("DELETE", f"{_PATH}/{resource}/{_NAME}")


def _give_one_seat(server: KubeApiServer, user: str) -> None:
    """A level of its own for the user, with the least there is: one request at a time, which others do not wait for."""
    limits = {
        "nominalConcurrencyShares": 0,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    level = {"metadata": {"name": _NAME}, "spec": {"type": "Limited", "limited": limits}}
    server.create(level, f"{_PATH}/prioritylevelconfigurations")
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    schema = {
        "metadata": {"name": _NAME},
        "spec": {
            "priorityLevelConfiguration": {"name": _NAME},
            "matchingPrecedence": 2,
            "rules": [{"subjects": [{"kind": "User", "user": {"name": user}}], "resourceRules": [everything]}],
        },
    }
    server.create(schema, f"{_PATH}/flowschemas")


def _sit(server: KubeApiServer, user: str) -> None:
    """Asks for what takes long to be refused, again while nobody else is throttled by it."""
    with closing(server.second_connection()) as connection:
        while not server.hooks.released.is_set():
            if _status(connection, "/api/v1/nodes", user) == 429:
                time.sleep(0.05)


def _wait(server: KubeApiServer, user: str, sitting: list[threading.Thread]) -> None:
    """Until the API server goes by it: one more sits down each second."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < SECONDS:
        if waited >= len(sitting) * NEXT_SITS:
            sitting.append(threading.Thread(target=_sit, args=(server, user), name="sitting"))
            sitting[-1].start()
        if _status(server, "/api/v1/pods?limit=1", user) == 429:
            return
        time.sleep(0.05)
    raise RuntimeError(f"the API server did not throttle {user} within {SECONDS:g} s")


def _status(server: KubeApiServer, path: str, user: str) -> int:
    """What the user is answered with."""
    try:
        server.request("GET", path, headers={"Impersonate-User": user})
    except ApiError as error:
        return error.status
    return 200
