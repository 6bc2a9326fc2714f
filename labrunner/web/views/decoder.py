"""The error decoder: what an error from a terminal means, and all messages that it knows."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from labrunner.course.lesson import Lesson
from labrunner.decoder import decoder
from labrunner.decoder.decoder import Finding
from labrunner.decoder.messages import known_messages
from labrunner.session.services import get_services
from labrunner.web.forms import fields, wants_fragment, wants_json

bp = Blueprint("decoder", __name__)
bp.add_app_template_filter(decoder.decode, "decode")


@bp.get("/decode")
def ask() -> ResponseReturnValue:
    return _page("decoder/page.html", "", None)


@bp.post("/decode")
def decode() -> ResponseReturnValue:
    """The text is looked at and not kept, so this has no page to be redirected to."""
    text = fields("text")["text"]
    findings = decoder.decode(text)
    if wants_json():
        return {"findings": [each.as_dict() for each in findings]}
    return _page(
        "decoder/_findings.html" if wants_fragment() else "decoder/page.html", text, findings
    )


def _page(template: str, text: str, findings: list[Finding] | None) -> str:
    return render_template(
        template,
        text=text,
        findings=findings,
        not_known=decoder.NOT_KNOWN,
        lessons=_lessons(),
        known=[decoder.generic(message) for message in known_messages()],
        fragment=wants_fragment(),
    )


def _lessons() -> dict[str, Lesson | None]:
    """The lessons that the messages name, by slug, in the course's order; None for one that is
    not served."""
    named = {message.lesson for message in known_messages()}
    served = {each.slug: each for each in get_services().course.lessons if each.slug in named}
    return {**served, **dict.fromkeys(sorted(named - set(served)))}
