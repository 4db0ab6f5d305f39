"""The triggers, thin: parse, call, answer. Everything that is decided is decided in ``checks``.

A trigger is a plain function that runs its job with ``asyncio.run``: one event loop and one set of clients per job, so
the Functions worker's own loop stays free.

A job is imported where it is run: a host that starts reads only what it must to index the functions, and a trigger then
pays for what it works with. What stands at the top here is what every start pays.

Settings are read here, once. With one that cannot be used the app loads all the same, since an app that does not load
can tell nobody: each trigger logs the sentence that names the setting, which an alert rule finds, and does no work.
Timers end; requests get 503; messages fail, so that they come again, and what still fails at the fifth try is logged as
given up, up to 4 KiB of it: the host gives no message of a poison queue to its function more than five times.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

import azure.functions as func

from checks import settings, watchdog
from checks.collect.arm.inventories import InventoryCache
from checks.jobs import messages
from checks.loading import LOADING
from checks.logs import redact_logs, redacted_errors
from checks.web.blueprint import blueprint
from checks.web.dashboard.blueprint import dashboard

if TYPE_CHECKING:
    from checks.jobs.context import JobContext

redact_logs()
# Alert rules count these lines, whatever level the worker gives its root logger.
logging.getLogger(watchdog.LOGGER).setLevel(logging.INFO)
SETTINGS = settings.load_or_explain(os.environ)
INVENTORIES = InventoryCache()
LOG = logging.getLogger("pullwatch")
STORAGE = "AzureWebJobsStorage"
SWEEP_SCHEDULE = "30 */5 * * * *"
# A timer cannot be without one, and has to fire to say what is wrong.
SCHEDULE = SETTINGS.schedule if isinstance(SETTINGS, settings.Settings) else settings.DEFAULT_SCHEDULE

T = TypeVar("T")

app = func.FunctionApp()


def _problem() -> str | None:
    """What is wrong with the settings, logged for the watchdog; None where nothing is."""
    if isinstance(SETTINGS, settings.Settings):
        return None
    logging.getLogger(watchdog.LOGGER).error(watchdog.not_configured(SETTINGS.problem))
    return SETTINGS.problem


_problem()  # at the start as well, for whoever reads the host's log


def _open() -> AbstractAsyncContextManager[JobContext]:
    """What a job works with. Raises SettingError where the settings cannot be used."""
    if isinstance(SETTINGS, settings.UnusableSettings):
        raise settings.SettingError(SETTINGS.problem)
    with LOADING:
        from checks.jobs.context import open_job_context
    return open_job_context(SETTINGS, INVENTORIES)


async def _opened(job: Callable[[JobContext], Awaitable[T]]) -> T:
    """A job with what it works with."""
    async with _open() as context:
        return await job(context)


def _run(job: Callable[[JobContext], Awaitable[T]]) -> T:
    """Runs one job to its end in an event loop of its own. The host logs what it raises as it is: without secrets."""
    _problem()
    with redacted_errors():
        return asyncio.run(_opened(job))


@app.timer_trigger(arg_name="timer", schedule=SCHEDULE, run_on_startup=False)
def schedule(timer: func.TimerRequest) -> None:
    """Asks for a run."""
    if _problem():
        return
    message = messages.PlanMessage(request=uuid.uuid4().hex, requested_by="timer")
    _run(lambda context: context.queues.send(messages.PLAN, [message]))
    LOG.info("asked for a run%s", " (late)" if timer.past_due else "")


@app.timer_trigger(arg_name="timer", schedule=SWEEP_SCHEDULE, run_on_startup=False)
def sweep(timer: func.TimerRequest) -> None:
    """Closes runs that are past their deadline, has pending mail delivered, looks for what is late or stuck, ends
    silences, deletes canary pods that were left, and once a day what is older than it is kept."""
    if _problem():
        return
    with LOADING:
        from checks.jobs.canaries import sweep_canaries
        from checks.jobs.close import sweep_runs
        from checks.jobs.retention.prune import prune_daily
        from checks.jobs.silences import end_silences
        from checks.jobs.watch import watch
    _run(sweep_runs)
    _run(watch)
    ended = _run(end_silences)
    if ended.recovered or ended.notices:
        LOG.info("acknowledged and recovered: %d; mails about silences that ended: %d", ended.recovered, ended.notices)
    swept = _run(sweep_canaries)
    if swept.deleted or swept.left:
        LOG.info("canary pods that were left: %d deleted, %d still there", swept.deleted, swept.left)
    pruned = _run(prune_daily)
    if pruned is not None:
        LOG.info("pruned: %s", pruned)


@app.queue_trigger(arg_name="message", queue_name=messages.PLAN, connection=STORAGE)
def plan(message: func.QueueMessage) -> None:
    """Plans a run."""
    with LOADING:
        from checks.jobs.plan import plan as plan_run
    wanted = messages.read(messages.PlanMessage, message.get_body())
    planned = _run(lambda context: plan_run(context, wanted))
    LOG.info("planned run %s: %d shards", planned.run, planned.shards)


@app.queue_trigger(arg_name="message", queue_name=messages.SCAN, connection=STORAGE)
def scan(message: func.QueueMessage) -> None:
    """Scans a shard."""
    with LOADING:
        from checks.jobs.scan import scan_shard
    wanted = messages.read(messages.ScanMessage, message.get_body())
    done = _run(lambda context: scan_shard(context, wanted))
    LOG.info("scanned %s of run %s: %d clusters", wanted.shard, wanted.run, done.totals.clusters)


@app.queue_trigger(arg_name="message", queue_name=messages.CLOSE, connection=STORAGE)
def close(message: func.QueueMessage) -> None:
    """Closes a run."""
    with LOADING:
        from checks.jobs.close import close_run
    wanted = messages.read(messages.CloseMessage, message.get_body())
    _run(lambda context: close_run(context, wanted.run))


@app.queue_trigger(arg_name="message", queue_name=messages.DELIVER, connection=STORAGE)
def deliver(message: func.QueueMessage) -> None:
    """Delivers what is pending, one at a time across all instances."""
    with LOADING:
        from checks.jobs.deliver import deliver_all
    messages.read(messages.DeliverMessage, message.get_body())
    _run(deliver_all)


@app.queue_trigger(arg_name="message", queue_name=messages.PLAN + messages.POISON, connection=STORAGE)
def plan_poison(message: func.QueueMessage) -> None:
    """Records a plan message that could not be handled."""
    _poison(messages.PLAN, message)


@app.queue_trigger(arg_name="message", queue_name=messages.SCAN + messages.POISON, connection=STORAGE)
def scan_poison(message: func.QueueMessage) -> None:
    """Records a scan message that could not be handled, and ends its shard, so that the run can close."""
    _poison(messages.SCAN, message)


@app.queue_trigger(arg_name="message", queue_name=messages.CLOSE + messages.POISON, connection=STORAGE)
def close_poison(message: func.QueueMessage) -> None:
    """Records a close message that could not be handled; the sweep closes the run."""
    _poison(messages.CLOSE, message)


@app.queue_trigger(arg_name="message", queue_name=messages.DELIVER + messages.POISON, connection=STORAGE)
def deliver_poison(message: func.QueueMessage) -> None:
    """Records a deliver message that could not be handled; what is pending stays pending."""
    _poison(messages.DELIVER, message)


def _poison(queue: str, message: func.QueueMessage) -> None:
    body = message.get_body()
    if _problem():
        with LOADING:
            from checks.jobs.watch import log_given_up
        log_given_up(queue, body)
        return
    with LOADING:
        from checks.jobs.close import record_poison
    _run(lambda context: record_poison(context, queue, body))


app.register_functions(blueprint(_open, _problem))
app.register_functions(dashboard(_open, SETTINGS, os.environ, _problem))
