"""What happened: by the engine's events and by the registry's access log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from labrunner.language import Sentence
from labrunner.registry.access_log import Request, parse_log
from labrunner.registry.models import Manifest
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.workspace import Workspace

from .storage import is_anonymous

REMEMBERED = 256  # events that an engine keeps
ONLY_LOOK = ("curl/", "Mozilla/", "Wget/")  # how programs that neither push nor pull begin
NOT_PULLS = (*ONLY_LOOK, "Docker-Client/")  # the last reads manifests, as for `manifest inspect`
RECENT = 1000  # lines of the registry's log that show what was done just now
MANIFEST = re.compile(r"/v2/(?P<repository>.+)/manifests/[^/]+")


def was_started(workspace: Workspace, references: Iterable[str]) -> bool:
    """Return whether a new container was started from an image by one of these references, with or
    without the tag `latest`: an event says so, or a container that was kept."""
    wanted = {reference.removesuffix(":latest") for reference in references}
    events = workspace.events(type="container", event="start")
    started = [(event.id, event.attributes.get("image", "")) for event in events]
    kept = [each for each in workspace.engine.containers() if each.state != "created"]
    started += [(each.id, each.image) for each in kept]
    older = workspace.record.before["containers"]
    return any(image.removesuffix(":latest") in wanted for id, image in started if id not in older)


def require_memory(workspace: Workspace, again: str, since: float = 0) -> None:
    """Raise `CannotCheck` where the engine does not remember all that happened since that moment,
    by default since the lab was opened: it keeps its last events only, and none when it restarts.
    again: how the learner shows it once more."""
    since = max(since, workspace.record.opened)
    events = workspace.events()
    bridges = [each for each in workspace.engine.networks() if each.name == "bridge"]
    if any(each.created > since for each in bridges):
        found = Sentence(
            "The engine was restarted after you started this lab, and has forgotten what happened "
            "before."
        )
    elif len(events) >= REMEMBERED and min(each.time for each in events) > since:
        found = Sentence(
            "The engine keeps only its last {count} events, and has forgotten what happened "
            "before.",
            count=REMEMBERED,
        )
    else:
        return
    todo = Sentence("Do it again: {again}.", again=workspace.fill(again))
    raise CannotCheck(found, next=todo, reason="forgotten")


def recent_requests(workspace: Workspace) -> tuple[list[Request], bool]:
    """Return what the last lines of the registry's log say that it was asked since the lab was
    opened, oldest first; and whether that is all, so that it holds nothing else which is as new."""
    container, opened = workspace.registry_container(), workspace.record.opened
    if not container:
        return [], False
    log = workspace.engine.logs(container.id, since=opened, tail=RECENT)
    requests = [each for each in parse_log(log) if each.time >= int(opened)]
    own = all(each.kind == "volume" and is_anonymous(each.source) for each in container.mounts)
    whole = log.count("\n") < RECENT and (own or container.created <= opened)
    return requests, bool(requests) and whole


def pushed_repositories(workspace: Workspace, requests: Sequence[Request]) -> Iterator[str]:
    """Yield the repositories of the learner's registry that the sample image may have been pushed
    to, the most likely first: by its digests, by its name, by the engine's events, and by these
    requests of the registry's log."""
    hosts = tuple(f"{name.split('/')[0]}/" for name in workspace.spellings("x"))
    image = workspace.engine.image(workspace.sample)
    pushed = [name.partition("@")[0] for name in (image.digests if image else ())]
    yield from (name.split("/", 1)[1] for name in pushed if name.startswith(hosts))
    yield workspace.image
    events = workspace.events(type="image", event="push")
    for event in reversed(events):
        if event.id.startswith(hosts):
            yield event.id.split("/", 1)[1].rpartition(":")[0]
    for request in reversed(requests):
        match = MANIFEST.fullmatch(request.path)
        if match and request.method == "PUT" and request.succeeded:
            yield match["repository"]


def logged_requests(workspace: Workspace, since: float = 0) -> list[Request]:
    """Return what the registry was asked since that moment, by default since the lab was opened,
    oldest first. Raises `CannotCheck` where no log that can be read has it."""
    if requests := workspace.requests(since):
        return requests
    raise CannotCheck(  # not even those of the check itself are there
        Sentence(
            "The log of `{registry}` cannot be read, so its requests are unknown.",
            registry=workspace.registry,
        ),
        next=Sentence(
            "Run the registry in a container of `{registry_image}` that publishes {port} itself, "
            "as the lesson shows, and do the step again.",
            registry_image=workspace.registry_image,
            port=workspace.port,
        ),
        reason="no-log",
    )


def client_requests(workspace: Workspace) -> list[Request]:
    """Return those of clients that push and pull, since the lab was opened."""
    requests = logged_requests(workspace)
    return [each for each in requests if each.agent and not each.agent.startswith(ONLY_LOOK)]


def pushed_tags(workspace: Workspace, repository: str) -> list[str]:
    """Return the tags of a repository in the learner's registry that were pushed since the lab was
    opened, one for each push, the oldest first. Empty where the log is out of reach."""
    path = f"/v2/{repository}/manifests/"
    puts = [each for each in workspace.requests() if (each.method, each.status) == ("PUT", 201)]
    pushed = [each.path.removeprefix(path) for each in puts if each.path.startswith(path)]
    return [tag for tag in pushed if ":" not in tag]  # a digest is of a part of an index


def pulls_since_push(
    workspace: Workspace, repository: str, tag: str, now: Manifest
) -> tuple[list[str], list[str], bool]:
    """Return what was pulled from a repository since one of its tags was last pushed: the digests,
    those that were asked for in vain, and whether the tag was pulled. now: what the tag points to.

    The engine's events tell which name was pulled. It remembers only 256; and the registry's log
    has what other clients did. A pull by tag asks by digest as well, for what the tag has now and,
    where that is an index, for its parts; but never for an old one.
    """
    events, tagged = workspace.events(type="image"), workspace.spellings(repository, tag)
    places = [name.rpartition(":")[0] for name in tagged]
    moves = [each.time for each in events if each.action == "push" and each.id in tagged]
    moved = max(moves, default=0)
    pulls = [each.id for each in events if each.action == "pull" and each.time > moved]
    pulled = [name.split("@")[1] for name in pulls if name.split("@")[0] in places and "@" in name]
    requests = workspace.requests()
    pushes = [index for index, each in enumerate(requests) if _is_push(each, repository, tag)]
    path = f"/v2/{repository}/manifests/sha256:"
    asked = [
        (each.method, each.status, "sha256:" + each.path[len(path) :])
        for each in requests[pushes[-1] + 1 if pushes else 0 :]
        if each.path.startswith(path) and each.agent and not each.agent.startswith(NOT_PULLS)
    ]
    got = [digest for method, status, digest in asked if (method, status) == ("GET", 200)]
    current = (now.digest, *(each.digest for each in now.manifests))
    pulled += [digest for digest in got if digest not in current]
    refused = [digest for _, status, digest in asked if status >= 400 and digest not in got]
    return pulled, refused, any(name in tagged for name in pulls)


def _is_push(request: Request, repository: str, tag: str) -> bool:
    wanted = f"/v2/{repository}/manifests/{tag}"
    return (request.method, request.path, request.status) == ("PUT", wanted, 201)
