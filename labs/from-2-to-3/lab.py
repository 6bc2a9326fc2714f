"""Replace registry 2 by registry 3 on the same images, and keep the door shut."""

import secrets

from labrunner import (
    AUTH,
    STORAGE,
    Lab,
    NotYet,
    Sentence,
    act,
    client_requests,
    configuration_path,
    deleted_digests,
    deletions,
    describe_mount,
    explain_no_pull,
    in_order,
    listed,
    login_fault,
    names_of_sample,
    push_as,
    push_sample_again,
    push_with_login,
    pushed_tags,
    read_version,
    refused,
    remove_sample,
    require_kept,
    require_no_refusal,
    require_pushed,
    require_version,
    restart_registry,
    short,
    storage_mount,
    tag_as,
    try_deletion,
    untagged_digests,
    write_password_file,
)


def one_registry(engine):
    """Return why there is nothing to replace, where both tags name one image."""
    two, three = engine.image("registry:2"), engine.image("registry:3")
    if two and three and two.id == three.id:
        return "On this engine, `registry:2` and `registry:3` are the same image."
    return None


lab = Lab(
    title="From registry 2 to 3",
    images=["registry:2", "registry:3", "httpd:2", "busybox:stable"],
    sample=True,
    requires=[one_registry],
    values={
        "user": lambda ws: "alice",
        "password": lambda ws: secrets.token_hex(6),
        "volume": lambda ws: ws.unused("registry-data"),
    },
)

OLD, NEW = "/etc/docker/registry/config.yml", "/etc/distribution/config.yml"
CONFIG = """\
version: 0.1
http:
  addr: :5000
auth:
  htpasswd:
    realm: my-registry
    path: /auth/htpasswd
storage:
  filesystem:
    rootdirectory: /var/lib/registry
"""
DELETION = "  delete:\n    enabled: true\n"  # at the end of it
FIRST, SECOND = "{registry}/{image}:latest", "{registry}/{image}:stranger"


def command(image, path):
    """Return the command that runs this registry with the configuration at this path."""
    return (
        "`docker run -d -p {port}:5000 --name {name} -v {volume}:/var/lib/registry "
        f'-v "$PWD/config.yml:{path}:ro" -v "$PWD/htpasswd:/auth/htpasswd:ro" {image}`'
    )


RUN_2, RUN_3 = command("registry:2", OLD), command("registry:3", NEW)
RUN_3_OPEN = command("registry:3", OLD)
MOUNT_OLD, MOUNT_NEW = f"config.yml:{OLD}:ro", f"config.yml:{NEW}:ro"  # for the advice
VOLUME = "-v {volume}:/var/lib/registry"
LOGIN = "`echo {password} | docker login -u {user} --password-stdin {registry}`"
MAKE = "`docker run --rm --entrypoint htpasswd httpd:2 -Bbn {user} {password} > htpasswd`"
FILES = {"config.yml": Sentence("write `config.yml` as in the first step"), "htpasswd": MAKE}
PUSH = "`docker push {registry}/{image}`"
PUSH_SECOND = (
    "`docker image tag busybox:stable {registry}/{image}:stranger`, then "
    "`docker push {registry}/{image}:stranger`"
)
DELETE = "`curl -i -u {user}:{password} -X DELETE http://{registry}/v2/{image}/manifests/{digest}`"


# Acts, for the solutions and mistakes


@act
def serve(
    workspace, image, path="", volume="{volume}", config=CONFIG, users="/auth/htpasswd", **settings
):
    """Run a registry with these settings, with a volume, and with both files at these paths;
    without a path, its image's own file is read."""
    mounts = {f"{users}:ro": write_password_file(workspace, "htpasswd")}
    if path:
        mounts[f"{path}:ro"] = _config(workspace, config)
    if volume:
        mounts[STORAGE] = workspace.fill(volume)
    workspace.run_registry(image, environment=settings, volumes=mounts)


