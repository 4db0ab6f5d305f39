"""`make azurite`: storage until Ctrl-C, and a file that a shell sources to use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from azure.data.tables import TableServiceClient

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "localhost.storage_server"]


def test_what_a_shell_sources_leads_to_the_storage_and_its_data_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "kept here"
    for number in range(2):
        command = [*COMMAND, "--folder", str(folder), "--ports", "0", "0", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            while "make host" not in server.stdout.readline():
                assert server.poll() is None
            sourced = subprocess.run(
                ["sh", "-c", '. "$0/env" && printf %s "$AzureWebJobsStorage"', str(folder)],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            with TableServiceClient.from_connection_string(sourced) as tables:
                if number == 0:
                    tables.create_table("kept")
                assert [table.name for table in tables.list_tables()] == ["kept"]
            server.send_signal(signal.SIGINT)
        assert server.returncode == 0
    assert (folder / "env").stat().st_mode & 0o077 == 0


def test_a_port_that_is_taken_is_said_with_the_way_out(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--folder", str(tmp_path), "--ports", port, "0", "0"],
            cwd=ROOT, capture_output=True, text=True, timeout=90, check=False, env=dict(os.environ),
        )  # fmt: skip
    assert done.returncode == 1
    assert "--ports 0 0 0" in done.stderr and "Traceback" not in done.stderr
