"""Run a registry with TLS and a password, first by itself, then behind a reverse proxy."""

import re
import secrets

from labrunner import (
    AUTH,
    STORAGE,
    TLS_SETTINGS,
    Lab,
    NotYet,
    OtherScheme,
    Passed,
    Sentence,
    act,
    build_another,
    certificate_fault,
    days_left,
    describe_state,
    exposure,
    fail_to_run_registry,
    hiding_fault,
    holds_other_certificate,
    in_order,
    issue,
    issue_certificate,
    listed,
    login_fault,
    megabytes,
    own_bytes,
    push_with_login,
    refused,
    require_kept,
    require_proxied_registry,
    require_pushed,
    restart_proxy,
    runs_registry,
    short,
    start_behind_proxy,
    start_in_network,
    tag_as,
    upload_fault,
    wait_until_refused,
    with_files,
    write_password_file,
)

LARGE = 2 << 20  # bytes of the large image's own layer
LIMIT = 1 << 20  # bytes that nginx lets pass unless it is told otherwise
LONG = 300  # days that a certificate for a year is valid at least

lab = Lab(
    title="Serve a team",
    images=["registry:3", "busybox:stable", "httpd:2", "nginx:latest"],
    sample=True,
    values={
        "user": lambda ws: "alice",
        "password": lambda ws: secrets.token_hex(6),
        "volume": lambda ws: ws.unused("registry-data"),
        "network": lambda ws: ws.unused("lab-network"),
        "proxy": lambda ws: ws.unused("proxy"),
        "large_image": lambda ws: ws.unused("large-image"),
    },
)
lab.setup(build_another("{large_image}", LARGE))

APP = "team/app"
FIRST_NAME, SECOND_NAME = "{registry}/team/app:1.0", "{registry}/team/app:2.0"
NAMES = ("DNS:localhost", "IP:127.0.0.1")
TEAM_AUTH = {**AUTH, "REGISTRY_AUTH_HTPASSWD_REALM": "team"}
CERTS = '-v "$PWD/certs:/certs:ro"'
KEEP = '-v {volume}:/var/lib/registry -v "$PWD/auth:/auth:ro"'
AUTH_WORDS = " ".join(f"-e {name}={value}" for name, value in TEAM_AUTH.items())
TLS_WORDS = " ".join(f"-e {name}={value}" for name, value in TLS_SETTINGS.items())
RUN = "`docker run -d -p {port}:5000 --name {name} "
RUN_TLS = f"{RUN}{CERTS} {TLS_WORDS} registry:3`"
RUN_BOTH = f"{RUN}{KEEP} {CERTS} {TLS_WORDS} {AUTH_WORDS} registry:3`"
RUN_BEHIND = f"`docker run -d --name {{name}} --network {{network}} {KEEP} {AUTH_WORDS} registry:3`"
RUN_PROXY = (
    "`docker run -d -p {port}:443 --name {proxy} --network {network} "
    f'-v "$PWD/proxy:/etc/nginx/conf.d:ro" {CERTS} nginx`'
)
MAKE = "`docker run --rm --entrypoint htpasswd httpd:2 -Bbn {user} {password} > auth/htpasswd`"
RIGHT_NAMES = '-addext "subjectAltName=DNS:localhost,IP:127.0.0.1"'
CERTIFY = (
    f"`openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost {RIGHT_NAMES} "
    "-keyout certs/registry.key -out certs/registry.crt`"
)
FILES = {  # that the commands mount, and how each is made
    "certs/registry.crt": CERTIFY,
    "auth/htpasswd": MAKE,
    "proxy/registry.conf": Sentence("write `proxy/registry.conf` as in the step that starts nginx"),
}
LISTEN = Sentence("In `proxy/registry.conf`, write `listen 443 ssl;` and both `ssl_certificate…`")
HOST = "proxy_set_header Host $http_host;"
SCHEME = "proxy_set_header X-Forwarded-Proto $scheme;"
OTHER_FILE = "The one in `certs/registry.crt` is another."
NO_LIMIT = "client_max_body_size 0;"
RELOAD = "`docker exec {proxy} nginx -s reload`"
ANEW = "Begin a new upload as the step shows, and submit its whole line `Location:`."
UPLOAD = re.compile(
    r"(?P<place>https?://[^/\s]*)?/v2/(?P<path>[\w./-]+/blobs/uploads/[\w.~%=?&:+-]+)", re.ASCII
)


