"""Azurite as the tests get it: blob, queue and table on ports of the system's choosing."""

import os
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

import localhost.azurite
from localhost.azurite import AzuriteMissing, Storage, find_azurite, find_node
from localhost.azurite import azurite as run_azurite


def test_queues_and_tables_answer_at_the_connection_string(azurite: Storage) -> None:
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        queue = queues.create_queue("azurite-answers")
        queue.send_message("hello")
        assert [each.content for each in queue.receive_messages()] == ["hello"]
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        table = tables.create_table("azuriteAnswers")
        table.create_entity({"PartitionKey": "a", "RowKey": "b", "n": 1})
        assert table.get_entity("a", "b")["n"] == 1


def test_two_run_side_by_side_and_each_ends_with_its_block(azurite: Storage) -> None:
    with run_azurite() as other:
        assert len({azurite.blob_url, azurite.queue_url, other.blob_url, other.queue_url}) == 4
        os.kill(other.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(other.pid, 0)


def test_a_folder_keeps_the_data_from_one_run_to_the_next(tmp_path: Path) -> None:
    with (
        run_azurite(tmp_path) as storage,
        TableServiceClient.from_connection_string(storage.connection_string) as first,
    ):
        first.create_table("kept")
    with (
        run_azurite(tmp_path) as storage,
        TableServiceClient.from_connection_string(storage.connection_string) as again,
    ):
        assert [each.name for each in again.list_tables()] == ["kept"]


def test_a_port_that_is_taken_is_said_with_what_azurite_printed(azurite: Storage) -> None:
    taken = int(azurite.blob_url.split(":")[2].split("/")[0])
    with pytest.raises(RuntimeError, match=r"(?s)EADDRINUSE"), run_azurite(ports=(taken, 0, 0)):
        pass


def test_without_azurite_the_error_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localhost.azurite, "_ROOT", tmp_path)
    with pytest.raises(AzuriteMissing, match="make setup"):
        find_azurite()


def test_a_node_that_is_too_old_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v16.20.0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(localhost.azurite, "_packaged_node", lambda: None)
    with pytest.raises(AzuriteMissing, match="make setup"):
        find_node()