serve_2, serve_3 = serve("registry:2", OLD), serve("registry:3", NEW)
serve_open = serve("registry:3", OLD)


@lab.step
def lock_registry_2(workspace):
    """A registry 2 on `{registry}` asks for the password of `{user}`, and keeps its images in a
    volume of yours."""
    container, todo = require_version(workspace, 2, RUN_2, FILES)
    runs = _require_locked(workspace, container, todo)
    where = require_kept(workspace, container, todo)
    return Sentence.joined(runs, Sentence("Its images are in {where}.", where=where))


lock_registry_2.solution(serve_2)
lock_registry_2.mistake("registry 3 at once", advice="registry:2", reason="version")(serve_3)
lock_registry_2.mistake("the file at the path of registry 3", advice=MOUNT_OLD, reason="open")(
    serve("registry:2", NEW)
)
lock_registry_2.mistake("an anonymous volume", advice=VOLUME, reason="anonymous")(
    serve("registry:2", OLD, volume="")
)


@lab.step
def push_to_it(workspace):
    """`{registry}`, still registry 2, holds your image as `{image}:latest`."""
    lock_registry_2.require(workspace)
    manifest = require_pushed(workspace, start=RUN_2, login=workspace.login)
    name, digest = workspace.ref(), short(manifest.digest)
    return Sentence("`{name}` is your image, {digest}.", name=name, digest=digest)


push_to_it.solution(push_with_login(FIRST))
push_to_it.mistake("not logged in", advice="--password-stdin {registry}", reason="no-login")(
    tag_as(FIRST), refused("push", FIRST)
)
push_to_it.mistake("tagged, but not pushed", advice=PUSH, reason="not-pushed")(tag_as(FIRST))
push_to_it.mistake("another image under the name", advice="will move", reason="another-image")(
    push_with_login(FIRST, "busybox:stable")
)


@lab.step
def keep_the_old_path(workspace):
    """Registry 3 serves your image on `{registry}`. Your file is still mounted at the path of
    registry 2, and nobody is asked for a password."""
    container, todo = require_version(workspace, 3, RUN_3_OPEN, FILES)
    status = workspace.api.request("GET", "").status
    if status != 200:
        found = "It asks for a password: without one, `/v2/` answers {status}."
        raise NotYet("locked", found=found, next=todo, status=status)
    if b"htpasswd" not in (workspace.engine.read_file(container.id, OLD) or b""):
        found = "Nobody is asked for a password, but there is no file of yours at `{path}` either."
        raise NotYet("not-mounted", found=found, next=todo, path=OLD)
    manifest = workspace.api.manifest(workspace.image, "latest")
    storage = storage_mount(workspace, container)
    where = describe_mount(storage)
    if not manifest or not workspace.is_sample(manifest):
        if storage and storage.source == workspace["volume"]:  # nothing else has it
            remove = f"`docker rm -f {container.name}`"
            todo = in_order(remove, RUN_2, LOGIN, push_sample_again(workspace), remove, RUN_3_OPEN)
        raise NotYet("no-image", found="Your image is not in {where}.", next=todo, where=where)
    if "latest" in pushed_tags(workspace, workspace.image):
        found = "Your image is in {where} because you pushed it to registry 3."
        raise NotYet("pushed", found=found, next=todo, where=where)
    return Sentence(
        "`{container}` runs registry {version} and reads `{path}`, which is its own. It ignores "
        "your `/etc/docker/registry/config.yml`: without a password, `/v2/` answers 200, and "
        "everyone can pull your image {digest}.",
        container=container.name,
        version=read_version(workspace, container),
        path=configuration_path(container),
        digest=short(manifest.digest),
    )


