"""Run a registry with TLS and a password, first by itself, then behind a reverse proxy."""

import re
import secrets
from urllib.parse import urlsplit

from labrunner import (
    AUTH,
    Lab,
    NotYet,
    OtherScheme,
    Untrusted,
    act,
    blob_sizes,
    certificate_fault,
    describe_state,
    fail_to_run_registry,
    htpasswd,
    issue_certificate,
    last_line,
    login_fault,
    megabytes,
    push_with_login,
    refused,
    require_pushed,
    require_registry,
    runs_registry,
    short,
    tag_as,
    wait_until,
)

LARGE = 2 << 20  # bytes of the large image's own layer
LIMIT = 1 << 20  # bytes that nginx lets pass unless it is told otherwise

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

APP = "team/app"
FIRST, SECOND = "1.0", "2.0"
FIRST_NAME, SECOND_NAME = "{registry}/team/app:1.0", "{registry}/team/app:2.0"
NAMES = ("DNS:localhost", "IP:127.0.0.1")
RIGHT_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1 > san.ext"
TEAM_AUTH = {**AUTH, "REGISTRY_AUTH_HTPASSWD_REALM": "team"}
TLS = {
    "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/registry.crt",
    "REGISTRY_HTTP_TLS_KEY": "/certs/registry.key",
}
KEEP = '-v {volume}:/var/lib/registry -v "$PWD/auth:/auth:ro"'
AUTH_WORDS = " ".join(f"-e {name}={value}" for name, value in TEAM_AUTH.items())
TLS_WORDS = " ".join(f"-e {name}={value}" for name, value in TLS.items())
RUN_BOTH = (
    f'`docker run -d -p {{port}}:5000 --name {{name}} {KEEP} -v "$PWD/certs:/certs:ro" '
    f"{TLS_WORDS} {AUTH_WORDS} registry:3`"
)
RUN_BEHIND = f"`docker run -d --name {{name}} --network {{network}} {KEEP} {AUTH_WORDS} registry:3`"
RUN_PROXY = (
    "`docker run -d -p {port}:443 --name {proxy} --network {network} "
    '-v "$PWD/proxy:/etc/nginx/conf.d:ro" -v "$PWD/certs:/certs:ro" nginx`'
)
BEHIND = f"{RUN_BEHIND}, then {RUN_PROXY}"
MAKE = (
    "`docker run --rm --entrypoint htpasswd httpd:2 -Bbn {user} {password} > auth/htpasswd`, then "
)
SIGN = (
    f"`echo {RIGHT_NAMES}`, `openssl x509 -req -in registry.csr -CA ca/ca.crt -CAkey ca/ca.key "
    "-CAcreateserial -days 30 -extfile san.ext -out certs/registry.crt`, `docker restart {served}`."
)
LISTEN = (
    "`listen 443 ssl;`, `ssl_certificate /certs/registry.crt;` and "
    "`ssl_certificate_key /certs/registry.key;`"
)
HOST = "proxy_set_header Host $http_host;"
SCHEME = "proxy_set_header X-Forwarded-Proto $scheme;"
NO_LIMIT = "client_max_body_size 0;"
RELOAD = "`docker exec {proxy} nginx -s reload`"
ASK = (
    "`curl -sS -i --cacert ca/ca.crt -u {user}:{password} -X POST "
    "https://{registry}/v2/team/app/blobs/uploads/`"
)
UPLOAD = re.compile(
    r"(?P<place>https?://[^/\s]*)?/v2/(?P<path>[\w./-]+/blobs/uploads/[\w.~%=?&:+-]+)", re.ASCII
)


# Acts, for the solutions and mistakes


def make_password(workspace):
    """Write the password file, as `htpasswd` makes it."""
    (workspace.work / "auth").mkdir(exist_ok=True)
    (workspace.work / "auth/htpasswd").write_text(htpasswd(workspace))


def renew_ca(workspace):
    """Make another CA in place of the one that signed."""
    issue_certificate(workspace.work / "other")
    (workspace.work / "other/ca/ca.crt").replace(workspace.work / "ca/ca.crt")


@act
def serve(workspace, *settings, names=NAMES):
    """Run the registry by itself, with a certificate for these names."""
    issue_certificate(workspace.work, *names)
    environment = {name: value for each in settings for name, value in each.items()}
    workspace.run_registry("registry:3", environment=environment, volumes=_volumes(workspace))


