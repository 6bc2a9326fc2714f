"""The language of a page: of those that there is a catalog of, the one that its reader likes best.

The lessons and what labs have without a catalog are in English whatever the page's language is.
"""

from __future__ import annotations

from flask import Flask, Response, request
from markupsafe import Markup

from labrunner import language
from labrunner.text import prose

UNSPOKEN = ("static", "style", "auth.health")  # endpoints that say the same in every language


def init_app(app: Flask) -> None:
    """Have all templates of an app go through gettext, and each request choose its language."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    # The extension adds this method to the environment, which no type says.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    app.jinja_env.globals["language"] = language.current
    app.jinja_env.filters.update(translated=language.translated, prose=_prose)
    app.jinja_env.filters["in_source"] = _in_source
    app.before_request(_choose)
    app.after_request(_vary)


def _prose(text: str) -> Markup:
    """Return a sentence as HTML in the reader's language."""
    return prose(language.translated(text))


def _in_source(html: Markup) -> Markup:
    """Return a part of a lesson, with its own language where that is not the page's."""
    if language.current() == language.SOURCE:
        return html
    return Markup('<div lang="{}">{}</div>').format(language.SOURCE, html)


def _choose() -> None:
    there = {code.lower(): code for code in language.languages()}
    codes = [code.lower() for code, quality in request.accept_languages if quality]  # best first
    found = (there.get(code) or there.get(code.partition("-")[0]) for code in codes)
    language.choose(next(filter(None, found), language.SOURCE))


def _vary(response: Response) -> Response:
    """Tell caches that another reader may get the same page in another language."""
    if request.endpoint not in UNSPOKEN:
        response.vary.add("Accept-Language")
    return response
