"""`python -m localhost.storage_server`: Azurite on this machine until Ctrl-C, with its data kept in a folder."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from localhost.azurite import AzuriteMissing, azurite
from localhost.exports import write_exports

DEFAULT_PORTS = (10000, 10001, 10002)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C; 0 then, 1 where it cannot be started."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with azurite(folder, tuple(options.ports)) as storage:
            env = folder / "env"
            write_exports(env, {"AzureWebJobsStorage": storage.connection_string})
            print(f"Azurite keeps its data in {folder} and serves until Ctrl-C. In another shell:")
            print(f"    . {env}        # sets AzureWebJobsStorage")
            print("    make host", flush=True)
            stop.wait()
    except (AzuriteMissing, RuntimeError, TimeoutError, OSError) as error:
        print(f"azurite: {error}", file=sys.stderr)
        print("azurite: where a port is taken: make azurite ARGS='--ports 0 0 0' takes free ones", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localhost.storage_server", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".azurite"), help="where data is kept (default: .azurite)")
    parser.add_argument(
        "--ports", type=int, nargs=3, default=DEFAULT_PORTS, metavar=("BLOB", "QUEUE", "TABLE"), help="0: any free one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
