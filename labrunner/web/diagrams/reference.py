"""An image reference as a picture: its parts side by side, each with its name below.

The picture is a description list, so that it can be read without being seen. What Docker fills in
is drawn with a broken line, and says so in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from labrunner.registry import references
from labrunner.registry.references import Reference
from labrunner.text import prose

LONGEST = 600  # characters in the field; few valid names have more

_BLOCK = Markup("""\
<div class="reference">
<div id="{id}">{picture}</div>
<form method="get" action="/names" hx-get="/names" hx-target="#{id}" hx-sync="this:replace" \
hx-trigger="submit, input changed delay:300ms">
<label for="{id}-name">Take a name apart</label>
<input class="mono" id="{id}-name" name="name" type="text" value="{name}" maxlength="{longest}" \
autocomplete="off" autocapitalize="off" spellcheck="false">
<button>Take apart</button>
</form>
</div>""")
_PART = Markup(
    '<div class="part {kind}"><dt>{kind}{note}</dt> '
    '<dd class="value">{before}<code>{code}</code>{after}</dd> {more}</div> '
)
_MARK = Markup('<span class="mark" aria-hidden="true">{}</span>')
_NOTE = Markup(' <span class="note">filled in</span>')
_ACCOUNT = Markup('<dd class="account">account <code>{}</code>{}</dd>')


def block(name: str, id: str) -> Markup:
    """The picture of a name, and a field for other names: the page gets their pictures while
    somebody types, and without JavaScript the form leads to the page `/names`."""
    return _BLOCK.format(id=id, picture=picture(name), name=name, longest=LONGEST)


def picture(name: str) -> Markup:
    """The parts of a name, its full and its short form, and what may be misread in it; for one
    that is no name, what is wrong with it."""
    try:
        reference = references.parse(name)
    except references.InvalidReference as error:
        return Markup(
            '<p class="said failed"><strong>Docker does not take this as a name.</strong> {}</p>'
        ).format(prose(str(error)))
    parts = Markup("").join(_parts(name, reference))
    forms = Markup("<p>In full <code>{}</code>{}.</p>").format(
        reference.canonical,
        Markup(", in short <code>{}</code>").format(reference.familiar)
        if reference.familiar != reference.canonical
        else "",
    )
    notes = Markup("").join(
        Markup("<li>{}</li>").format(prose(note)) for note in references.notes(name)
    )
    listed = Markup('<ul class="notes">{}</ul>').format(notes) if notes else ""
    return Markup('<dl class="parts">{}</dl>{}{}').format(parts, forms, listed)


def summary(name: str) -> str:
    """The same in a sentence, to be announced."""
    try:
        reference = references.parse(name)
    except references.InvalidReference as error:
        return f"Docker does not take this as a name. {error}"
    digest = f"{reference.digest[:19]}…" if reference.digest else "none"
    return (
        f"Registry {reference.registry or 'none'}, repository {reference.repository}, "
        f"tag {reference.tag or 'none'}, digest {digest}."
    )


def _parts(name: str, reference: Reference) -> Iterator[Markup]:
    """The parts as they stand in the full form; what is not written in the name is marked."""
    path = name
    for host in (reference.registry, "index.docker.io"):
        path = path.removeprefix(f"{host}/") if path == name else path
    if not reference.registry:
        yield _part("registry", "none")
    elif path == name:
        yield _part("registry", _filled(reference.registry), after="/", note=_NOTE)
    else:
        yield _part("registry", _written(reference.registry), after="/")

    account, _, rest = reference.repository.partition("/")
    official = account == "library" and not path.startswith("library/")
    code = _filled("library/") + _written(rest) if official else _written(reference.repository)
    more = _ACCOUNT.format(account, _NOTE if official else "")
    yield _part("repository", code, more=more if reference.default_registry else "")

    if reference.tag:
        yield _part("tag", _written(reference.tag), before=":")
    elif not reference.digest:
        yield _part("tag", _filled("latest"), before=":", note=_NOTE)
    if reference.digest:
        yield _part("digest", _written(reference.digest), before="@")


def _part(
    kind: str, code: str, before: str = "", after: str = "", note: str = "", more: str = ""
) -> Markup:
    before, after = (_MARK.format(mark) if mark else "" for mark in (before, after))
    return _PART.format(kind=kind, code=code, note=note, before=before, after=after, more=more)


def _written(text: str) -> Markup:
    return Markup('<span class="written">{}</span>').format(text)


def _filled(text: str) -> Markup:
    return Markup('<span class="filled">{}</span>').format(text)
