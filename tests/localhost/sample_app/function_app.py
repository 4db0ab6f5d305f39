"""A small Functions app that uses every binding of the local host; its test fires, sends and asks."""

import json
import logging
import os
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def note(text: str) -> None:
    """Append a line where the test looks."""
    with Path(os.environ["SAMPLE_NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(text + "\n")


@app.timer_trigger(schedule="0 0 * * * *", arg_name="tick", run_on_startup=False)
@app.queue_output(arg_name="work", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
def every_hour(tick: func.TimerRequest, work: func.Out[str]) -> None:
    work.set(json.dumps({"from": "timer", "past_due": tick.past_due}))


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="sample-done", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> str:
    text = message.get_body().decode()
    note(f"work {message.dequeue_count} {text}")
    if text == "always fails":
        raise RuntimeError("this message always fails")
    if text == "fails once" and message.dequeue_count == 1:
        raise RuntimeError("the first try fails")
    if text.startswith("sleep "):
        time.sleep(float(text.removeprefix("sleep ")))
    return f"did {text}"


@app.queue_trigger(arg_name="message", queue_name="sample-done", connection="AzureWebJobsStorage")
def done(message: func.QueueMessage) -> None:
    note(f"done {message.get_body().decode()}")


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%-poison", connection="AzureWebJobsStorage")
def work_poison(message: func.QueueMessage) -> None:
    note(f"poison {message.get_body().decode()}")


@app.route("items/{id:int}", methods=["GET", "POST"])
def item(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    answer = {
        "id": req.route_params["id"],
        "method": req.method,
        "url": req.url,
        "q": req.params.get("q"),
        "header": req.headers.get("X-Sample"),
        "body": req.get_body().decode(),
        "function": context.function_name,
    }
    return func.HttpResponse(
        json.dumps(answer), status_code=201, headers={"X-Back": "yes"}, mimetype="application/json"
    )


@app.route("crash", auth_level=func.AuthLevel.ANONYMOUS)
def crash(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("about to crash")
    raise ValueError("crashed on purpose")


@app.route("start", methods=["POST"])
@app.queue_output(arg_name="work", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
def start(req: func.HttpRequest, work: func.Out[str]) -> func.HttpResponse:
    work.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)
