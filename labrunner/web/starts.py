"""Starting a lab beside the request, so that no page waits for an image or a container."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..lab import Lab
from ..learner import Busy, Learner
from ..verdict import CannotCheck
from .answers import fields, wants_fragment, wants_json
from .lessons import find_lab, learner

pages = Blueprint("starts", __name__)
LINES = 100  # how many lines of progress are kept


@dataclass
class Start:
    """One start of a lab: what it said so far, and what stopped it."""

    lines: list[str] = field(default_factory=list)
    running: bool = True
    found: str | None = None
    next: str | None = None

    @property
    def failed(self) -> bool:
        return self.found is not None

    def as_dict(self) -> dict[str, object]:
        status = "starting" if self.running else "failed" if self.failed else "started"
        return {"status": status, "lines": self.lines, "found": self.found, "next": self.next}


class Starts:
    """The last start of each lab, by the lab's name."""

    def __init__(self) -> None:
        self._starts: dict[str, Start] = {}
        self._lock = threading.Lock()

    def of(self, lab: str) -> Start | None:
        """The start as it is now: a copy, which does not end while a page is made of it."""
        start = self._starts.get(lab)
        return replace(start) if start else None

    def begin(self, learner: Learner, lab: Lab) -> Start:
        """Start the lab in a thread; a start that is running already is that one."""
        with self._lock:
            start = self._starts.get(lab.name)
            if start and start.running:
                return start
            start = self._starts[lab.name] = Start()
        name = f"start {lab.name}"
        threading.Thread(target=_run, args=(start, learner, lab), name=name, daemon=True).start()
        return start


def _run(start: Start, learner: Learner, lab: Lab) -> None:
    def say(line: str) -> None:
        start.lines = [*start.lines, line][-LINES:]

    try:
        learner.start(lab, say)
    except CannotCheck as error:
        start.found, start.next = error.found, error.next
    except Busy:
        start.found = "This lab is being started or finished in another window or terminal."
        start.next = "Wait until that is done, then load this page again."
    except Exception as error:  # a fault of ours must not leave the page waiting for ever
        logging.getLogger(__name__).exception("Starting %s broke", lab.name)
        start.found = f"The start itself broke: `{type(error).__name__}: {error}`."
        start.next = "Try again. If it breaks again, please report it with the server's log."
    finally:
        start.running = False


def _starts() -> Starts:
    found: Starts = current_app.extensions["labrunner.starts"]
    return found


@pages.post("/lessons/<slug>/start")
def begin(slug: str) -> ResponseReturnValue:
    fields()
    lesson, lab = find_lab(slug)
    start = _starts().begin(learner(), lab)
    if wants_json():
        return start.as_dict(), 202
    if wants_fragment():
        return render_template("_starting.html", lesson=lesson, start=start)
    return redirect(url_for("starts.progress", slug=slug), 303)


@pages.get("/lessons/<slug>/start")
def progress(slug: str) -> ResponseReturnValue:
    """How far the start is; the lesson itself once it is done."""
    lesson, lab = find_lab(slug)
    start = _starts().of(lab.name)
    if wants_json():
        if start:
            return start.as_dict()
        return {"status": "started" if learner().workspace(lab) else "not started"}
    done = start is None or not (start.running or start.failed)
    if wants_fragment():
        if done:
            flash("started")  # the page then puts the focus where the button was
            return "", 200, {"HX-Refresh": "true"}
        if start and start.running and request.args.get("seen") == str(len(start.lines)):
            return "", 204
        return render_template("_starting.html", lesson=lesson, start=start)
    if done:
        return redirect(url_for("lessons.lesson", slug=slug, _anchor="lab"), 303)
    return render_template("start.html", lesson=lesson, start=start)
