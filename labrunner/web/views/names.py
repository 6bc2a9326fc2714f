"""The page that takes an image reference apart, as `flask explain` does."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from labrunner.language import Sentence
from labrunner.registry import references
from labrunner.web.diagrams import reference
from labrunner.web.forms import wants_fragment, wants_json

bp = Blueprint("names", __name__)

EXAMPLES = (
    ("nginx", Sentence("an official image on Docker Hub")),
    ("bitnami/nginx:1.27", Sentence("an account's image on Docker Hub")),
    ("localhost:5000/team/my-image:1.0", Sentence("an image in your own registry")),
    ("ghcr.io/owner/app:main", Sentence("GitHub's registry")),
    ("europe-docker.pkg.dev/project/repository/app", Sentence("Google's Artifact Registry")),
    ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/app:2", Sentence("Amazon's ECR")),
    ("my-company.azurecr.io/apps/internal-app", Sentence("Azure's registry")),
    (f"localhost:5000/my-image@sha256:{'3f1c' * 16}", Sentence("an image pinned to its digest")),
)
SLIPS = (
    ("my-image:5000", Sentence("a port without a registry")),
    ("https://localhost:5000/my-image", Sentence("a web address")),
    ("localhost:5000/My-Image", Sentence("capital letters")),
    ("private_registry.io/app", Sentence("an underscore in the host")),
)


@bp.get("/names")
def explain() -> ResponseReturnValue:
    name = request.args.get("name", EXAMPLES[0][0]).strip()
    if wants_json():
        return _as_json(name)
    diagram = reference.draw(name)
    if wants_fragment():
        return render_template("names/_update.html", diagram=diagram)
    return render_template("names/page.html", diagram=diagram, examples=EXAMPLES, slips=SLIPS)


def _as_json(name: str) -> ResponseReturnValue:
    try:
        parsed = references.parse(name)
    except references.InvalidReference as error:
        return {"error": str(error)}, 400
    return {**parsed.as_dict(), "notes": references.notes(name)}