# Acts, for the solutions and mistakes


@act
def serve(workspace, *settings, names=NAMES):
    """Run the registry by itself, with a certificate for these names."""
    issue_certificate(workspace.work, *names)
    environment = {name: value for each in settings for name, value in each.items()}
    workspace.run_registry("registry:3", environment=environment, volumes=_volumes(workspace))


@act
def hide(workspace, **options):
    """Run the registry in the lab's network."""
    volumes = _volumes(workspace)
    start_in_network(workspace, "registry:3", environment=TEAM_AUTH, volumes=volumes, **options)


@act
def serve_behind(workspace, *lines, listen="443 ssl", settings=TEAM_AUTH, volume="", **options):
    """Run the registry in the lab's network, behind an nginx with these lines for all it gets."""
    issue_certificate(workspace.work, *NAMES)
    how = {"environment": settings, "volumes": _volumes(workspace, volume), **options}
    start_behind_proxy(workspace, "registry:3", _configuration(workspace, listen, lines), **how)


def ask_for_upload(workspace):
    """Begin an upload; return where the registry wants it, as `Location`."""
    answer = _client(workspace).request("POST", f"{APP}/blobs/uploads/")
    return f"Location: {answer.headers['Location']}"


def _volumes(workspace, volume=""):
    write_password_file(workspace, "auth/htpasswd")
    (workspace.work / "certs").mkdir(exist_ok=True)
    folders = {f"/{name}:ro": str(workspace.work / name) for name in ("auth", "certs")}
    return {STORAGE: volume or workspace["volume"], **folders}


def _configuration(workspace, listen, lines):
    """Return nginx's, as on the page."""
    certificate = "ssl_certificate /certs/registry.crt;\nssl_certificate_key /certs/registry.key;\n"
    passed_on = "\n".join([f"proxy_pass http://{workspace.name}:5000;", *lines])
    return f"server {{\nlisten {listen};\n{certificate}location / {{\n{passed_on}\n}}\n}}\n"


@lab.step
def serve_tls(workspace):
    """`{registry}` speaks TLS, with a certificate for `localhost` and `127.0.0.1`."""
    _, front, shown = _require_tls(workspace, RUN_TLS)
    if holds_other_certificate(workspace.work / "certs/registry.crt", shown):
        found = "The registry shows the certificate that it read when it started."
        found, todo = Sentence.joined(found, OTHER_FILE), f"`docker restart {front.name}`"
        raise NotYet("other-certificate", found=found, next=in_order(todo))
    return "`{registry}` speaks TLS, with a certificate for `localhost` and `127.0.0.1`."


serve_tls.solution(serve(TLS_SETTINGS))
serve_tls.mistake("plain HTTP", reason="plain-http", advice=TLS_WORDS)(serve({}))
serve_tls.mistake("for another name", reason="other-names", advice=RIGHT_NAMES)(
    serve(TLS_SETTINGS, names=["DNS:registry.lab"])
)
serve_tls.mistake("made again", reason="other-certificate", advice="docker restart {name}")(
    serve(TLS_SETTINGS), issue(*NAMES)
)
serve_tls.mistake("the folder not mounted", reason="exited", advice="docker logs {name}")(
    fail_to_run_registry("registry:3", environment=TLS_SETTINGS)
)


@lab.step(advice=TLS_WORDS)
def serve_both(workspace):
    """`{registry}` speaks TLS, opens to `{user}` with `{password}` only, and has a named volume."""
    container, front = _require_private(workspace)
    if runs_registry(workspace.engine, container):  # not a proxy that asks for it itself
        require_kept(workspace, container, _again(workspace, container, front))
    return "`{registry}` speaks TLS, and asks for the password of `{user}`."


serve_both.solution(serve(TLS_SETTINGS, TEAM_AUTH))
serve_both.mistake("TLS without a password", reason="open", advice="-e REGISTRY_AUTH=htpasswd")(
    serve(TLS_SETTINGS)
)
serve_both.mistake("a password without TLS", reason="plain-http")(serve(TEAM_AUTH))


