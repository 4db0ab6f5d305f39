"""``doctor --mail``: a test mail by each transport, and what each server answered."""

from __future__ import annotations

import secrets
import sys
from datetime import datetime

from checks.collect.arm.client import open_azure
from checks.jobs.deliver import transports
from checks.notify.transports.addresses import is_address
from checks.notify.transports.base import NotDelivered, Receipt
from checks.notify.trial import trial_mail
from checks.settings import SettingError, Settings
from checks.text import printable


async def send_trial(loaded: Settings, to: tuple[str, ...], now: datetime) -> bool:
    """Sends it by every transport of the settings; whether anybody did not get it. Raises SettingError."""
    recipients = to or loaded.mail_to
    if not recipients:
        raise SettingError("PULLWATCH_MAIL_TO names nobody: set it, or give --to ADDRESS")
    if wrong := [who for who in recipients if not is_address(who)]:
        raise SettingError(f"--to takes addresses, and {wrong[0]!r} is none")
    failed = False
    async with open_azure(loaded) as azure:
        for transport in transports(loaded, azure):
            outgoing = trial_mail(f"trial-{secrets.token_hex(8)}", loaded.mail_from[0], recipients, now)
            try:
                receipt = await transport.send(outgoing, loaded.mail_from[0], recipients)
            except NotDelivered as error:
                _say(f"{transport.name}: nobody got it: {error}")
                failed = True
            else:
                failed = _told(transport.name, recipients, receipt) or failed
    return failed


def _say(line: str) -> None:
    sys.stdout.write(f"{printable(line)}\n")


def _told(name: str, recipients: tuple[str, ...], receipt: Receipt) -> bool:
    """Says what became of whom; whether anybody did not get it."""
    lost = {**receipt.refused, **receipt.later}
    for who in recipients:
        said = f"not accepted: {lost[who]}" if who in lost else f"accepted ({receipt.answer})"
        _say(f"{name}: {who}: {said}")
    return bool(lost)
