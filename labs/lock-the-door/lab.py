"""Run a registry that asks for a password, and use it with a login and without."""

import re
import secrets

from labrunner import LOOPBACK, RUN, CannotCheck, Lab, NotARegistry, NotYet, RegistryDown, parse

lab = Lab(title="Lock the door", images=["registry:2", "busybox:stable", "httpd:2"], sample=True)

APP = "apps/internal-app"
USER = "alice"
MAKE = (
    "`mkdir -p auth && docker run --rm --entrypoint htpasswd httpd:2 "
    f"-Bbn {USER} {{password}} "
    "> auth/htpasswd`"
)
RUN_LOCKED = (
    '`docker run -d -p {port}:5000 --name {name} -v "$PWD/auth:/auth:ro" '
    "-e REGISTRY_AUTH=htpasswd -e REGISTRY_AUTH_HTPASSWD_REALM=my-registry "
    "-e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd registry:2`"
)
POWERSHELL = (
    "In Windows PowerShell, write `| Set-Content -Encoding ascii auth/htpasswd` for "
    "`> auth/htpasswd`."
)
TAG = f"`docker image tag {{image}} {{registry}}/{APP}`"
PUSH = f"`docker push {{registry}}/{APP}`"
LOGIN = f"`echo {{password}} | docker login -u {USER} --password-stdin {{registry}}`"
LOGOUT = "`docker logout {registry}`"
REMOVE = f"`docker image rm {{registry}}/{APP}`"
RUN_IT = f"`docker run --rm {{registry}}/{APP}`"

PANIC = re.compile(r"panic: unable to configure authorization \(.*?\): (.*)")
BCRYPT = re.compile(r"\$2[aby]\$")
BY_HAND = ("curl/", "Mozilla/", "Wget/")
REFUSED = ("no basic auth credentials", "authentication required")  # Docker; skopeo, crane
OTHER_ERRORS = (  # words in an answer, what they mean, and what to do before trying again
    ("unable to find image", "announces a pull", "The error is in the next line that comes from "),
    ("denied", "is Docker Hub's, for a name that begins with no registry", "Write the full name: "),
    ("does not exist", "means that your engine has no image of that name", f"{TAG}, then "),
    ("login attempt", "is what `docker login` says to a wrong password", "Do not log in yet: "),
)


@lab.value
def user(workspace):
    return USER


@lab.value
def password(workspace):
    return secrets.token_hex(6)


@lab.step(lasting=True)
def ask_for_a_password(workspace):
    """`{registry}` asks for a user and a password, and opens to `alice` with `{password}`."""
    expected = workspace.fill(
        f"`{{registry}}` answers 401 without a password, and opens to `{USER}` with `{{password}}`."
    )
    try:
        asked = workspace.api.ping()
    except (RegistryDown, NotARegistry) as wrong:
        if found := _panicked(workspace):
            raise NotYet(expected=expected, found=found, next=_anew(workspace)) from None
        make = workspace.fill(f"{MAKE}, then {RUN_LOCKED}")
        todo = wrong.next.replace(workspace.fill(RUN), make)
        raise NotYet(expected=expected, found=wrong.found, next=todo) from None
    challenge, found, todo = asked.headers.get("WWW-Authenticate", ""), "", _anew(workspace)
    if asked.status == 200:
        found = "It opens to everybody, without a password."
    elif not challenge.lower().startswith("basic"):
        found = f"Its challenge is `{challenge}`; with a password file it would be `Basic`."
    elif not _opens(workspace, workspace["password"]):
        data = _password_file(workspace)
        found = _why_shut(workspace, data)
        if encoding := _encoding(data):
            found = f"The password file is in {encoding}. The registry needs plain ASCII."
            todo += f" {POWERSHELL}"
    elif _opens(workspace, f"not-{workspace['password']}"):
        found = "It opens with any password."
    if found:
        raise NotYet(expected=expected, found=found, next=todo)
    return f"`{workspace.registry}` asks for a password, and knows `{USER}`."