keep_the_old_path.solution(serve_open)
keep_the_old_path.mistake("registry 2 again", advice="registry:3", reason="version")(serve_2)
keep_the_old_path.mistake("without the file", advice=MOUNT_OLD, reason="not-mounted")(
    serve("registry:3", "/nowhere.yml")
)
keep_the_old_path.mistake("at the right path already", advice=MOUNT_OLD, reason="locked")(serve_3)
keep_the_old_path.mistake("pushed again to an empty volume", advice=VOLUME, reason="pushed")(
    serve("registry:3", OLD, volume="{volume}-x"), push_as(FIRST)
)


@lab.step(advice=PUSH_SECOND)
def push_as_a_stranger(workspace):
    """Without a password, you have put another image into `{registry}`: `{image}:stranger`."""
    keep_the_old_path.require(workspace)
    stranger = workspace.api.manifest(workspace.image, "stranger")
    if not stranger:
        tags = listed(sorted(workspace.api.tags(workspace.image) or ()))
        found = "The repository `{image}` has {tags}, not `stranger`."
        raise NotYet("not-pushed", found=found, next=in_order(PUSH_SECOND), tags=tags)
    if stranger == workspace.api.manifest(workspace.image, "latest"):
        found = "`stranger` is your own image, {digest}, not another one."
        todo = Sentence.joined(in_order(PUSH_SECOND), "The tag will move.")
        raise NotYet("same-image", found=found, next=todo, digest=short(stranger.digest))
    found = "Nobody asked for a password: `{name}` is now {digest}."
    return Sentence(found, name=workspace.ref(tag="stranger"), digest=short(stranger.digest))


push_as_a_stranger.solution(push_as(SECOND, "busybox:stable"))
push_as_a_stranger.mistake("under another tag", reason="not-pushed")(
    push_as("{registry}/{image}:guest", "busybox:stable")
)
push_as_a_stranger.mistake("your own image", reason="same-image")(push_as(SECOND))


@lab.step(lasting=True)
def mount_it_at_the_new_path(workspace):
    """Registry 3 on `{registry}` asks for the password of `{user}`, and has your image."""
    container, todo = require_version(workspace, 3, RUN_3, FILES)
    runs = _require_locked(workspace, container, todo)
    digest = short(_require_image(workspace, container).digest)
    return Sentence.joined(runs, Sentence("It has your image, {digest}.", digest=digest))


mount_it_at_the_new_path.solution(serve_3)
mount_it_at_the_new_path.mistake("restarted", advice=MOUNT_NEW, reason="open")(restart_registry)
mount_it_at_the_new_path.mistake(
    "the password file elsewhere", advice="/htpasswd:/auth/htpasswd:ro", reason="no-user"
)(serve("registry:3", NEW, users="/auth/users"))
mount_it_at_the_new_path.mistake("an empty volume", advice=VOLUME, reason="no-image")(
    serve("registry:3", NEW, volume="{volume}-x")
)


@lab.step
def pull_what_2_stored(workspace):
    """You have pulled the image that registry 2 stored, whole, from registry 3."""
    mount_it_at_the_new_path.require(workspace)
    manifest = _registry(workspace).manifest(workspace.image, "latest")
    pinned = f"{workspace.registry}/{workspace.image}@{manifest.digest}"
    configs = {each.config_digest for each in (manifest, *manifest.manifests)}
    for each in client_requests(workspace):
        if each.method == "GET" and each.succeeded and each.path.rpartition("/")[2] in configs:
            return Sentence("`{pinned}` was pulled from registry 3.", pinned=pinned)
    names = names_of_sample(workspace)
    if not names:
        require_no_refusal(workspace, workspace.image, again=f"`docker pull {pinned}`", start=RUN_3)
    copy, todo = explain_no_pull(pinned, names)
    found = "Nobody has pulled it from this registry{copy}."
    raise NotYet("not-pulled", found=found, next=todo, copy=copy)


@pull_what_2_stored.solution
def _(workspace):
    remove_sample(workspace)
    pinned = f"{workspace.registry}/{workspace.image}@{_digest(workspace, 'latest')}"
    workspace.pull(pinned, workspace.login)


