"""The app's own storage on the command line: opened as the app opens it, its errors as sentences.

It takes the app's settings for it: AzureWebJobsStorage, or AzureWebJobsStorage__tableServiceUri with the identity of
``az login``. Exit codes: 0 done, 1 there is nothing such, 2 the storage did not answer or holds what cannot be read, 64
wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from azure.core.exceptions import AzureError

from checks import settings
from checks.collect.arm.client import Azure, open_azure
from checks.history.errors import HistoryError
from checks.history.table.store import Store, open_store
from checks.settings import Settings
from checks.text import one_line, printable

NOTHING_SUCH = 1
NO_STORAGE = 2
_WHERE_IT_IS = "Give it as the app has it: the storage account's page in the Azure portal shows it."

Work = Callable[[argparse.Namespace, Settings, Azure, Store], Awaitable[int]]


def run(options: argparse.Namespace, work: Work, what: str) -> int:
    """A command with the store it works on. ``what`` is kept there, for the sentence where there is none."""
    loaded = settings.load(os.environ)
    if not loaded.storage and not loaded.table_endpoint:
        raise settings.SettingError(
            f"{what} are kept in the app's storage: set AzureWebJobsStorage, or "
            "AzureWebJobsStorage__tableServiceUri, as the app has it."
        )
    _refuse_malformed_key(loaded.storage or "")
    try:
        return asyncio.run(_opened(options, loaded, work))
    except AzureError as error:
        say(f"the storage did not answer: {one_line(str(error))}")
    except HistoryError as error:
        say(one_line(str(error)))
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


def say(sentence: str) -> None:
    """A sentence on standard error."""
    sys.stderr.write(f"pullwatch: {printable(sentence)}\n")