@ask_for_a_password.solution
def _(workspace):
    _run_locked(workspace, _htpasswd(workspace, "-Bbn"))


@ask_for_a_password.mistake("authentication not switched on", advice="-e REGISTRY_AUTH=htpasswd")
def _(workspace):
    workspace.run_registry()


@ask_for_a_password.mistake("no realm", advice="-e REGISTRY_AUTH_HTPASSWD_REALM=")
def _(workspace):
    settings = {**SETTINGS, "REGISTRY_AUTH_HTPASSWD_REALM": ""}
    ports = {5000: workspace.port}
    container = workspace.run("registry:2", name=workspace.name, ports=ports, environment=settings)
    workspace.engine.wait(container)


@ask_for_a_password.mistake("no password file, so the registry makes one", advice="> auth/htpasswd")
def _(workspace):
    workspace.run_registry(environment=SETTINGS)


@ask_for_a_password.mistake("an MD5 hash", advice="htpasswd httpd:2 -Bbn alice {password}")
def _(workspace):
    _run_locked(workspace, _htpasswd(workspace, "-mbn"))


@ask_for_a_password.mistake("a file in UTF-16", advice="Set-Content -Encoding ascii")
def _(workspace):
    _run_locked(workspace, _htpasswd(workspace, "-Bbn"), encoding="utf-16")


@ask_for_a_password.mistake("another password", advice="-Bbn alice {password}")
def _(workspace):
    _run_locked(workspace, _htpasswd(workspace, "-Bbn", password="secret"))  # noqa: S106


@lab.step
def be_refused(workspace, answer):
    """You have pushed without a login, and know the error by which you are refused."""
    ask_for_a_password.check(workspace)
    expected = "The error of a push without a login."
    _read_error(workspace, answer, expected, again=PUSH)
    if not any(request.status == 401 for request in _by_clients(workspace)):
        raise NotYet(
            expected=expected,
            found=workspace.fill("That is the error, but `{registry}` has refused nobody so far."),
            next=workspace.fill(f"Meet it yourself: {LOGOUT}, then {TAG}, then {PUSH}."),
        )
    return workspace.fill("`{registry}` has refused your client, and you know its words.")


@be_refused.solution
def _(workspace):
    workspace.tag(workspace.sample, _name(workspace))
    return _refused(workspace, workspace.push)


@be_refused.near_miss("not tried", advice=PUSH)
def _(workspace):
    return "no basic auth credentials"


@be_refused.near_miss("not tagged", advice=f"{TAG}, then {PUSH}")
def _(workspace):
    return _refused(workspace, workspace.push)


@be_refused.near_miss("pushed a name without a registry", advice=f"Write the full name: {PUSH}")
def _(workspace):
    return "denied: requested access to the resource is denied"


@lab.step(lasting=True)
def log_in_and_push(workspace):
    """`{registry}` holds your image as `apps/internal-app:latest`."""
    ask_for_a_password.check(workspace)
    expected = workspace.fill(f"`{{registry}}` holds your image `{{image}}` as `{APP}:latest`.")
    client = workspace.client(login=_login(workspace))
    retag = workspace.fill(f"{TAG}, then {PUSH}.")
    manifest = client.manifest(APP, "latest")
    if manifest and workspace.sample in manifest.ids:
        return f"`{_name(workspace)}` is your image, `{manifest.digest[:19]}…`."
    if manifest:
        raise NotYet(
            expected=expected,
            found=f"`{APP}:latest` is another image there, `{manifest.digest[:19]}…`.",
            next=f"{retag} The tag will move.",
        )
    if place := _elsewhere(workspace, client):
        raise NotYet(
            expected=expected,
            found=f"The registry has your image, but as `{place}`.",
            next=f"{retag} `{place}` may stay.",
        )
    named = _copies(workspace)
    if not named:
        raise NotYet(expected=expected, found=_slip(workspace), next=retag)
    host, push = named[0].partition("/")[0], f"`docker push {named[0]}`."
    if _last_was_refused(workspace):
        raise NotYet(
            expected=expected,
            found=f"The registry refused your client's last request: it came without a login for "
            f"`{host}`, or with a wrong one. A login counts for a host as it is written.",
            next=f"{workspace.fill(LOGIN).replace(workspace.registry, host)}, then {push}",
        )
    raise NotYet(
        expected=expected,
        found=f"`{named[0]}` is a name on your engine, but the registry has no such image.",
        next=push,
    )


