"""Why the learner's registry refused a push or a pull."""

from __future__ import annotations

import re
from collections.abc import Iterable

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.registry.access_log import Request
from labrunner.registry.models import MANIFEST_TYPES
from labrunner.verdicts import NotYet
from labrunner.workspaces.registry_storage import configuration, storage_mount
from labrunner.workspaces.service import last_lines
from labrunner.workspaces.troubleshooting import RUN
from labrunner.workspaces.workspace import Workspace

from .history import ONLY_LOOK, RECENT

DETAIL = re.compile(r'\berr\.detail="(?P<words>(?:[^"\\\n]|\\.)*)"')  # in the log of a registry
SENT_AS = re.compile(r'\bhttp\.request\.contenttype="?(?P<kind>[^";\s]+)')
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"  # how its media types begin
TOO_LARGE = re.compile(r'client intended to send too large .*request: "([A-Z]+) (\S+) ')
DISK_FULL, READ_ONLY = "no space left on device", "read-only file system"


def require_no_refusal(
    workspace: Workspace, repository: str, *, again: str, start: str = RUN, host: str = "{registry}"
) -> None:
    """Raise `NotYet` where the last push or pull of a repository was refused, with why and what to
    do. again: the command that was refused. start: as in `require_registry`. host: the registry's,
    as in the command."""
    container = workspace.registry_container()
    requests = workspace.requests(tail=RECENT, front=True) or workspace.requests(tail=RECENT)
    refused = last_refusal(requests, repository) or _too_large(workspace, repository)
    if not container or not refused:
        return
    reason, why, todo = _explain(workspace, container, refused, start, host)
    raise NotYet(
        reason,
        found=Sentence(
            "The registry refused your client's last request, `{method}` of `{repository}`, with "
            "HTTP {status}: {why}",
            method=refused.method,
            repository=repository,
            status=refused.status,
            why=why,
        ),
        next=Sentence("{todo}, then {again}.", todo=todo, again=Sentence.of(again)),
    )


def require_manifest_taken(workspace: Workspace, repository: str, tag: str) -> None:
    """Raise `NotYet` where the last that was sent to the learner's registry is a manifest under
    this tag, and the registry refused it: by the kind that it was sent as, with what to do."""
    path = f"/v2/{repository}/manifests/{tag}"
    sent = [each for each in workspace.requests(tail=RECENT) if each.method == "PUT"]
    if not sent or sent[-1].path != path or sent[-1].status < 400:
        return
    kind = _kind_sent(workspace, path)
    reason, why = "refused", "."
    todo = "Say what kind it is: send it with the `Content-Type` that it came with."
    if kind.startswith(SCHEMA_1):
        reason = "schema-1"
        why = Sentence(
            ": it came as schema 1, which `registry:2` makes for a client that does not say which "
            "kinds it accepts."
        )
        todo = (
            "Fetch the manifest again, with all four kinds in `Accept`. Send that, with the "
            "`Content-Type` that it came with."
        )
    elif kind in MANIFEST_TYPES:
        reason, why = "not-of-that-kind", Sentence(", though you said what kind it is.")
        todo = (
            "Send what the registry sent you, byte for byte, with the `Content-Type` of that very "
            "answer."
        )
    raise NotYet(
        reason,
        found=Sentence(
            "The registry refused the manifest that you sent, with HTTP {status}{why}",
            status=sent[-1].status,
            why=why,
        ),
        next=todo,
    )


def _kind_sent(workspace: Workspace, path: str) -> str:
    """Return the media type with which a path was last sent something, by the registry's log."""
    container = workspace.registry_container()
    log = workspace.engine.logs(container.id, tail=RECENT) if container else ""
    lines = [line for line in log.splitlines() if f"={path} " in line and "method=PUT" in line]
    kinds = [found["kind"] for line in lines if (found := SENT_AS.search(line))]
    return kinds[-1] if kinds else ""