@lab.step(advice="docker push {registry}/team/app:1.0")
def log_in_and_push(workspace):
    """`{registry}` holds your image `{image}` as `team/app:1.0`."""
    _require_private(workspace)
    manifest = _require_pushed(workspace, "1.0")
    found = "`{registry}/team/app:1.0` is your image, {digest}."
    return Sentence(found, digest=short(manifest.digest))


log_in_and_push.solution(push_with_login(FIRST_NAME))
log_in_and_push.mistake(
    "a wrong password", reason="no-login", advice="--password-stdin {registry}"
)(tag_as(FIRST_NAME), refused("push", FIRST_NAME, "wrong"))
log_in_and_push.mistake("tagged, but not pushed", reason="not-pushed")(tag_as(FIRST_NAME))
log_in_and_push.mistake("pushed under another name", reason="elsewhere")(
    push_with_login("{registry}/app:1.0")
)
log_in_and_push.mistake("another image under the name", reason="another-image")(
    push_with_login(FIRST_NAME, "busybox:stable")
)


@lab.step(advice=RUN_BEHIND)
def take_it_off_the_port(workspace):
    """`{name}` runs the registry in the network `{network}`, and publishes no port."""
    container = workspace.engine.container(workspace.name)
    start = with_files(workspace, RUN_BEHIND, FILES)
    if not container:
        found = "There is no container `{name}`."
        raise NotYet("no-container", found=found, next=in_order(start))
    if not container.running:
        state = describe_state(workspace.engine, container, start)
        raise NotYet(state.reason, found=state.found, next=state.next)
    if fault := hiding_fault(workspace, container):
        reason, found = fault
        raise NotYet(reason, found=found, next=in_order("`docker rm -f {name}`", start))
    found = "`{container}` is in {networks}, and publishes no port."
    return Sentence(found, container=container.name, networks=listed(container.addresses))


take_it_off_the_port.solution(hide())
take_it_off_the_port.mistake("published as before", reason="published")(hide(ports={5000: None}))
take_it_off_the_port.mistake("in the network of all", reason="no-network")(hide(network="bridge"))
take_it_off_the_port.mistake("only removed", reason="no-container")(
    lambda ws: ws.remove_own(ws.name, ws.port)
)


@lab.step(lasting=True, advice=RUN_BEHIND)
def put_nginx_in_front(workspace):
    """A proxy speaks TLS on `{registry}`. The registry behind it still asks for the password, still
    has your image, and publishes no port."""
    container, front = _require_private(workspace, alone="")
    if runs_registry(workspace.engine, front):
        found = "The registry itself answers: `{container}` publishes {port}."
        todo = in_order(f"`docker rm -f {front.name}`", RUN_BEHIND, RUN_PROXY)
        raise NotYet("no-proxy", found=found, next=todo, container=front.name)
    if container.id != front.id and (fault := exposure(container)):
        reason, found = fault
        raise NotYet(reason, found=found, next=_again(workspace, container, front))
    manifest = _client(workspace).manifest(APP, "1.0")
    if not manifest or not workspace.is_sample(manifest, APP, _client(workspace)):
        found = "The registry behind the proxy does not have your image as `team/app:1.0`."
        again = _again(workspace, container, front)
        todo = Sentence("Give it the volume with your images: {again}", again=again)
        raise NotYet("no-image", found=found, next=todo)
    found = "`{front}` speaks TLS on `{registry}`, with `{container}` behind it."
    found = Sentence(found, front=front.name, container=container.name)
    return Passed(found, (take_it_off_the_port.id,))


put_nginx_in_front.solution(serve_behind())
put_nginx_in_front.mistake("nginx without TLS", reason="plain-http", advice="`listen 443 ssl;`")(
    serve_behind(listen="443")
)
put_nginx_in_front.mistake("the password forgotten", reason="open")(serve_behind(settings={}))
put_nginx_in_front.mistake("the registry published as well", reason="published")(
    serve_behind(ports={5000: None})
)
put_nginx_in_front.mistake("the registry speaks TLS, too", reason="tls-behind")(
    serve_behind(settings={**TEAM_AUTH, **TLS_SETTINGS})
)
put_nginx_in_front.mistake("without the images", reason="no-image", advice=KEEP)(
    serve_behind(volume="{volume}-x")
)