@log_in_and_push.solution
def _(workspace):
    _push(workspace, _name(workspace))


@log_in_and_push.mistake("logged in to another host", advice="--password-stdin 127.0.0.1:{port}")
def _(workspace):
    other = _name(workspace).replace("localhost", "127.0.0.1")
    workspace.tag(workspace.sample, other)
    workspace.engine.remove_image(_name(workspace))
    _refused(workspace, workspace.push, other)


@log_in_and_push.mistake("a wrong password", advice=f"{LOGIN}, then {PUSH}")
def _(workspace):
    wrong = (USER, "wrong")
    _refused(workspace, lambda name: workspace.push(name, login=wrong))


@log_in_and_push.mistake("logged in, but not pushed", advice=PUSH)
def _(workspace):
    nothing = f"{workspace.registry}/nothing:latest"
    _refused(workspace, lambda name: workspace.pull(name, login=_login(workspace)), nothing)


@log_in_and_push.mistake("pushed elsewhere", advice="`internal-app:latest` may stay")
def _(workspace):
    _push(workspace, f"{workspace.registry}/internal-app:latest")


@log_in_and_push.mistake("another image under the name", advice="The tag will move")
def _(workspace):
    _push(workspace, _name(workspace), image="busybox:stable")


@lab.step
def run_it(workspace):
    """A container was started from `{registry}/apps/internal-app`, pulled with your login."""
    ask_for_a_password.check(workspace)
    expected = workspace.fill(run_it.goal)
    if _pulled(workspace) and _started(workspace):
        return workspace.fill(f"`{{registry}}/{APP}` was pulled with your login, and run.")
    copies, todo = _copies(workspace), RUN_IT
    if _pulled(workspace):
        found = "It was pulled, but no container was started from that name."
    elif copies:
        found = "It was not pulled since the push: what runs is the copy that your engine had."
        todo = f"`docker image rm {' '.join(copies)}`, then {RUN_IT}"
    elif _last_was_refused(workspace):
        found = "Your engine has no copy, and the registry refused your client's last request."
        todo = f"{LOGIN}, then {RUN_IT}"
    else:
        found = "Your engine has no copy, and has not pulled it since the push."
    raise NotYet(expected=expected, found=found, next=workspace.fill(f"{todo}."))


@run_it.solution
def _(workspace):
    _pull_again(workspace)
    workspace.run_to_end(_name(workspace))


@run_it.mistake("run from the copy that was there", advice=REMOVE)
def _(workspace):
    workspace.run_to_end(_name(workspace))


@run_it.mistake("pulled, but run by another name", advice=RUN_IT)
def _(workspace):
    _pull_again(workspace)
    workspace.run_to_end(f"{workspace.image}:latest")


@run_it.mistake("logged out before", advice=LOGIN)
def _(workspace):
    workspace.engine.remove_image(_name(workspace))
    _refused(workspace, workspace.pull)


