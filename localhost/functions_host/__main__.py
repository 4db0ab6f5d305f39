"""The command line: `python -m localhost.functions_host [APP_DIR] [--port 7071] [--storage CONNECTION_STRING]`."""

import argparse
import dataclasses
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from localhost.functions_host.client import READY
from localhost.functions_host.host import STORAGE_SETTING, Host, apply_local_settings, load, read_settings
from localhost.functions_host.model import HostError, HostSettings
from localhost.functions_host.server import Server

DRAIN_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; 0 then, 1 where the app cannot be run or a fired function failed."""
    options = _parser().parse_args(arguments)
    _log_to_stderr(options.verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        host = _host(options)
        server = Server(host, options.port)
    except (HostError, OSError) as error:
        print(f"functions host: {error}", file=sys.stderr)
        return 1
    _describe(host, server)
    host.start()
    threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True).start()
    # One write: print() makes two of it where output is not buffered, and what another thread logs comes between them.
    sys.stdout.write(f"{READY}{server.url}\n")
    sys.stdout.flush()
    failed = [name for name in options.fire if not _fire(host, name)]
    stop.wait()
    server.shutdown()
    drained = host.stop(DRAIN_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    if not drained:
        print("functions host: ends with functions still running", file=sys.stderr, flush=True)
        # Threads of a hung function cannot be ended; a normal exit would wait for them for ever.
        os._exit(int(bool(failed)))
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localhost.functions_host", description=__doc__)
    parser.add_argument("app_dir", nargs="?", default=".", type=Path, help="folder of host.json and function_app.py")
    parser.add_argument("--port", type=int, default=7071, help="0 lets the system choose (default 7071)")
    parser.add_argument("--storage", help=f"connection string; replaces the setting {STORAGE_SETTING}")
    parser.add_argument("--visibility-timeout", type=float, help="seconds before a failed message comes again")
    parser.add_argument("--lease", type=float, help="seconds a message in work stays hidden before renewal (600)")
    parser.add_argument("--fire", action="append", default=[], metavar="NAME", help="run this function at start")
    parser.add_argument("--verbose", action="store_true", help="tracebacks of failed functions, debug logs")
    return parser


def _log_to_stderr(verbose: bool) -> None:
    """The app's own log lines and one line per call; the libraries only from warnings on."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for name in ("azure", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not verbose:
        # The worker library's logger: a traceback for each failed call, which this host says in one line. What it has
        # to say about an app that does not load comes as an exception.
        logging.getLogger("azure.functions").setLevel(logging.CRITICAL)


def _host(options: argparse.Namespace) -> Host:
    """The host that the options describe. Raises HostError."""
    folder = options.app_dir.resolve()
    settings = _override(read_settings(folder), options)
    if options.storage:
        os.environ[STORAGE_SETTING] = options.storage
    apply_local_settings(folder)
    return Host(load(folder), settings)


def _override(settings: HostSettings, options: argparse.Namespace) -> HostSettings:
    given = {"visibility_timeout": options.visibility_timeout, "lease": options.lease}
    changed = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(settings, queues=dataclasses.replace(settings.queues, **changed))


def _describe(host: Host, server: Server) -> None:
    """What was found, as Core Tools prints it."""
    print(f"runner: {host.app.runner}")
    queues = {listener.function.name: listener.queue for listener in host.listeners}
    routes = {route.function.name: route for route in host.routes}
    for function in sorted(host.app.functions, key=lambda each: (each.trigger_type, each.name)):
        if function.name in routes:
            route = routes[function.name]
            where = f"[{','.join(sorted(route.methods)) or 'any'}] {server.url}{route.template}"
        else:
            where = queues.get(function.name) or f"POST {server.url}/admin/functions/{function.name}"
        print(f"  {function.name}: {function.trigger_type} {where}")


def _fire(host: Host, name: str) -> bool:
    """Run one function named by --fire."""
    function = host.function(name)
    if function is None:
        print(f"functions host: no function {name}", file=sys.stderr)
        return False
    return host.fire(function, "").error is None


if __name__ == "__main__":
    sys.exit(main())
