"""The pages of an app, as a browser gets them, and what open pages are told."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flask import Flask, copy_current_request_context
from flask.testing import FlaskClient

from app import create_app
from labrunner.session.live_messages import Subscription
from labrunner.session.services import get_services
from labrunner.session.session import Session
from labrunner.web.services import get_web_services
from labrunner.web.views.checks import render_steps

LAB = "push-and-pull"
LESSON = f"/lessons/{LAB}"
ADDRESS = "http://127.0.0.1:8000"
LOADED = re.compile(r'(?:src|href)="(/static/[^"#]+)')  # by a page; the terminal's come later
CLIENTS = 50


def serve(instance: Path) -> Flask:
    return create_app(instance=instance, port=8000, token="bench")  # noqa: S106 - made up


def page(instance: Path, path: str = LESSON) -> Callable[[], object]:
    """Return a call that gets a page from an app of its own."""
    browser = _browser(serve(instance))
    return lambda: _get(browser, path)


def page_weight(app: Flask) -> int:
    """Return the bytes of the lesson's page and of all that it loads, compressed, without
    headers."""
    browser = _browser(app)
    text = browser.get(LESSON, base_url=ADDRESS).text
    files = {path for path in LOADED.findall(text) if "vendor/xterm" not in path}
    return sum(len(_get(browser, path)) for path in {LESSON, *files})


@contextmanager
def started_lab(app: Flask) -> Iterator[None]:
    """Start the lesson's lab, and remove all that belongs to it in the end."""
    session = _session(app)
    session.start(lambda line: None)
    try:
        yield
    finally:
        session = _session(app)
        certain = {item.id for item in session.resources() if item.certain}
        for leftover in session.finish(certain):
            print(f"Left on the engine: {leftover}", file=sys.stderr)


def advice_delay(app: Flask) -> float:
    """Return the seconds from an act that does not reach the first step until an open page is told
    what the step lacks. Call it once in a lab, before the step is done."""
    return _delay(app, "a-slip", 1)


def event_delay(app: Flask) -> float:
    """Return the seconds from something on the engine until `CLIENTS` open pages are told what
    came of it. Call it once in a lab: the step is of one moment."""
    return _delay(app, "latest", CLIENTS)


def _delay(app: Flask, tag: str, clients: int) -> float:
    """Return the seconds until so many pages are told what came of this tag of the sample."""
    _get(_browser(app), LESSON)  # as each of them was
    lesson = get_services(app).course.lesson(LAB)
    assert lesson  # noqa: S101 - of the real course
    watcher, session = get_web_services(app).watcher, _session(app)
    workspace = session.require_workspace()
    with app.test_request_context(LESSON, base_url=ADDRESS), ExitStack() as pages:

        @copy_current_request_context
        def render(watched: Session, ids: Collection[str]) -> str:
            return render_steps(lesson, watched, ids)

        subscriptions = [
            pages.enter_context(watcher.subscribe(_session(app), render)) for _ in range(clients)
        ]
        _await_each(subscriptions, "looked")
        time.sleep(1)  # until the first look is over
        began = time.perf_counter()
        name = f"{workspace.registry}/{workspace.image}:{tag}"
        session.engine.tag(workspace.sample, name)
        _await_each(subscriptions, "steps")
        return time.perf_counter() - began


def _session(app: Flask) -> Session:
    services = get_services(app)
    return services.session(services.course.labs[LAB])


def _await_each(subscriptions: list[Subscription], kind: str) -> None:
    for subscription in subscriptions:
        while subscription.get(timeout=60).kind != kind:
            pass


def _browser(app: Flask) -> FlaskClient:
    """Return a browser that is let in."""
    browser = app.test_client()
    _get(browser, "/?token=bench")
    return browser


def _get(browser: FlaskClient, path: str) -> bytes:
    """Return what is answered, as it travels."""
    compressed = {"Accept-Encoding": "br, gzip"}
    answer = browser.get(path, base_url=ADDRESS, headers=compressed)
    if answer.status_code >= 400:
        sys.exit(f"{path} answered with {answer.status_code}, so nothing was measured.")
    return answer.data