@act
def serve_behind(workspace, *lines, listen="443 ssl", settings=TEAM_AUTH, **options):
    """Run the registry in the lab's network, and nginx in front of it with these lines for all that
    it passes on."""
    issue_certificate(workspace.work, *NAMES)
    folder = workspace.work / "proxy"
    folder.mkdir(exist_ok=True)
    (folder / "registry.conf").write_text(_configuration(workspace, listen, lines))
    if workspace["network"] not in [each.name for each in workspace.engine.networks()]:
        workspace.create_network(workspace["network"])
    home = {"network": workspace["network"]}
    workspace.remove_own(workspace["proxy"])
    workspace.remove_own(workspace.name, workspace.port)
    how = {"environment": settings, "volumes": _volumes(workspace), **options}
    workspace.run("registry:3", name=workspace.name, **home, **how)
    volumes = {"/etc/nginx/conf.d:ro": str(folder), "/certs:ro": str(workspace.work / "certs")}
    ports = {443: workspace.port}
    workspace.run("nginx:latest", name=workspace["proxy"], ports=ports, volumes=volumes, **home)
    workspace.wait_for_registry()


def ask_for_upload(workspace):
    """Begin an upload; return where the registry wants it, as `Location`."""
    answer = _client(workspace).request("POST", f"{APP}/blobs/uploads/")
    return f"Location: {answer.headers['Location']}"


def sent_in_plain_http(workspace):
    """Return whether nginx has logged the upload over plain HTTP: it does when the client hangs
    up."""
    asked = workspace.requests(front=True)
    return any(each.status == 400 and f"/{APP}/blobs/" in each.path for each in asked)


def _volumes(workspace):
    volumes = {"/var/lib/registry": workspace["volume"]}
    for name in ("auth", "certs"):
        (workspace.work / name).mkdir(exist_ok=True)
        volumes[f"/{name}:ro"] = str(workspace.work / name)
    return volumes


def _configuration(workspace, listen, lines):
    """Return nginx's, as on the page."""
    certificate = "ssl_certificate /certs/registry.crt;\nssl_certificate_key /certs/registry.key;\n"
    passed_on = "\n".join([f"proxy_pass http://{workspace.name}:5000;", *lines])
    return f"server {{\nlisten {listen};\n{certificate}location / {{\n{passed_on}\n}}\n}}\n"


@lab.setup
def _(workspace):
    if not workspace.engine.image(f"{workspace['large_image']}:latest"):
        own = {"workspace": f"{workspace.id}-large"}
        workspace.build(lab.folder, workspace["large_image"], ballast=LARGE, **own)


@lab.step(lasting=True)
def serve_both(workspace):
    """`{registry}` speaks TLS, with a certificate for `localhost` and `127.0.0.1`, and opens to
    `{user}` with `{password}` only."""
    _require_private(workspace)
    return "`{registry}` speaks TLS, and asks for a password that `{user}` has."


serve_both.solution(make_password, serve(TLS, TEAM_AUTH))
serve_both.mistake("TLS without a password", reason="open", advice="-e REGISTRY_AUTH=htpasswd")(
    make_password, serve(TLS)
)
serve_both.mistake("a password without TLS", reason="plain-http", advice=TLS_WORDS)(
    make_password, serve(TEAM_AUTH)
)
serve_both.mistake("for another name", reason="other-names", advice=RIGHT_NAMES)(
    make_password, serve(TLS, TEAM_AUTH, names=["DNS:registry.lab"])
)
serve_both.mistake("a new CA that has signed nothing", reason="other-ca", advice=RIGHT_NAMES)(
    make_password, serve(TLS, TEAM_AUTH), renew_ca
)
serve_both.mistake("the folders not mounted", reason="exited", advice="docker logs {name}")(
    fail_to_run_registry("registry:3", environment=TLS)
)


@lab.step(lasting=True, advice="docker push {registry}/team/app:1.0")
def log_in_and_push(workspace):
    """`{registry}` holds your image `{image}` as `team/app:1.0`."""
    _require_private(workspace)
    manifest = require_pushed(workspace, APP, FIRST, start=RUN_BOTH, **_how(workspace))
    return f"`{{registry}}/team/app:1.0` is your image, {short(manifest.digest)}."


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


@lab.step(lasting=True)
def put_nginx_in_front(workspace):
    """A proxy speaks TLS on `{registry}`. The registry behind it still asks for the password, still
    has your image, and publishes no port."""
    container, front = _require_private(workspace)
    if runs_registry(workspace.engine, container):
        _require_hidden(workspace, container, front)
    manifest = _client(workspace).manifest(APP, FIRST)
    if not manifest or not workspace.is_sample(manifest, APP, _client(workspace)):
        raise NotYet(
            "no-image",
            found="The registry behind the proxy does not have your image as `team/app:1.0`.",
            next=f"Give it the volume with your images: `docker rm -f {container.name}`, then "
            f"{RUN_BEHIND}, then `docker restart {front.name}`.",
        )
    return f"`{front.name}` speaks TLS on `{{registry}}`, and passes on to `{container.name}`."


