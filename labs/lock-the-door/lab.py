"""Run a registry that asks for a password, and use it with and without a login."""

import secrets

from labrunner import (
    AUTH,
    Lab,
    NotYet,
    Sentence,
    act,
    client_requests,
    fail_to_run_registry,
    htpasswd,
    in_order,
    last_line,
    login_fault,
    push_with_login,
    refused,
    require_memory,
    require_pushed,
    require_registry,
    run,
    run_registry,
    short,
    tag_as,
    was_started,
)

lab = Lab(
    title="Lock the door",
    images=["registry:2", "busybox:stable", "httpd:2"],
    sample=True,
    values={
        "user": lambda ws: "alice",
        "password": lambda ws: secrets.token_hex(6),
        "second_user": lambda ws: "bob",
        "second_password": lambda ws: secrets.token_hex(6),
    },
)

APP = "apps/internal-app"
NAME = "{registry}/apps/internal-app:latest"
OTHER_HOST = "127.0.0.1:{port}/apps/internal-app:latest"
MAKE = (
    "`mkdir -p auth && docker run --rm --entrypoint htpasswd httpd:2 -Bbn {user} {password} "
    "> auth/htpasswd`"
)
RUN_LOCKED = (
    '`docker run -d -p {port}:5000 --name {name} -v "$PWD/auth:/auth:ro" '
    "-e REGISTRY_AUTH=htpasswd -e REGISTRY_AUTH_HTPASSWD_REALM=my-registry "
    "-e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd {registry_image}`"
)
POWERSHELL = (
    "In Windows PowerShell, write `| Set-Content -Encoding ascii auth/htpasswd` instead of "
    "`> auth/htpasswd`."
)
TAG = "`docker image tag {image} {registry}/apps/internal-app`"
PUSH = "`docker push {registry}/apps/internal-app`"
LOGIN = "`echo {password} | docker login -u {user} --password-stdin {registry}`"
LOGOUT = "`docker logout {registry}`"
REMOVE = "`docker image rm {copies}`"
REMOVE_ONE = "`docker image rm {registry}/apps/internal-app`"
RUN_IT = "`docker run --rm {registry}/apps/internal-app`"

BY_BCRYPT = "alice:$2y$05$GBAxRVp.gsyQjKOy9fRK4.gxAWD6Bx93gy.SKFsCdGmy.p6iRD9V."  # `secret`
BY_MD5 = "alice:$apr1$sFsZqMbn$gRwfbtqZ1dsrvW3x/VEca."
NO_LOGIN = "no basic auth credentials"  # Docker's words; those of skopeo and crane follow
REFUSED = (NO_LOGIN, "authentication required")
OTHER_ERRORS = (  # words in an answer, what they mean, and what to do
    (
        "unable to find image",
        "`{line}` announces a pull.",
        "The error is on the next line, printed by {again}.",
    ),
    (
        "denied",
        "`{line}` is Docker Hub's error for a name without a registry.",
        "Write the full name: {again}.",
    ),
    (
        "does not exist",
        "`{line}` means that your engine has no image with that name.",
        "`docker image tag {image} {registry}/apps/internal-app`, then {again}.",
    ),
    (
        "login attempt",
        "`{line}` is the error of `docker login` for a wrong password.",
        "Do not log in yet: {again}.",
    ),
)


# Acts, for the solutions and mistakes


@act
def run_locked(workspace, text, encoding="ascii"):
    """Run the registry anew with this password file."""
    folder = workspace.work / "auth"
    folder.mkdir(exist_ok=True)
    (folder / "htpasswd").write_text(text, encoding=encoding)
    workspace.run_registry(environment=AUTH, volumes={"/auth:ro": str(folder)})


def remove_copies(workspace):
    for name in _copies(workspace):
        workspace.engine.remove_image(name)


def pull_again(workspace):
    remove_copies(workspace)
    workspace.pull(workspace.ref(APP), workspace.login)


@lab.step(lasting=True, advice=RUN_LOCKED)
def ask_for_a_password(workspace):
    """`{registry}` asks for a password, and lets in `{user}` with `{password}`."""
    container = _require_registry(workspace)
    if fault := login_fault(workspace, container, workspace.login):
        reason, found = fault
        again = _again(container)
        todo = Sentence.joined(again, POWERSHELL) if reason == "encoding" else again
        raise NotYet(reason, found=found, next=todo)
    return "`{registry}` asks for a password, and lets in `{user}`."


ask_for_a_password.solution(lambda ws: run_locked(htpasswd(ws))(ws))
ask_for_a_password.mistake("authentication not switched on", reason="open")(run_registry())
ask_for_a_password.mistake("no realm", reason="exited")(
    fail_to_run_registry(environment={**AUTH, "REGISTRY_AUTH_HTPASSWD_REALM": ""})
)
ask_for_a_password.mistake(
    "no password file, so the registry makes one", advice="> auth/htpasswd", reason="no-user"
)(run_registry(environment=AUTH))
ask_for_a_password.mistake("an MD5 hash", advice=MAKE, reason="hash")(run_locked(BY_MD5))
ask_for_a_password.mistake("a file in UTF-16", advice=POWERSHELL, reason="encoding")(
    run_locked(BY_BCRYPT, encoding="utf-16")
)
ask_for_a_password.mistake("another password", advice=MAKE, reason="other-password")(
    run_locked(BY_BCRYPT)
)


