"""Waiting for what a running functions host calls by itself."""

import time

from localhost.functions_host import Invocation, RunningHost


def wait_for(host: RunningHost, function: str, after: int, seconds: float = 60.0) -> list[Invocation]:
    """The calls of that function since the first `after` ones, as soon as there is one that ended."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if invocations := [each for each in host.invocations[after:] if each.function == function]:
            return invocations
        time.sleep(0.1)
    raise TimeoutError(f"{function} was not called within {seconds:g} s:\n{host.log}")