pull_what_2_stored.mistake("what was still there", advice="docker image rm", reason="not-pulled")(
    lambda ws: ws.pull(ws.ref(), ws.login)
)
pull_what_2_stored.mistake("logged out", advice="--password-stdin {registry}", reason="no-login")(
    remove_sample, refused("pull", FIRST)
)


@lab.step
def allow_deletion(workspace):
    """Registry 3 on `{registry}` deletes images for everyone who has the password."""
    mount_it_at_the_new_path.require(workspace)
    status = try_deletion(_registry(workspace), workspace.image)
    if status == 404:
        return "Asked to delete what it does not have, `{registry}` answers 404: deletion is on."
    raise NotYet(
        "deletion-off",
        found="Asked to delete what it does not have, `{registry}` answers {status}, not 404: "
        "deletion is off, because the file that it reads does not switch it on.",
        next="Add `delete:` and `enabled: true` under `storage:` in `config.yml`, then "
        "`docker restart {container}`.",
        status=status,
        container=workspace.registry_container().name,
    )


allow = serve("registry:3", NEW, config=CONFIG + DELETION)
allow_deletion.solution(allow)
allow_deletion.mistake("not restarted", advice="docker restart {name}", reason="deletion-off")(
    lambda ws: _config(ws, CONFIG + DELETION)
)
allow_deletion.mistake("by the image's own file", advice=MOUNT_NEW, reason="open")(serve_open)


@lab.step(advice="{image}/manifests/sha256:")
def delete_what_the_stranger_left(workspace):
    """`{registry}` no longer has the stranger's image. It still has yours, and asks for a
    password."""
    mount_it_at_the_new_path.require(workspace)
    registry, repository = _registry(workspace), workspace.image
    tag, stranger = next(iter(_foreign(workspace).items()), ("", None))
    loose = untagged_digests(workspace, repository, "_manifests/revisions", registry)
    asked = deletions(workspace.requests(), repository)
    digest, todo = stranger.digest if stranger else next(iter(loose), ""), in_order(DELETE)
    if stranger:
        allow_deletion.require(workspace)
        reason, found = "not-deleted", "`{tag}` is still there, {left}."
        if asked and asked[-1].status == 401:
            reason = "no-login"
            why = "Asked to delete, the registry answered 401: a password was missing or wrong."
            found = Sentence.joined(found, why)
    elif loose:
        reason = "by-tag"
        found = (
            "The tag is gone, but not the image. {left} has no tag, and can still be pulled by its "
            "digest."
        )
    elif deleted_digests(asked) or untagged_digests(workspace, repository, "_layers", registry):
        return "The stranger's image is gone. Yours is there, and a password is required."
    else:
        reason = "no-stranger"
        found = "The tag `stranger` is not there, and no image was deleted by its digest."
        todo = Sentence.joined(in_order(PUSH_SECOND), "Then delete that image by its digest.")
    raise NotYet(reason, found=found, next=todo, digest=digest, tag=tag, left=short(digest))


@delete_what_the_stranger_left.solution
def _(workspace):
    allow(workspace)
    if not _digest(workspace, "latest"):
        push_with_login(FIRST)(workspace)
    where = workspace, workspace.image, "_manifests/revisions", _registry(workspace)
    foreign = {each.digest for each in _foreign(workspace).values()}
    for digest in (*foreign, *untagged_digests(*where)):
        _registry(workspace).delete(workspace.image, digest)


delete_what_the_stranger_left.mistake("only the tag", reason="by-tag")(
    lambda ws: [_registry(ws).delete(ws.image, tag) for tag in _foreign(ws)]
)
delete_what_the_stranger_left.mistake(
    "without the password", advice="-u {user}:{password}", reason="no-login"
)(lambda ws: ws.api.delete(ws.image, _digest(ws, "stranger")))
delete_what_the_stranger_left.mistake("your own image", advice=PUSH, reason="no-image")(
    lambda ws: _registry(ws).delete(ws.image, _digest(ws, "latest"))
)


