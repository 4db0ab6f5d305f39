"""Settings that leave something out, and those without which nobody is notified. Pure."""

from __future__ import annotations

from checks.doctor.losses import lost_of
from checks.doctor.model import Lack, LackKind, Off, Place
from checks.settings import Settings


def switched_off(settings: Settings) -> tuple[Off, ...]:
    """What somebody left out on purpose, or never turned on."""
    switches = (
        (settings.probe, "PULLWATCH_PROBE=false", ("PW201",)),
        (settings.check_images, "PULLWATCH_CHECK_IMAGES=false", ("PW302",)),
        (settings.read_pull_secrets, "PULLWATCH_READ_PULL_SECRETS=false", ("PW303",)),
        (settings.canary != "off", "PULLWATCH_CANARY=off", ("PW305",)),
    )
    return tuple(Off(name, lost_of(codes)) for on, name, codes in switches if not on)


def lacks_of(settings: Settings) -> tuple[Lack, ...]:
    """What the app lacks to notify anybody. For the app itself: a shell has other settings."""
    lacks = []
    if not settings.mail_to and not settings.routes and "webhook" not in settings.mail_transports:
        why = "PULLWATCH_MAIL_TO and PULLWATCH_ROUTES name nobody, and there is no webhook"
        fix = ("# Setting: PULLWATCH_MAIL_TO (mailRecipients of infra/)",)
        lacks.append(_setting("recipients", "PULLWATCH_MAIL_TO", why, fix))
    if settings.mail_transports == ("folder",):
        why = "PULLWATCH_MAIL_TRANSPORTS is folder: mails are written into a folder and reach nobody"
        fix = ("# Setting: PULLWATCH_MAIL_TRANSPORTS (mailTransport of infra/)",)
        lacks.append(_setting("mail transport", "PULLWATCH_MAIL_TRANSPORTS", why, fix))
    return tuple(lacks)


def _setting(what: str, needs: str, why: str, fix: tuple[str, ...]) -> Lack:
    place = Place("", "the app", why, fix)
    return Lack(kind=LackKind.SETTING, what=what, needs=needs, lost="nobody is notified", places=(place,))