@lab.step
def log_out(workspace, answer):
    """You have logged out and removed your copy; a run is refused, and you know the error."""
    ask_for_a_password.check(workspace)
    expected = "The error of a run without a login, and without a copy on your engine."
    refused, copies = _last_was_refused(workspace), _copies(workspace)
    if copies:
        let_in = "" if refused else " When the registry was last asked, it let you in."
        todo = f"{LOGOUT}, then `docker image rm {' '.join(copies)}`, then {RUN_IT}."
        raise NotYet(
            expected=expected,
            found=f"Your engine has `{copies[0]}`, and runs it without asking.{let_in}",
            next=workspace.fill(todo),
        )
    if not refused:
        raise NotYet(
            expected=expected,
            found="Your engine has no copy, but when the registry was last asked, it let you in.",
            next=workspace.fill(f"{LOGOUT}, then {RUN_IT}."),
        )
    _read_error(workspace, answer, expected, again=RUN_IT)
    return workspace.fill("Without a login, `{registry}` refuses your client again.")


@log_out.solution
def _(workspace):
    workspace.engine.remove_image(_name(workspace))
    return _refused(workspace, workspace.pull)


@log_out.mistake("still logged in", advice=LOGOUT)
def _(workspace):
    _pull_again(workspace)
    return "no basic auth credentials"


@log_out.near_miss("the copy still there", advice=REMOVE)
def _(workspace):
    return _refused(workspace, workspace.pull)


@log_out.mistake("not tried", advice=RUN_IT)
def _(workspace):
    workspace.engine.remove_image(_name(workspace))
    return "no basic auth credentials"


@log_out.mistake("the announcement for the error", advice="The error is in the next line")
def _(workspace):
    workspace.engine.remove_image(_name(workspace))
    _refused(workspace, workspace.pull)
    return f"Unable to find image '{_name(workspace)}' locally"


# The registry and its password file

SETTINGS = {
    "REGISTRY_AUTH": "htpasswd",
    "REGISTRY_AUTH_HTPASSWD_REALM": "my-registry",
    "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
}


def _login(workspace):
    return USER, workspace["password"]


def _opens(workspace, password):
    client = workspace.client(login=(USER, password))
    return client.request("GET", "").status == 200


def _anew(workspace):
    """How to make the password file and the registry anew."""
    container = workspace.registry_container()
    remove = f"`docker rm -f {container.name}`, then " if container else ""
    return workspace.fill(f"{MAKE}, then {remove}{RUN_LOCKED}.")


def _panicked(workspace):
    """Why the registry could not set up its authentication and exited, if that is what it did."""
    container = workspace.registry_container()
    if not container or container.running:
        return None
    said = PANIC.search(workspace.engine.logs(container.id))
    return said and f"The container `{container.name}` exited: `{said[1].strip()}`."


def _password_file(workspace):
    container = workspace.registry_container()
    path = container.environment.get("REGISTRY_AUTH_HTPASSWD_PATH") if container else None
    return workspace.engine.read_file(container.id, path) if container and path else None


def _encoding(data):
    """What is not ASCII: both are what Windows PowerShell writes."""
    if data and b"\0" in data:
        return "UTF-16"
    return "UTF-8 with a byte order mark" if data and data.startswith(b"\xef\xbb\xbf") else None


def _why_shut(workspace, data):
    """Why the registry does not open to the learner, as its password file tells."""
    if data is None:
        return f"It does not open to `{USER}`, and has no password file that can be read."
    lines = [line for line in data.decode(errors="replace").splitlines() if ":" in line]
    hashes = dict(line.strip().partition(":")[::2] for line in lines)
    if USER not in hashes:
        others = ", ".join(f"`{each}`" for each in hashes) or "nobody"
        made = " The registry makes up `docker` where the file is missing."
        return f"The password file has no user `{USER}`, but {others}.{made * ('docker' in hashes)}"
    if not BCRYPT.match(hashes[USER]):
        return (
            f"The hash in the password file begins `{hashes[USER][:6]}`. The registry takes "
            "bcrypt only; `htpasswd` makes it with `-B`, and it begins `$2y$`."
        )
    return f"The hash in the password file is of another password than `{workspace['password']}`."


def _htpasswd(workspace, options, password=None):
    words = [options, USER, password or workspace["password"]]
    return workspace.run_to_end("httpd:2", words, entrypoint=["htpasswd"])