@lab.step(advice=HOST)
def follow_the_location(workspace, answer):
    """Behind the proxy, the registry sends uploads to `https://{registry}`."""
    told = list(UPLOAD.finditer(answer))
    if len(told) != 1:
        found = "Your answer has no address of an upload, or more than one."
        todo: str = "Submit one line that begins with `Location:`, the one that a push can follow."
        raise NotYet("no-location", found=found, next=todo)
    put_nginx_in_front.require(workspace)
    now = _client(workspace).request("GET", told[0]["path"])
    if now.status != 204:
        found = "`{registry}` has no such upload; it answers {status}."
        raise NotYet("no-upload", found=found, next=ANEW, status=now.status)
    place = UPLOAD.match(now.headers.get("Location", "")) or told[0]
    if fault := upload_fault(workspace, place["place"] or ""):
        todo = "Write `{host}` and `{scheme}` into `proxy/headers.conf`, then {again}"
        todo = Sentence(todo, host=HOST, scheme=SCHEME, again=in_order(RELOAD))
        raise NotYet(fault[0], found=fault[1], next=Sentence.joined(todo, ANEW))
    if upload_fault(workspace, told[0]["place"] or ""):
        found = "Clients cannot follow your line. By now, the registry sends uploads elsewhere."
        raise NotYet("old-location", found=found, next=ANEW)
    return "The registry sends uploads to `https://{registry}`, where the proxy takes them."


follow_the_location.without_answer(put_nginx_in_front.require)
follow_the_location.solution(serve_behind(HOST, SCHEME), ask_for_upload)
follow_the_location.mistake("no headers", reason="other-host")(serve_behind(), ask_for_upload)
follow_the_location.mistake("a host without its port", reason="other-host")(
    serve_behind("proxy_set_header Host $host;", SCHEME), ask_for_upload
)
follow_the_location.mistake("no scheme", reason="other-scheme", advice=SCHEME)(
    serve_behind(HOST), ask_for_upload
)
follow_the_location.near_miss(
    "an upload that was made up", reason="no-upload", advice="as the step"
)("Location: https://{registry}/v2/team/app/blobs/uploads/1?_state=2")
follow_the_location.near_miss("another line", reason="no-location", advice="begins with `Location")(
    "HTTP/1.1 202 Accepted"
)
follow_the_location.near_miss("both lines", reason="no-location", advice="one line")(
    f"/v2/{APP}/blobs/uploads/1 /v2/{APP}/blobs/uploads/2"
)


@lab.step(lasting=True, advice="docker push {registry}/team/app:2.0")
def let_layers_through(workspace):
    """Through the proxy, `{registry}` has received your image `{large_image}` as `team/app:2.0`."""
    put_nginx_in_front.require(workspace)
    first = _client(workspace).manifest(APP, "1.0")
    second = _require_pushed(
        workspace,
        "2.0",
        image=workspace["large_image"],
        is_right=lambda manifest: own_bytes(manifest, first) > LIMIT,
    )
    found = "`{registry}/team/app:2.0` is there, with {own} of its own."
    return Sentence(found, own=megabytes(own_bytes(second, first)))


let_layers_through.solution(
    serve_behind(HOST, SCHEME, NO_LIMIT), push_with_login(SECOND_NAME, "{large_image}")
)
let_layers_through.mistake("nginx's own limit", reason="too-large", advice="client_max_body_size")(
    tag_as(SECOND_NAME, "{large_image}"), refused("push", SECOND_NAME, "{password}")
)
let_layers_through.mistake("the headers lost", reason="other-scheme", advice=SCHEME)(
    serve_behind(HOST, NO_LIMIT),
    tag_as(SECOND_NAME, "{large_image}"),
    refused("push", SECOND_NAME, "{password}"),
    lambda ws: wait_until_refused(ws, 400, f"/{APP}/blobs/"),
)
let_layers_through.mistake("the limit raised, but not pushed", reason="not-pushed")(
    serve_behind(HOST, SCHEME, NO_LIMIT), tag_as(SECOND_NAME, "{large_image}")
)
let_layers_through.mistake("the small image", reason="another-image", advice="tag {large_image}")(
    push_with_login(SECOND_NAME)
)


