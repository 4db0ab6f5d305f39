"""Commands that work on what the app keeps: the app's storage is opened for them, and its errors become exit codes.

They take the app's settings for it: AzureWebJobsStorage, or AzureWebJobsStorage__tableServiceUri with the identity of
``az login``. Exit codes: 0 done, 1 there is nothing such, or something differs; 2 the storage did not answer or holds
what cannot be read; 64 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from azure.core.exceptions import AzureError

from checks import settings
from checks.cli import terminal
from checks.collect.arm.client import Azure, open_azure
from checks.history.errors import HistoryError
from checks.history.table.store import Store, open_store
from checks.settings import Settings
from checks.text import one_line

NOTHING_SUCH = 1
NO_STORAGE = 2
EXIT_CODES = (
    "Exit codes: 0 done; 1 there is nothing such; 2 the storage did not answer, or holds what cannot be read; "
    "64 wrong usage or settings; 74 the output could not be written."
)
_WHERE_IT_IS = "Give it as the app has it: the storage account's page in the Azure portal shows it."

Work = Callable[[argparse.Namespace, Settings, Azure, Store], Awaitable[int]]


def add_output_option(parser: argparse.ArgumentParser) -> None:
    """``-o table`` and ``-o json``."""
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="what is printed (default: table)"
    )


def run(options: argparse.Namespace, work: Work, kept: str) -> int:
    """Runs a command with the store it works on; its exit code.

    ``kept`` begins the sentence that says where that is: "Silences are kept". Raises SettingError where no setting
    names the storage, or one cannot be meant.
    """
    loaded = settings.load(os.environ)
    if not loaded.storage and not loaded.table_endpoint:
        raise settings.SettingError(
            f"{kept} in the app's storage: set AzureWebJobsStorage, or "
            "AzureWebJobsStorage__tableServiceUri, as the app has it."
        )
    _refuse_malformed_key(loaded.storage or "")
    try:
        return asyncio.run(_opened(options, loaded, work))
    except AzureError as error:
        terminal.say(f"the storage did not answer: {one_line(str(error))}")
    except HistoryError as error:
        terminal.say(one_line(str(error)))
    return NO_STORAGE


def _refuse_malformed_key(connection_string: str) -> None:
    """A key that no storage account can have, before anything is signed with it. No part of it is repeated."""
    parts = dict(part.strip().partition("=")[::2] for part in connection_string.split(";"))
    try:
        base64.b64decode(parts.get("AccountKey", ""), validate=True)
    except ValueError:
        raise settings.SettingError(
            "AzureWebJobsStorage has a malformed AccountKey: it is not base64, so a part of it may be missing. "
            f"{_WHERE_IT_IS}"
        ) from None


async def _opened(options: argparse.Namespace, loaded: Settings, work: Work) -> int:
    async with open_azure(loaded) as azure, AsyncExitStack() as stack:
        storage = open_store(
            connection_string=loaded.storage, endpoint=loaded.table_endpoint, credential=azure.credential
        )
        try:
            store = await stack.enter_async_context(storage)
        except ValueError:  # its text may repeat a part of what is a secret
            name = "AzureWebJobsStorage" if loaded.storage else "AzureWebJobsStorage__tableServiceUri"
            what = "no connection string" if loaded.storage else "not the address"
            raise settings.SettingError(f"{name} is {what} of a storage account. {_WHERE_IT_IS}") from None
        return await work(options, loaded, azure, store)
