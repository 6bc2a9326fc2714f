"""Live verdicts on the page, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from queue import Empty

from flask import Blueprint, Response, copy_current_request_context, current_app, request
from flask.typing import ResponseReturnValue

from labrunner import language
from labrunner.session.live_messages import BEAT, OVER, Message, Subscription
from labrunner.session.services import get_services
from labrunner.session.session import Session
from labrunner.web.services import get_web_services

from .checks import render_steps
from .lessons import find_session

bp = Blueprint("live", __name__)

PATIENCE = 0.5  # seconds in which a stream notices that the server closes, or a logout
BEATS = 4  # so often it waits for that, until either side hears that the other is still there
RETRY = "retry: 1000\n\n"  # milliseconds until a browser tries again


@bp.get("/lessons/<slug>/live")
def stream(slug: str) -> ResponseReturnValue:
    """Send the fragment for all steps now, and from then on for those that change. A page that
    shows another workspace than the open one is told that this is over."""
    lesson, session = find_session(slug)
    shown, workspace = request.args.get("workspace"), session.workspace
    if shown and not (workspace and workspace.id == shown):
        return Response(_event(OVER), mimetype="text/event-stream")

    spoken = language.current()

    @copy_current_request_context
    def render(watched: Session, ids: Collection[str]) -> str:
        with language.speaking(spoken):  # a thread has a language of its own
            return render_steps(lesson, watched, ids)

    services, key = get_web_services(), current_app.secret_key

    @copy_current_request_context
    def is_over() -> bool:
        return services.closing.is_set() or current_app.secret_key != key  # new with a logout

    with ExitStack() as held:
        held.enter_context(services.connection_limit.take())
        watched = get_services().session(session.lab)
        subscription = held.enter_context(services.watcher.subscribe(watched, render, spoken))
        session.reload()  # what changes after this is in the subscription
        now = render_steps(lesson, session, [step.id for step in session.lab.steps])
        events = _events(Message("steps", now), subscription, is_over)
        response = Response(events, mimetype="text/event-stream")
        response.call_on_close(held.pop_all().close)  # also where nothing of it was ever sent
    return response


def _events(now: Message, subscription: Subscription, is_over: Callable[[], bool]) -> Iterator[str]:
    yield RETRY + _event(now)
    beats = 0
    while not is_over():
        try:
            message = subscription.get(timeout=PATIENCE)
            yield _event(message)
            if message == OVER:
                return
        except Empty:
            beats += 1
            if beats % BEATS == 0:
                yield _event(BEAT)  # writing to a page that is gone ends this


def _event(message: Message) -> str:
    lines = re.split(r"\r\n|\r|\n", message.text)
    return f"event: {message.kind}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
