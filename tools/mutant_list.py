"""Mutants made by hand: what would be wrong in a way that matters, and the tests that have to notice."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A replacement of text in one file (``old`` stands there once), and the tests that have to fail with it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


DECIDE = "checks/history/decide"
PURE = ("tests/history/test_decide.py", "tests/history/test_noise.py", "tests/history/test_cap.py")
CLOCKS = ("tests/history/test_clocks.py", "tests/jobs/test_clocks.py")
ORDERS = ("tests/jobs/test_interleavings.py", "tests/history/test_store.py")
DEATHS = ("tests/jobs/test_crashes.py",)
CLOSE = ("tests/jobs/test_close.py",)

MUTANTS = (
    Mutant("Unknown counts as Pass", f"{DECIDE}/subject.py",
           'verdict = word(look.answer.verdict)\n', 'verdict = word(look.answer.verdict).replace("unknown", "pass")\n',
           PURE),
    Mutant("Azure resolves what nodes reported", f"{DECIDE}/subject.py",
           "_reported_by_nodes(before) and not look.pods_read", "False", PURE),
    Mutant("no recovery", f"{DECIDE}/subject.py",
           "        return _flipped(held, passing, Reason.RECOVERED, look, company)\n",
           "        return Step(subject, None, Reason.STILL_FAILING)\n", PURE),
    Mutant("absence is recovery", f"{DECIDE}/subject.py",
           "    if not _expired(held, now):\n        return Step(held, None, Reason.ABSENT)\n", "", PURE),
    Mutant("a stale run counts", f"{DECIDE}/cluster.py",
           "run.sequence <= previous.sequence:", "run.sequence < 0:",
           (*PURE, "tests/history/test_store.py")),
    Mutant("every first failure is the baseline's", f"{DECIDE}/subject.py",
           "    if before.status is Status.PASSING:\n        reason = Reason.REGRESSED\n    else:\n",
           "    if before.status is Status.PASSING and not look.policy.baseline:\n"
           "        reason = Reason.REGRESSED\n    else:\n", PURE),
    Mutant("path and pull fail at once", f"{DECIDE}/subject.py",
           "1 if first or look.cause in company.failing else look.policy.fail_after[look.facet]", "1", PURE),
    Mutant("looks within a minute count twice", f"{DECIDE}/looks.py",
           "    if elapsed(streak.at, now) < ONE_LOOK:", "    if elapsed(streak.at, now) < 0 * ONE_LOOK:", PURE),
    Mutant("a threshold takes no time", f"{DECIDE}/looks.py",
           "streak.count >= looks and elapsed(streak.since, now) >= PACE * (looks - 1)", "streak.count >= looks", PURE),
    Mutant("another cause counts at once", f"{DECIDE}/subject.py",
           "if look.cause not in company.failing and not reached(other,", "if False and not reached(other,", PURE),
    Mutant("flapping is not damped", f"{DECIDE}/subject.py",
           "elif len(company.flips | set(flips)) > FLIPS:", "elif len(company.flips | set(flips)) > 99:", PURE),
    Mutant("what flaps never settles", f"{DECIDE}/subject.py",
           "elapsed(last, look.now) < STEADY_AFTER", "elapsed(last, look.now) < 99 * STEADY_AFTER", PURE),
    Mutant("blindness is not notified", f"{DECIDE}/subject.py",
           "    if age < look.policy.blind_after:\n", "    if age >= look.policy.blind_after:\n", PURE),
    Mutant("what was covered stays so", f"{DECIDE}/subject.py",
           "(not before.notified or before.covered)", "not before.notified", PURE),
    Mutant("a registry that nobody uses alerts", f"{DECIDE}/subject.py",
           "self.facet in self.policy.alert_on and (self.used or not self.pods_read)",
           "self.facet in self.policy.alert_on", PURE),
    Mutant("what passes displaces what fails", f"{DECIDE}/admission.py",
           "return name not in failing, name not in known,", "return name not in known, name not in failing,", PURE),
    Mutant("the others are never notified", f"{DECIDE}/admission.py",
           "if any(map(_fails, left_out)) or", "if False or", PURE),
    Mutant("gone after one inventory", f"{DECIDE}/leaving.py", "INVENTORIES = 2", "INVENTORIES = 1", (*PURE, *CLOSE)),
    Mutant("a pause counts whole", f"{DECIDE}/looks.py",
           "        return min(moment + pause, now)\n", "        return min(moment, now)\n", (*PURE, *CLOCKS)),
    Mutant("a start that lies ahead stays", f"{DECIDE}/looks.py",
           "since = streak.at if streak.since > max(streak.at, now) else streak.since", "since = streak.since",
           (*PURE, *CLOCKS)),
    Mutant("secrets are stored", f"{DECIDE}/subject.py",
           "clipped(printable(redacted(text)), MAX_SUMMARY)", "clipped(printable(text), MAX_SUMMARY)",
           ("tests/test_secrets.py", "tests/test_hostile.py", "tests/history")),
    Mutant("no ETag", "checks/history/table/clusters.py",
           "unmodified(entity, etag, merge=keeps)", '("upsert", entity)', ORDERS),
    Mutant("everybody closes", "checks/history/table/runs.py",
           "        except Conflict:\n            return False\n        return True\n\n    async def finish_run",
           "        except Conflict:\n            return True\n        return True\n\n    async def finish_run",
           (*ORDERS, *CLOSE)),
    Mutant("a conflict is swallowed", "checks/jobs/scan.py",
           "            if attempt == TRIES - 1:\n                raise\n        else:\n            late",
           "            return count(report, late=False, changed=False)\n        else:\n            late", ORDERS),
    Mutant("the pointer is not in the transaction", "checks/history/table/clusters.py",
           '        operations.append(("create", rows.pending_row(pending)))\n', "", (*DEATHS, *CLOSE)),
    Mutant("pointers go before the mail is begun", "checks/jobs/deliver.py",
           "        members = row.members\n",
           "        members = row.members\n        await self._context.store.remove_pending(members)\n", DEATHS),
    Mutant("a mail that was begun keeps its pointers", "checks/jobs/deliver.py",
           "if not stored.mail.marks and name not in self._began:", "if False:", DEATHS),
    Mutant("the lease is never held", "checks/history/table/outbox.py",
           "    return now < expires + SKEW and expires - now <= LEASE + SKEW\n", "    return False\n",
           ("tests/jobs/test_deliver.py", *ORDERS)),
    Mutant("a deadline far ahead is believed", "checks/history/table/runs.py",
           "return deadline <= now or deadline - now > LONGEST_RUN + 2 * LAST_WAIT", "return deadline <= now", CLOCKS),
    Mutant("everybody introduces", "checks/history/table/clusters.py",
           'return row is not None and row.get("run") == run.id', "return True",
           ("tests/jobs/test_first_look.py",)),
    Mutant("the summary waits for nobody", "checks/history/table/outbox.py",
           "return tuple(item for item in items if item.summary_of not in awaited)", "return tuple(items)",
           (*CLOSE, *CLOCKS)),
    Mutant("a reminder in every run", "checks/history/table/runs.py",
           "if at is not None and timedelta() <= now - at < every:", "if False:", ("tests/jobs/test_reminders.py",)),
    Mutant("no reminder", "checks/jobs/reminders.py",
           "if not any(now - line.since >= every for line in lines):", "if lines:", ("tests/jobs/test_reminders.py",)),
    Mutant("who opts out stays", "checks/jobs/close.py",
           "opted_out if out else gone", "gone", ("tests/jobs/test_first_look.py",)),
    Mutant("doubt without hysteresis", "checks/jobs/degraded.py",
           "if before.degraded and calm < CALM_RUNS:", "if False:", ("tests/jobs/test_degraded.py",)),
    Mutant("a row that cannot be read stops the list", "checks/history/table/clusters.py",
           'unreadable.append(Unreadable(RowRef(row["PartitionKey"], row["RowKey"]), str(error)))', "raise",
           ("tests/jobs/test_containment.py", "tests/history/test_unreadable_rows.py")),
)  # fmt: skip