@lab.step
def renew_the_certificate(workspace):
    """The proxy on `{registry}` shows a certificate for `localhost` and `127.0.0.1` that is valid
    for another 300 days or more."""
    _, _, shown = _require_tls(workspace, alone="", days=365)
    put_nginx_in_front.require(workspace)
    left = days_left(shown)
    found = Sentence.counted(
        "`{registry}` shows a certificate that is valid for another {count} day.",
        "`{registry}` shows a certificate that is valid for another {count} days.",
        left,
    )
    if left >= LONG:
        return found
    reason = "too-short"
    todo = "`openssl req` has an option for the number of days. By default it is 30."
    if holds_other_certificate(workspace.work / "certs/registry.crt", shown):
        reason, found = "not-read", Sentence.joined(found, OTHER_FILE)
        todo = "nginx reads a certificate together with its configuration. Have it read both again."
    raise NotYet(reason, found=found, next=todo)


renew_the_certificate.solution(issue(*NAMES, days=365), restart_proxy)
renew_the_certificate.mistake("made, but not read", reason="not-read", advice="read both again")(
    issue(*NAMES, days=365)
)
renew_the_certificate.mistake("for 30 days again", reason="too-short", advice="number of days")(
    issue(*NAMES), restart_proxy
)
renew_the_certificate.mistake("for one name only", reason="other-names", advice="-days 365")(
    issue("DNS:localhost", days=365), restart_proxy
)


# What is there


def _client(workspace):
    return workspace.client(login=workspace.login, any_tls=True)


def _require_pushed(workspace, tag, **image):
    """Return the manifest behind this tag of the team's image. image: as in `require_pushed`."""
    how = {"start": RUN_BOTH, "login": workspace.login, "any_tls": True}
    return require_pushed(workspace, APP, tag, **image, **how)


def _again(workspace, container, front, start=RUN_BOTH):
    """Return how to replace the registry, which may be behind a proxy. start: the command that
    starts it where it is not."""
    if runs_registry(workspace.engine, front):
        return in_order(f"`docker rm -f {container.name}`", start)
    name = workspace.name if container.id == front.id else container.name
    return in_order(f"`docker rm -f {name}`", RUN_BEHIND, f"`docker restart {front.name}`")


def _require_tls(workspace, alone=RUN_BOTH, days=30):
    """Return the registry's container, that in front of it, which may be the same, and the
    certificate that it shows; raise `NotYet` where one is missing or not right. alone: the command
    that starts a registry without a proxy; empty where there should be one."""
    container = require_proxied_registry(workspace, alone, RUN_BEHIND, RUN_PROXY, FILES)
    front = workspace.service().front or container
    shown = workspace.api.certificate()
    if not shown:
        todo = _again(workspace, container, front, alone or RUN_BOTH)
        if not runs_registry(workspace.engine, front):
            todo = in_order(LISTEN, RELOAD)
        found = "`{registry}` speaks plain HTTP: anyone who listens in can read the password."
        raise NotYet("plain-http", found=found, next=todo)
    if fault := certificate_fault(shown, "localhost", "127.0.0.1"):
        reason, found = fault
        wanted = "A certificate for `localhost` and `127.0.0.1`."
        certify = CERTIFY.replace("-days 30", f"-days {days}")
        todo = in_order(certify, f"`docker restart {front.name}`")
        raise NotYet(reason, expected=wanted, found=found, next=todo)
    return container, front, shown


def _require_private(workspace, alone=RUN_BOTH):
    """Return the registry's container, and that of the proxy in front of it, which may be the same;
    raise `NotYet` where they lack TLS, the right certificate or the password."""
    container, front, _ = _require_tls(workspace, alone)
    again = _again(workspace, container, front)
    try:
        fault = login_fault(workspace, container, workspace.login, any_tls=True)
    except OtherScheme:
        found = "`{front}` speaks plain HTTP to the registry, which answers over TLS only."
        raise NotYet("tls-behind", found=found, next=again, front=front.name) from None
    if fault:
        reason, found = fault
        todo = again if reason == "open" else in_order(MAKE, again, stop=False)
        raise NotYet(reason, found=found, next=todo)
    return container, front