put_nginx_in_front.solution(serve_behind())
put_nginx_in_front.mistake("nginx without TLS", reason="plain-http", advice="`listen 443 ssl;`")(
    serve_behind(listen="443")
)
put_nginx_in_front.mistake("the password forgotten", reason="open", advice=RUN_BEHIND)(
    serve_behind(settings={})
)
put_nginx_in_front.mistake("the registry published as well", reason="published", advice=RUN_BEHIND)(
    serve_behind(ports={5000: None})
)
put_nginx_in_front.mistake("the registry speaks TLS, too", reason="tls-behind", advice=RUN_BEHIND)(
    serve_behind(settings={**TEAM_AUTH, **TLS})
)


@put_nginx_in_front.mistake("without the images", reason="no-image", advice=KEEP)
def _(workspace):
    volumes = _volumes(workspace)
    del volumes["/var/lib/registry"]
    serve_behind(volumes=volumes)(workspace)


@lab.step
def follow_the_location(workspace, answer):
    """Behind the proxy, the registry sends uploads to `https://{registry}`."""
    told = UPLOAD.search(answer)
    if not told:
        raise NotYet(
            "no-location",
            found="Your answer has no address of an upload.",
            next=f"Submit the line that begins with `Location:`, of {ASK}.",
        )
    put_nginx_in_front.require(workspace)
    _require_way_back(workspace, told["place"] or "")
    now = _client(workspace).request("GET", told["path"])
    if now.status != 204:
        raise NotYet(
            "no-upload",
            found=f"`{{registry}}` knows no such upload; it answers {now.status}.",
            next=f"Begin a new one, and submit its whole line `Location:`, of {ASK}.",
        )
    place = UPLOAD.match(now.headers.get("Location", ""))
    _require_way_back(workspace, (place and place["place"]) or "")
    return "The registry sends uploads to `https://{registry}`, where the proxy takes them."


follow_the_location.solution(serve_behind(HOST, SCHEME), ask_for_upload)
follow_the_location.mistake("no headers", reason="other-host", advice=HOST)(
    serve_behind(), ask_for_upload
)
follow_the_location.mistake("a host without its port", reason="other-host", advice=HOST)(
    serve_behind("proxy_set_header Host $host;", SCHEME), ask_for_upload
)
follow_the_location.mistake("no scheme", reason="other-scheme", advice=SCHEME)(
    serve_behind(HOST), ask_for_upload
)
follow_the_location.near_miss("an upload that was made up", reason="no-upload", advice=ASK)(
    "Location: https://{registry}/v2/team/app/blobs/uploads/1?_state=2"
)
follow_the_location.near_miss("another line", reason="no-location", advice="begins with `Location")(
    "HTTP/1.1 202 Accepted"
)


@lab.step(lasting=True, advice="docker push {registry}/team/app:2.0")
def let_layers_through(workspace):
    """Through the proxy, `{registry}` got your image `{large_image}` as `team/app:2.0`."""
    put_nginx_in_front.require(workspace)
    registry = _client(workspace)
    before = registry.manifest(APP, FIRST)

    def own(manifest):
        return sum(dict(blob_sizes(manifest).items() - blob_sizes(before).items()).values())

    manifest = require_pushed(
        workspace,
        APP,
        SECOND,
        image="{large_image}",
        is_right=lambda manifest: own(manifest) > LIMIT,
        start=RUN_BOTH,
        **_how(workspace),
    )
    return f"`{{registry}}/team/app:2.0` is there, with {megabytes(own(manifest))} of its own."


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
    lambda ws: wait_until(lambda: sent_in_plain_http(ws)),
)
let_layers_through.mistake("the limit raised, but not pushed", reason="not-pushed")(
    serve_behind(HOST, SCHEME, NO_LIMIT), tag_as(SECOND_NAME, "{large_image}")
)
let_layers_through.mistake("the small image", reason="another-image")(push_with_login(SECOND_NAME))


# What is there


def _how(workspace):
    """Return how the registry is asked: see `Workspace.client`."""
    return {"login": workspace.login, "any_tls": True}


def _client(workspace):
    return workspace.client(**_how(workspace))