def last_refusal(requests: Iterable[Request], repository: str) -> Request | None:
    """Return the request of the last push or pull of a repository that was refused; None where none
    was. That something is not there is no refusal, and a login may follow a 401. With 499, nginx
    and a registry log a client that hung up, as it does with its other layers when one is refused.
    """
    asked = [each for each in requests if each.agent and not each.agent.startswith(ONLY_LOOK)]
    if asked and asked[-1].status == 401:  # it may not name a repository yet
        return asked[-1]
    place = f"/v2/{repository}/"
    done = [each for each in asked if each.path.startswith(place) and each.method != "HEAD"]
    told = [each for each in done if each.status not in (401, 404, 499)]
    for each in reversed(told):
        if each.status >= 400:
            return each
        if each.path.startswith(f"{place}manifests/"):  # blobs go side by side, and before it
            break
    return None


def _too_large(workspace: Workspace, repository: str) -> Request | None:
    """Return the request that nginx, in front of the registry, refused for its size: its error log
    has it at once, its access log when the connection has ended."""
    front = workspace.service().front
    refused = TOO_LARGE.findall(last_lines(workspace.engine, front.id) if front else "")
    for method, path in reversed(refused):
        if path.startswith(f"/v2/{repository}/"):
            return Request(0, "", method, path, 413, "")
    return None


def _explain(
    workspace: Workspace, container: Container, refused: Request, start: str, host: str
) -> tuple[str, Sentence, Sentence]:
    """Return a reason, why a request was refused, and what to do about it."""
    name, status = container.name, refused.status
    anew = "Create the container again: `docker rm -f {container}`, then {start}"
    create = Sentence(anew, container=name, start=Sentence.of(start))
    read = Sentence("Read `docker logs {container}`, fix what it says", container=name)
    if status == 401:
        why = Sentence(
            "it came without a login for `{host}`, or with a wrong one. A login counts only for "
            "the host as you wrote it.",
            host=Sentence.of(host),
        )
        login = "`docker login {host}`"
        if "user" in workspace.record.values:
            login = "`echo {password} | docker login -u {user} --password-stdin {host}`"
        return "no-login", why, Sentence(login, host=Sentence.of(host))
    if status == 413:
        why = Sentence("a layer is larger than a server in front of the registry allows.")
        return "too-large", why, Sentence("Raise its limit (nginx: `client_max_body_size`)")
    seen = [(each.path, each.status) for each in workspace.requests(tail=RECENT)]
    if status == 400 and (refused.path, status) not in seen:
        why = Sentence(
            "a server in front of the registry did not pass it on, as it came in plain HTTP to a "
            "port for TLS. The registry sends uploads there unless it knows that clients use TLS."
        )
        todo = Sentence("Tell it (nginx: `proxy_set_header X-Forwarded-Proto $scheme;`)")
        return "other-scheme", why, todo
    if status == 405:
        settings = configuration(workspace, container)
        if settings.read_only:
            why = Sentence("it is read-only, because of its setting `readonly`.")
            return "read-only", why, create
        if settings.is_cache:
            why = Sentence("it is a cache of another registry, and a cache does not accept pushes.")
            return "cache", why, create
        return "not-allowed", Sentence("it does not allow that."), create
    log = workspace.engine.logs(container.id, tail=RECENT).splitlines()
    details = [DETAIL.search(line) for line in log if f"http.response.status={status} " in line]
    detail = details[-1]["words"] if details and details[-1] else ""
    storage = storage_mount(workspace, container)
    if (storage and not storage.writable) or READ_ONLY in detail:
        why = Sentence("its files are stored read-only, for example by `:ro`.")
        if storage:
            mounted = "`{folder}` is mounted read-only, for example by `:ro`."
            why = Sentence(mounted, folder=storage.target)
        return "read-only-mount", why, create
    if DISK_FULL in detail:
        todo = Sentence("Make room (`docker system df` shows what uses the disk)")
        return "disk-full", Sentence("the disk that it keeps its files on is full."), todo
    said = detail.replace("`", "'")[:200]
    why = Sentence("its log says `{words}`." if said else "its log may say why.", words=said)
    return "refused", why, read
