"""Fixtures that several folders of tests share: real servers on loopback."""

from collections.abc import Iterator

import pytest

from localhost.azurite import Storage
from localhost.azurite import azurite as run_azurite
from localhost.mailbox import Mailbox, mailbox
from tests.support.storage import empty


@pytest.fixture(scope="session")
def azurite() -> Iterator[Storage]:
    """One Azurite for the whole run; tests keep apart by the names of their tables and queues."""
    with run_azurite() as storage:
        yield storage


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A mail server of this test's own, without TLS."""
    with mailbox() as box:
        yield box


@pytest.fixture
def storage(azurite: Storage) -> str:
    """The connection string of storage that holds nothing."""
    empty(azurite.connection_string)
    return azurite.connection_string