@lab.step(evidence=True)
def be_refused(workspace, answer):
    """You have pushed without a login, and know the error that you get."""
    ask_for_a_password.require(workspace)
    _require_error(answer, again=PUSH)
    _require_refusal(workspace, "That is the error, but `{registry}` has not refused anyone yet.")
    return "`{registry}` has refused your client, and you know the error."


@be_refused.without_answer
def _(workspace):
    ask_for_a_password.require(workspace)
    _require_refusal(workspace, "`{registry}` has not refused anyone yet.")


be_refused.solution(tag_as(NAME), refused("push", NAME))
be_refused.near_miss("not tried", advice=PUSH, reason="not-refused")(NO_LOGIN)
be_refused.near_miss("not tagged", advice=f"{TAG}, then {PUSH}", reason="other-error")(
    refused("push", NAME)
)
be_refused.near_miss(
    "pushed a name without a registry", advice="Write the full name", reason="other-error"
)("denied: requested access to the resource is denied")


@lab.step(lasting=True)
def log_in_and_push(workspace):
    """`{registry}` holds your image `{image}` as `apps/internal-app:latest`."""
    ask_for_a_password.require(workspace)
    manifest = require_pushed(workspace, APP, start=RUN_LOCKED, login=workspace.login)
    name, digest = workspace.ref(APP), short(manifest.digest)
    return Sentence("`{name}` is your image, {digest}.", name=name, digest=digest)


log_in_and_push.solution(remove_copies, push_with_login(NAME))
log_in_and_push.mistake(
    "logged in to another host", advice="--password-stdin 127.0.0.1:{port}", reason="no-login"
)(remove_copies, tag_as(OTHER_HOST), refused("push", OTHER_HOST))
log_in_and_push.mistake(
    "a wrong password", advice="--password-stdin {registry}`, then `docker push", reason="no-login"
)(refused("push", NAME, "wrong"))
log_in_and_push.mistake("logged in, but not pushed", advice=PUSH, reason="not-pushed")(
    refused("pull", "{registry}/nothing:latest", "{password}")
)
log_in_and_push.mistake(
    "pushed elsewhere", advice="`internal-app:latest` may stay", reason="elsewhere"
)(push_with_login("{registry}/internal-app:latest"))
log_in_and_push.mistake("another image under the name", advice="will move", reason="another-image")(
    push_with_login(NAME, "busybox:stable")
)


@lab.step
def run_it(workspace):
    """A container was started from `{registry}/apps/internal-app`, pulled with your login."""
    ask_for_a_password.require(workspace)
    pulled, copies = _was_pulled(workspace), _copies(workspace)
    if pulled and was_started(workspace, workspace.spellings(APP)):
        return "`{registry}/apps/internal-app` was pulled with your login, and then run."
    if pulled:
        require_memory(workspace, RUN_IT)
        reason, todo = "not-run", in_order(RUN_IT)
        found = "The image was pulled, but no container was started by that name."
    elif copies:
        reason, todo = "copy", in_order(REMOVE, RUN_IT)
        found = "The image was not pulled after the push: your engine runs the copy that it had."
    elif _last_status(workspace) == 401:
        reason, todo = "refused", in_order(LOGIN, RUN_IT)
        found = "Your engine has no copy, and the registry refused your client's last request."
    else:
        reason, todo = "not-pulled", in_order(RUN_IT)
        found = "Your engine has no copy, and has not pulled one since the push."
    raise NotYet(reason, found=found, next=todo, copies=" ".join(copies))


run_it.solution(pull_again, run(NAME))
run_it.mistake("run from the copy on the engine", advice=REMOVE_ONE, reason="copy")(run(NAME))
run_it.mistake("pulled, but run by another name", advice=RUN_IT, reason="not-run")(
    pull_again, run("{image}:latest")
)
run_it.mistake("logged out before", advice="--password-stdin {registry}", reason="refused")(
    remove_copies, refused("pull", NAME)
)


@lab.step(evidence=True)
def log_out(workspace, answer):
    """You have logged out and removed your copy. A run is refused, and you know the error."""
    _require_logged_out(workspace)
    _require_error(answer, again=RUN_IT)
    return "Without a login, `{registry}` refuses your client again."