def _require_private(workspace):
    """Return the registry's container, and that of the proxy in front of it, which may be the same;
    raise `NotYet` where they lack TLS, the right certificate or the password."""
    container = _require_registry(workspace)
    front = workspace.service().front or container
    proxied = not runs_registry(workspace.engine, front)
    again = f"`docker rm -f {container.name}`, then {RUN_BOTH}."
    if proxied:
        behind = workspace.name if container.id == front.id else container.name
        again = f"`docker rm -f {behind}`, then {RUN_BEHIND}, then `docker restart {front.name}`."
    certificate = workspace.api.certificate()
    if not certificate:
        todo = f"Write {LISTEN} into `proxy/registry.conf`, then {RELOAD}." if proxied else again
        found = "`{registry}` speaks plain HTTP: anyone on the way can read the password."
        raise NotYet("plain-http", found=found, next=todo)
    fault = certificate_fault(certificate, "localhost", "127.0.0.1") or _ca_fault(workspace)
    if fault:
        reason, found = fault
        raise NotYet(
            reason,
            expected="A certificate for `localhost` and `127.0.0.1` by the CA in `ca/ca.crt`.",
            found=found,
            next=SIGN,
            served=front.name,
        )
    try:
        fault = login_fault(workspace, container, workspace.login, any_tls=True)
    except OtherScheme:
        found = f"`{front.name}` speaks plain HTTP to the registry, which answers over TLS only."
        raise NotYet("tls-behind", found=found, next=again) from None
    if fault:
        reason, found = fault
        raise NotYet(reason, found=found, next=again if reason == "open" else f"{MAKE}{again}")
    return container, front


def _require_hidden(workspace, container, front):
    """Raise `NotYet` where the registry can be reached without the proxy."""
    name = container.name
    if container.publishes(workspace.port):
        raise NotYet(
            "no-proxy",
            found=f"The registry itself answers: `{name}` publishes {workspace.port}.",
            next=f"`docker rm -f {name}`, then {BEHIND}.",
        )
    if container.on_host_network or container.ports:
        ports = sorted({f"{port.host}" for port in container.ports})
        where = f"publishes {' and '.join(ports)}" if ports else "is on the host's network"
        raise NotYet(
            "published",
            found=f"The container `{name}` {where}: who goes there sends the password without TLS.",
            next=f"`docker rm -f {name}`, then {RUN_BEHIND}, then `docker restart {front.name}`.",
        )


def _require_registry(workspace):
    """Return the registry's container; say what the proxy does, where there is one and no registry
    answers through it."""
    behind = workspace.engine.container(workspace.name)
    proxy = workspace.engine.container(workspace["proxy"])
    if behind and proxy and proxy.running and not behind.running:  # it may wait for it long
        state = describe_state(workspace.engine, behind, RUN_BEHIND)
        todo = f"{state.next.rstrip('.')}. Then `docker restart {proxy.name}`."
        raise NotYet(state.reason, found=state.found, next=todo)
    try:
        return require_registry(workspace, start=RUN_BOTH, tls=True, login=workspace.login)
    except NotYet as failure:
        if not proxy:
            raise
        reason, found, said = failure.reason, failure.found, ""
        if not proxy.running:
            reason, said = "proxy-ended", last_line(workspace.engine.logs(proxy.id))
            state = describe_state(workspace.engine, proxy, RUN_PROXY)
            found = f"{state.found} The last line of its log: `{{said}}`."
        todo = f"`docker logs {proxy.name}` says why. Set it right, then `docker rm -f "
        todo += f"{workspace.name} {proxy.name}`, then {BEHIND}."
        raise NotYet(reason, found=found, next=todo, said=said.replace("`", "'")) from None


def _ca_fault(workspace):
    """Return a reason and a sentence: why the CA in the lab's folder does not verify the
    certificate; None where it does, or there is none."""
    try:
        ca = (workspace.work / "ca/ca.crt").read_text()
        client = workspace.client(name="localhost", ca=ca)
    except (OSError, ValueError):  # made elsewhere, or no certificate
        return None
    try:
        client.request("GET", "")
    except Untrusted as error:
        return "other-ca", f"`ca/ca.crt` does not verify the certificate: {error.reason}."
    except OtherScheme:  # what is behind the proxy says this; the proxy itself has spoken TLS
        pass
    return None


def _require_way_back(workspace, place):
    """Raise `NotYet` where the registry sends uploads elsewhere than to where clients came from.
    place: the scheme and host of its `Location`; empty for one that has only a path."""
    parts = urlsplit(place)
    hosts = [name.partition("/")[0] for name in workspace.spellings("x")]
    todo = (
        f"Write `{HOST}` and `{SCHEME}` into `location` in `proxy/registry.conf`, then {RELOAD}, "
    )
    todo += f"then {ASK}."
    if place and parts.netloc not in hosts:
        found = "The registry sends uploads to `{place}`, where clients do not find it."
        raise NotYet("other-host", found=found, next=todo, place=place[:100])
    if place and parts.scheme != "https":
        found = "The registry sends uploads to `{place}`: in plain HTTP, to a port for TLS."
        raise NotYet("other-scheme", found=found, next=todo, place=place[:100])