@lab.step
def do_without_a_file(workspace):
    """Registry 3 on `{registry}` reads the file of its own image. It asks for the password of
    `{user}`, deletes nothing, and has your image."""
    container, _ = require_version(workspace, 3, RUN_3, FILES)
    path = configuration_path(container)
    if path != NEW or any(path.startswith(each.target) for each in container.mounts):
        found = "The registry reads `{path}`, which is a file of yours."
        todo = "Start it without that file. Every setting in it can be a variable instead."
        raise NotYet("own-file", found=found, next=todo, path=path)
    todo = "Mount the password file. Three variables ask for a password, as in lesson 8."
    _require_locked(workspace, container, todo, make="")
    status = try_deletion(_registry(workspace), workspace.image)
    if status != 405:
        raise NotYet(
            "deletion-on",
            found="Asked to delete what it does not have, it answers {status}, not 405: the file "
            "in its image switches deletion on.",
            next="A variable overrides that. Its name has the path of the setting: `storage`, "
            "`delete`, `enabled`.",
            status=status,
        )
    found = "The registry asks for a password, deletes nothing, and has {digest}."
    return Sentence(found, digest=short(_require_image(workspace, container).digest))


do_without_a_file.solution(serve("registry:3", **AUTH, REGISTRY_STORAGE_DELETE_ENABLED="false"))
do_without_a_file.mistake("a file after all", advice="without that file", reason="own-file")(
    serve_3
)
do_without_a_file.mistake("no password either", advice="Three variables", reason="open")(serve_open)
do_without_a_file.mistake("deletion left on", advice="`enabled`", reason="deletion-on")(
    serve("registry:3", **AUTH)
)


# The registry and its files


def _registry(workspace):
    """Return the registry's API, with the login."""
    return workspace.client(login=workspace.login)


def _config(workspace, text):
    """Write the configuration file; return its path."""
    path = workspace.work / "config.yml"
    path.write_text(text)
    return str(path)


def _require_locked(workspace, container, todo, make=MAKE):
    """Return a sentence about the registry; raise `NotYet` where it asks for no password."""
    if fault := login_fault(workspace, container, workspace.login):
        reason, found = fault
        if make and reason != "open" and (workspace.work / "htpasswd").is_file():
            todo = Sentence("{make}, then {todo}", make=Sentence.of(make), todo=todo)
        raise NotYet(reason, found=found, next=todo)
    values = {"container": container.name, "version": read_version(workspace, container)}
    return Sentence("`{container}` runs registry {version} and asks for a password.", **values)


def _require_image(workspace, container):
    """Return the manifest of the lab's image in registry 3."""
    if _digest(workspace, "latest"):
        return require_pushed(workspace, start=RUN_3, login=workspace.login)
    storage = storage_mount(workspace, container)
    todo = in_order(LOGIN, push_sample_again(workspace))
    if not storage or storage.source != workspace["volume"]:
        todo = Sentence("Start the registry again, but with `{kept}`.", kept=Sentence.of(VOLUME))
    found = "Your image is not in {where}."
    raise NotYet("no-image", found=found, next=todo, where=describe_mount(storage))


def _foreign(workspace):
    """Return the manifests in the repository that are not the lab's own, by their tags."""
    registry, repository = _registry(workspace), workspace.image
    own = registry.manifest(repository, "latest")
    found = {tag: registry.manifest(repository, tag) for tag in registry.tags(repository) or ()}
    return {tag: manifest for tag, manifest in found.items() if manifest and manifest != own}


def _digest(workspace, tag):
    """Return the digest of the image with this tag in the registry, or an empty text."""
    manifest = _registry(workspace).manifest(workspace.image, tag)
    return manifest.digest if manifest else ""