@log_out.without_answer
def _require_logged_out(workspace):
    ask_for_a_password.require(workspace)
    status, copies = _last_status(workspace), _copies(workspace)
    let_in = "The registry let you in when it was last asked."
    if not status:
        let_in = "The registry has not been asked yet."
    if copies:
        found = Sentence("Your engine has `{copy}`, and runs it without asking.", copy=copies[0])
        if status != 401:
            found = Sentence.joined(found, let_in)
        todo = in_order(LOGOUT, REMOVE, RUN_IT)
        raise NotYet("copy", found=found, next=todo, copies=" ".join(copies))
    if status != 401:
        found = Sentence.joined("Your engine has no copy.", let_in)
        raise NotYet("not-refused", found=found, next=in_order(LOGOUT, RUN_IT))


log_out.solution(remove_copies, refused("pull", NAME))
log_out.mistake("still logged in", advice=LOGOUT, reason="copy")(pull_again, NO_LOGIN)
log_out.mistake("the copy still there", advice=REMOVE_ONE, reason="copy")(refused("pull", NAME))
log_out.mistake("not tried", advice=RUN_IT, reason="not-refused")(remove_copies, NO_LOGIN)
log_out.mistake("the line before the error", advice="on the next line", reason="other-error")(
    remove_copies, refused("pull", NAME), f"Unable to find image '{NAME}' locally"
)


@lab.step
def add_a_second_user(workspace):
    """`{registry}` also lets in `{second_user}` with `{second_password}`. It still lets in
    `{user}`, and keeps its images."""
    container = _require_registry(workspace)
    fault = login_fault(workspace, container, second_login(workspace))
    if not fault and login_fault(workspace, container, workspace.login):
        raise NotYet(
            "locked-out",
            found="It lets in `{second_user}`, but no longer `{user}`: the password file has lost "
            "that line.",
            next="Write both lines again. `>` replaces a file, `>>` adds to it.",
        )
    log_in_and_push.require(workspace)  # which asks for the password of the first, too
    if not fault:
        return "`{registry}` lets in `{user}` and `{second_user}`, each with a password."
    reason, found = fault
    raise NotYet(
        reason,
        found=found,
        next="The file needs a line for each user. `htpasswd` makes it, with `-B` for bcrypt. The "
        "registry reads the changed file by itself.",
    )


def write_users(workspace, *lines):
    """Write the password file anew, while the registry runs."""
    (workspace.work / "auth/htpasswd").write_text("".join(lines))


def second_login(workspace):
    return workspace["second_user"], workspace["second_password"]


add_a_second_user.solution(
    lambda ws: write_users(ws, htpasswd(ws), htpasswd(ws, *second_login(ws)))
)
add_a_second_user.mistake("the file replaced", advice="`>>`", reason="locked-out")(
    lambda ws: write_users(ws, htpasswd(ws, *second_login(ws)))
)
add_a_second_user.mistake("an MD5 hash for the second", advice="`-B`", reason="hash")(
    lambda ws: write_users(ws, htpasswd(ws), BY_MD5.replace("alice", ws["second_user"]))
)


# The registry and its password file


def _again(container):
    """Return how to make the password file and the registry again."""
    remove = f"`docker rm -f {container.name}`" if container else ""
    return in_order(MAKE, remove, RUN_LOCKED)


def _require_registry(workspace):
    """Return the registry's container, None where it has none."""
    try:
        start = in_order(MAKE, RUN_LOCKED, stop=False)
        return require_registry(workspace, start=start, login=workspace.login)
    except NotYet as failure:
        if failure.reason == "no-container-serves":
            return None
        raise


# What clients asked, and what they were told


def _require_refusal(workspace, found):
    """Raise `NotYet`, with what was found, where no client was refused."""
    if not any(request.status == 401 for request in client_requests(workspace)):
        todo = Sentence("See it yourself: {todo}", todo=in_order(LOGOUT, TAG, PUSH))
        raise NotYet("not-refused", found=found, next=todo)


def _last_status(workspace):
    """Return the status of the last request, None where there is none. A push or pull that succeeds
    may begin with a 401, but does not end with it."""
    asked = client_requests(workspace)
    return asked[-1].status if asked else None


def _was_pulled(workspace):
    """Return whether a client has read the manifest since it was last pushed."""
    asked = [each for each in client_requests(workspace) if f"/{APP}/manifests/" in each.path]
    done = [each.method for each in asked if each.status < 300]
    return bool(done) and done[-1] != "PUT"


def _require_error(answer, again):
    """Raise `NotYet` where the answer is not the error of a missing login."""
    said = answer.lower()
    if any(words in said for words in REFUSED):
        return
    found, todo = "Your answer is not that error.", "Submit the error that is printed by {again}."
    for words, meaning, advice in OTHER_ERRORS:
        if words in said:
            found, todo = meaning, advice
            break
    todo = Sentence(todo, again=Sentence.of(again))
    raise NotYet("other-error", found=found, next=todo, line=last_line(answer))


def _copies(workspace):
    """Return the names that the image has on the engine, without the tag."""
    names = filter(workspace.engine.image, workspace.spellings(APP))
    return [name.removesuffix(":latest") for name in names]