def _run_locked(workspace, text, encoding="ascii"):
    folder = workspace.work / "auth"
    folder.mkdir(exist_ok=True)
    (folder / "htpasswd").write_text(text, encoding=encoding)
    workspace.run_registry(environment=SETTINGS, volumes={"/auth:ro": str(folder)})


# What clients asked, and what they were told


def _by_clients(workspace):
    """The requests of clients that push and pull: neither ours nor those of a browser."""
    requests = workspace.requests()
    if not requests:  # not even those of the check itself
        raise CannotCheck(
            f"The log of `{workspace.registry}` is out of reach, and with it who was refused.",
            next="Run the registry in a container of `registry:2`, as the lesson shows.",
        )
    return [each for each in requests if each.agent and not each.agent.startswith(BY_HAND)]


def _last_was_refused(workspace):
    """A push or pull that succeeds may begin with a 401, but does not end with it."""
    asked = _by_clients(workspace)
    return bool(asked) and asked[-1].status == 401


def _pulled(workspace):
    """Whether a client has read the manifest since it was last pushed."""
    asked = [each for each in _by_clients(workspace) if f"/{APP}/manifests/" in each.path]
    done = [each.method for each in asked if each.status < 300]
    return bool(done) and done[-1] != "PUT"


def _read_error(workspace, answer, expected, again):
    """Raise `NotYet` where the answer is not the error of a missing login."""
    said = answer.lower()
    if any(words in said for words in REFUSED):
        return
    found, todo = "Your answer is not that error.", "Submit the error that comes from "
    for words, meaning, before in OTHER_ERRORS:
        if words in said:
            found, todo = f"`{answer.splitlines()[-1]}` {meaning}.", before
            break
    raise NotYet(expected=expected, found=found, next=workspace.fill(f"{todo}{again}."))


def _refused(workspace, act, name=None):
    """Push or pull what is to fail; the engine's error."""
    try:
        act(name or _name(workspace))
    except CannotCheck as error:
        return error.found
    raise AssertionError("The registry let it in.")


# Images


def _name(workspace):
    return f"{workspace.registry}/{APP}:latest"


def _names(workspace):
    """All spellings of the name: a registry on loopback has three hosts."""
    return [f"{host}:{workspace.port}/{APP}" for host in LOOPBACK]


def _copies(workspace):
    return [name for name in _names(workspace) if workspace.engine.image(name)]


def _slip(workspace):
    """What the image is called instead."""
    image = workspace.engine.image(workspace.sample)
    for name in image.tags if image else ():
        if name != f"{workspace.image}:latest":
            wrong = parse(name)
            return (
                f"Your image has the name `{name}`: the registry `{wrong.registry}`, the "
                f"repository `{wrong.repository}`, the tag `{wrong.tag}`."
            )
    return workspace.fill(f"Your engine has no image of the name `{{registry}}/{APP}`.")


def _elsewhere(workspace, client):
    """The repository and tag, other than the wanted, under which the registry has the image."""
    for repository in [APP, *client.repositories()][:50]:
        for tag in client.tags(repository) or ():
            manifest = client.manifest(repository, tag)
            if manifest and workspace.sample in manifest.ids:
                return f"{repository}:{tag}"
    return None


def _push(workspace, name, image=None):
    workspace.tag(image or workspace.sample, name)
    workspace.push(name, login=_login(workspace))


def _pull_again(workspace):
    workspace.engine.remove_image(_name(workspace))
    workspace.pull(_name(workspace), login=_login(workspace))


def _started(workspace):
    """Whether a container was: an event tells, or the container that was kept."""
    names = {full for name in _names(workspace) for full in (name, f"{name}:latest")}
    since, now = workspace.record.opened, workspace.engine.info().time
    events = workspace.engine.events(since, now, type="container", event="start")
    images = [event.attributes.get("image") for event in events]
    images += [each.image for each in workspace.engine.containers() if each.state != "created"]
    return any(image in names for image in images)
