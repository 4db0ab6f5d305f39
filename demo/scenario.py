"""The demo's story in four runs, and what has to have come by mail at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

from demo.environment import Stage
from demo.incidents import BrokenImage, RemovedRole, break_image, remove_role, repair_image, restore_role

Printer = Callable[[str], None]
Show = Callable[[str], None]


@dataclass(frozen=True)
class Expected:
    """A mail that has to come: words of its subject, and words that its text has to hold."""

    what: str
    subject: tuple[str, ...]
    text: tuple[str, ...]

    def fits(self, message: EmailMessage) -> bool:
        """Whether a message is this one."""
        text = plain(message)
        return all(word in str(message["Subject"]) for word in self.subject) and all(word in text for word in self.text)


def plain(message: EmailMessage) -> str:
    """The plain text of a message."""
    body = message.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


def play(stage: Stage, seed: int, report: Printer, show: Show) -> list[Expected]:
    """Plays the story; returns the mails that it has to have caused, in order."""
    report("run 1: the first scan of everything, the baseline")
    _describe(stage.run(report), report)
    removed = remove_role(stage.tenant, seed)
    report(f"removed AcrPull of {removed.cluster} on {removed.registry}")
    broken = break_image(stage.tenant, seed, not_in=removed.cluster)
    report(f"broke an image of {broken.cluster}: {broken.image}")
    report("run 2: what changed")
    _describe(stage.run(report), report)
    report("`python -m checks scan` of the tenant now:")
    show(stage.command_line("scan"))
    restore_role(removed)
    repair_image(broken)
    report("put the role back and repaired the image")
    report("run 3: is it over?")
    _describe(stage.run(report), report)
    report("run 4: nothing changed, so no mail may come")
    _describe(stage.run(report), report)
    return _expected(removed, broken)


def leave_incident(stage: Stage, seed: int, report: Printer) -> None:
    """Breaks a role and an image once more, for who stays to look: mails of it are none of the story's."""
    removed = remove_role(stage.tenant, seed)
    broken = break_image(stage.tenant, seed, not_in=removed.cluster)
    report(f"for you to look at: removed AcrPull of {removed.cluster} on {removed.registry} again, and broke an image")
    _describe(stage.run(report), report)
    report(f"put it right with the commands that the dashboard shows, or edit {broken.file}")


def _describe(run: dict[str, object], report: Printer) -> None:
    totals = run["totals"]
    assert isinstance(totals, dict)
    words = ", ".join(f"{totals[name]} {name}" for name in ("passing", "failing", "unknown"))
    report(f"run {run['run']} is {run['status']}: {totals['clusters']} clusters, {words}")


def _expected(removed: RemovedRole, broken: BrokenImage) -> list[Expected]:
    """An image's own trouble is a finding, and no mail: mails tell of registries that cannot be pulled from."""
    return [
        Expected("the first summary", ("baseline",), ()),
        Expected(
            "the regression", ("FAIL", removed.cluster), (removed.registry, "az role assignment create", "role-missing")
        ),
        Expected("the recovery", ("RECOVERED", removed.cluster), (removed.registry,)),
    ]


def unexpected(messages: list[EmailMessage], expected: list[Expected]) -> list[str]:
    """What is wrong with the mails that came: sentences; none where exactly the expected ones did, in order."""
    wrong = [
        f"mail {number} was to be {wanted.what}, but is {str(message['Subject'])!r}"
        for number, (message, wanted) in enumerate(zip(messages, expected, strict=False), 1)
        if not wanted.fits(message)
    ]
    wrong += [f"one mail too many: {str(message['Subject'])!r}" for message in messages[len(expected) :]]
    wrong += [f"{wanted.what} did not come" for wanted in expected[len(messages) :]]
    return wrong
