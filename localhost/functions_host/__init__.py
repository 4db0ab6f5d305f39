"""A local Azure Functions host for development and tests: `python -m localhost.functions_host [APP_DIR]`.

It runs an app's functions as the real host would, as far as the bindings HTTP, timer and storage queue go. It differs
on purpose in one thing: timers fire only when asked, never by the clock. In tests:

    with azurite() as storage, functions_host(".", {"AzureWebJobsStorage": storage.connection_string}) as host:
        host.fire("schedule")
        host.wait_idle()
"""

from localhost.functions_host.client import Answer, RunningHost, functions_host
from localhost.functions_host.host import Invocation

__all__ = ["Answer", "Invocation", "RunningHost", "functions_host"]
