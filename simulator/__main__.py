"""The command line: `python -m simulator TENANT` serves a tenant, `python -m simulator generate DIR` makes one."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from simulator.fleet.generator import generate
from simulator.fleet.model import NOW, Refused, Wanted
from simulator.nodes.kubelet import DELAY_SECONDS
from simulator.server import DEFAULT_PAGE_SIZE, Server

USAGE = 64  # EX_USAGE


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["generate"]:
        return _generate(arguments[1:])
    options = _serve_parser().parse_args(arguments)
    root = Path(options.tenant)
    if not root.is_dir():
        print(f"simulator: {root} is not a folder", file=sys.stderr)
        return USAGE
    try:
        return asyncio.run(_serve(root, options))
    except OSError as error:
        print(f"simulator: cannot serve: {error}", file=sys.stderr)
        return 1


async def _serve(root: Path, options: argparse.Namespace) -> int:
    server = Server(
        root,
        page_size=options.page_size,
        port_base=options.port_base,
        record=False,
        kubelet_delay=options.kubelet_delay,
        still=options.still,
    )
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    try:
        await server.start()
        if options.export_file:
            _write(Path(options.export_file), server.exports())
        print(server.exports() + "ready", flush=True)
        await stopping.wait()
    finally:
        await server.stop()
    return 0


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _generate(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator generate", description="Writes a plausible, calm fleet.")
    parser.add_argument("folder")
    parser.add_argument("--subscriptions", type=int, default=2)
    parser.add_argument("--clusters", type=int, default=6, help="in all")
    parser.add_argument("--registries", type=int, default=3, help="in all")
    parser.add_argument("--pods", type=int, default=20, help="per cluster")
    parser.add_argument("--namespaces", type=int, default=3, help="per cluster, beside kube-system")
    parser.add_argument(
        "--workspaces", type=int, default=0, help="Log Analytics workspaces that registries send what they see to"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--now", type=_moment, default=NOW, help="ISO time events are told relative to, or `now`; else a fixed one"
    )
    parser.add_argument("--force", action="store_true", help="write into a folder that holds something else")
    options = parser.parse_args(arguments)
    wanted = Wanted(
        subscriptions=options.subscriptions,
        clusters=options.clusters,
        registries=options.registries,
        pods=options.pods,
        namespaces=options.namespaces,
        seed=options.seed,
        now=options.now,
        workspaces=options.workspaces,
    )
    try:
        generate(Path(options.folder), wanted, force=options.force)
    except Refused as refused:
        print(f"simulator: {refused}", file=sys.stderr)
        return USAGE
    return 0


def _moment(text: str) -> datetime:
    """Raises ValueError for what is no time."""
    moment = datetime.now(UTC).replace(microsecond=0) if text == "now" else datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _serve_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Serves a tenant on loopback: prints what to export, then `ready`, and serves until stopped. "
        "`python -m simulator generate --help` tells how to make one.",
    )
    parser.add_argument("tenant", help="the tenant's folder")
    parser.add_argument("--page-size", type=int, default=DEFAULT_PAGE_SIZE)
    parser.add_argument("--port-base", type=int, default=None, help="first of seven ports; else the system chooses")
    parser.add_argument(
        "--kubelet-delay", type=float, default=DELAY_SECONDS, help="seconds until a pod that was made is answered"
    )
    parser.add_argument(
        "--still", action="store_true", help="the folder does not change: faster with thousands of files"
    )
    parser.add_argument("--export-file", default=None, help="write the export lines to this file as well")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
