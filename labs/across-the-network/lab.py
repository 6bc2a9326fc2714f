"""Let a second host pull from your registry, which it refuses to do before it trusts its TLS."""

import ipaddress
import json
import random
import re

from labrunner import (
    CannotCheck,
    Lab,
    NotYet,
    SecondHost,
    Untrusted,
    certificate_fault,
    is_certificate,
    issue_certificate,
    listed,
    require_registry,
)

lab = Lab(
    title="Across the network",
    images=["registry:2", "busybox:stable", "docker:dind"],
    sample=True,
)

DOMAIN = "registry.lab"
CERTS = "/etc/docker/certs.d"
HTTP_ERROR = "server gave HTTP response to HTTPS client"
INSECURE = {"insecure-registries": ["registry.lab:5000"]}
SECURE = {"insecure-registries": []}
TLS_SETTINGS = {
    "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/registry.crt",
    "REGISTRY_HTTP_TLS_KEY": "/certs/registry.key",
}
LONG = (
    "--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined "
    "-v /sys/fs/cgroup:/sys/fs/cgroup:rw"
)
SOME = {  # the same, where the API has it
    "cap_add": ["ALL"],
    "cap_drop": ["SYS_RESOURCE"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "volumes": {"/sys/fs/cgroup": "/sys/fs/cgroup"},
}

RUN = (
    "docker run -d -p {port}:5000 --name {name} --network {network} --ip {address} "
    "--network-alias registry.lab -v {volume}:/var/lib/registry"
)
PLAIN = f"`{RUN} registry:2`"
TLS = (
    f'`{RUN} -v "$PWD/certs:/certs:ro" -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/registry.crt '
    "-e REGISTRY_HTTP_TLS_KEY=/certs/registry.key registry:2`"
)
HOST = "`docker run -d --name {host} --network {network} {powers} docker:dind`"
PULL = "`docker exec {second} docker pull {place}:5000/{image}`"
RIGHT_NAMES = "subjectAltName=DNS:registry.lab,IP:{address} > san.ext"
SIGN = (
    "`echo subjectAltName=DNS:registry.lab,IP:{at} > san.ext`, `openssl x509 -req -in "
    "registry.csr -CA ca/ca.crt -CAkey ca/ca.key -CAcreateserial -days 30 -extfile san.ext -out "
    "certs/registry.crt`, `docker restart {served}`."
)
PUT_CA = (
    "`docker exec {second} mkdir -p /etc/docker/certs.d/{place}:5000`, then "
    "`docker cp ca/ca.crt {second}:/etc/docker/certs.d/{place}:5000/ca.crt`."
)
OTHER_ERRORS = (  # words in an answer, and what they mean
    (
        "connection refused",
        "Nothing listens at that address and port. `localhost` is the second host itself there, "
        "and in the network your registry's port is 5000.",
    ),
    ("no such host", "The second host does not know that name."),
    ("x509", "That is about a certificate, so your registry speaks TLS already."),
    ("Status:", "That pull worked. On your own engine `localhost` may speak plain HTTP."),
)


@lab.value
def network(workspace):
    return workspace.unused("lab-network")


@lab.value
def subnet(workspace):
    """Return a free one in the range that is set aside for tests of networks."""
    for part in random.sample(range(256), 20):
        try:
            found = f"198.18.{part}.0/24"
            probe = workspace.create_network(f"probe-{workspace.id}", found)
        except CannotCheck as error:
            taken = error
        else:
            workspace.engine.remove_network(probe)
            return found
    raise taken


@lab.value
def address(workspace):
    return str(ipaddress.ip_network(workspace["subnet"])[2])


@lab.value
def host(workspace):
    return workspace.unused("second-host")


@lab.value
def volume(workspace):
    return workspace.unused("registry-data")


@lab.value
def powers(workspace):
    """Return what an engine in a container needs, as far as this engine can give it."""
    try:
        workspace.run_to_end("busybox:stable", ["true"], privileged=True)
    except CannotCheck:
        return LONG
    return "--privileged"


@lab.step(lasting=True)
def start_a_second_host(workspace):
    """`{host}` is an engine of its own, and there `registry.lab` is your registry."""
    second, at, _ = _hosts(workspace)
    return f"On `{second.name}`, a second engine, `{DOMAIN}` is your registry, at `{at}`."


@start_a_second_host.solution
def _(workspace):
    _start_registry(workspace)
    workspace.push_as(workspace.sample, workspace.ref())
    _start_host(workspace)


@start_a_second_host.mistake(
    "the two on different networks", advice="connect {network} {host}", reason="no-network"
)
def _(workspace):
    _start_registry(workspace)
    _start_host(workspace, network="bridge")


@start_a_second_host.mistake("no name for the registry", advice=PLAIN, reason="no-alias")
def _(workspace):
    _start_registry(workspace, aliases=[])
    _start_host(workspace)


@start_a_second_host.mistake("an engine without its powers", advice=HOST, reason="not-running")
def _(workspace):
    _start_registry(workspace)
    made = workspace.run("docker:dind", name=workspace["host"], network=workspace["network"])
    workspace.engine.wait(made)


@lab.step
def meet_the_error(workspace, answer):
    """The second host's engine refuses to pull from `registry.lab:5000` over plain HTTP."""
    second, at, _ = _hosts(workspace)
    named = re.search(r"https?://([^/\"]+)/", answer)
    todo = f"Run {PULL} and submit the line that it prints."
    if HTTP_ERROR not in answer:
        reason, found = "other-error", f"{_meaning(answer)} Your answer: `{{said}}`."
    elif named and named[1] not in (f"{DOMAIN}:5000", f"{at}:5000"):
        reason, found = "other-registry", "Your error is about `{named}`."
    elif not _has_refused(workspace, second, at):
        reason, todo = "not-met", f"Run {PULL}: meet it yourself."
        found = "Those are the words, but the log of `{second}` has no such refusal."
    else:
        return f"`{second.name}` refused: your registry speaks plain HTTP."
    raise NotYet(
        reason,
        expected=f"The error that ends with `{HTTP_ERROR}`, met on `{second.name}`.",
        found=found,
        next=todo,
        said=" ".join(answer.split())[:120],
        named=named and named[1],
        second=second.name,
        place=DOMAIN,
    )


@meet_the_error.solution
def _(workspace):
    return _pull(workspace, f"{DOMAIN}:5000")


@meet_the_error.mistake(
    "pulled on your own engine", advice="docker exec {host} docker pull", reason="other-error"
)
def _(workspace):
    workspace.pull(workspace.ref())
    return f"Status: Image is up to date for {workspace.ref()}"


@meet_the_error.mistake(
    "localhost on the second host", advice="pull registry.lab:5000/{image}", reason="other-error"
)
def _(workspace):
    return _pull(workspace, workspace.registry)


@meet_the_error.near_miss(
    "the error copied, not met", advice="docker exec {host} docker pull", reason="not-met"
)
def _(workspace):
    return f'Get "https://{DOMAIN}:5000/v2/": http: {HTTP_ERROR}'


@lab.step(lasting=True)
def serve_tls(workspace):
    """Your registry speaks TLS, with a certificate for `registry.lab` and for its IP address."""
    _, at, registry = _hosts(workspace)
    expected = f"A certificate whose Subject Alternative Name has `DNS:{DOMAIN}` and `IP:{at}`."
    certificate = workspace.api.certificate()
    if not certificate:
        raise NotYet(
            "plain-http",
            expected=expected,
            found="`{registry}` speaks plain HTTP; it shows no certificate.",
            next=f"`docker rm -f {registry.name}`, then {TLS}.",
        )
    if fault := certificate_fault(certificate, DOMAIN, at):
        reason, found = fault
        raise NotYet(reason, expected=expected, found=found, next=SIGN, at=at, served=registry.name)
    return f"`{{registry}}` speaks TLS, with a certificate for `{DOMAIN}` and `{at}`."


@serve_tls.solution
def _(workspace):
    _serve(workspace, f"DNS:{DOMAIN}", f"IP:{workspace['address']}")


@serve_tls.mistake("a common name only", advice=RIGHT_NAMES, reason="no-names")
def _(workspace):
    _serve(workspace)


@serve_tls.mistake("for another name", advice=RIGHT_NAMES, reason="other-names")
def _(workspace):
    _serve(workspace, "DNS:registry", f"IP:{workspace['address']}")


@serve_tls.mistake("without the IP address", advice=RIGHT_NAMES, reason="other-names")
def _(workspace):
    _serve(workspace, f"DNS:{DOMAIN}")


@serve_tls.mistake("made, but not given to the registry", advice=TLS, reason="plain-http")
def _(workspace):
    issue_certificate(workspace.work, f"DNS:{DOMAIN}", f"IP:{workspace['address']}")


@serve_tls.mistake("the folder not mounted", advice="docker logs {name}", reason="exited")
def _(workspace):
    workspace.remove_own(workspace.name, workspace.port)
    options = {**_in_network(workspace), "environment": TLS_SETTINGS}
    made = workspace.run("registry:2", name=workspace.name, ports={5000: workspace.port}, **options)
    workspace.engine.wait(made)


@lab.step
def trust_the_ca(workspace):
    """The second host trusts your CA, and has pulled from `registry.lab:5000`."""
    second, _, registry = _hosts(workspace)
    _require_trusted_pull(workspace, second, registry, DOMAIN)
    return f"`{second.name}` has pulled from `{DOMAIN}:5000`, and knows that it is your registry."


@trust_the_ca.solution
def _(workspace):
    _trust(workspace, f"{DOMAIN}:5000")
    _pull(workspace, f"{DOMAIN}:5000")


@trust_the_ca.mistake(
    "a folder without the port", advice=f"{CERTS}/registry.lab:5000/ca.crt", reason="other-folder"
)
def _(workspace):
    _trust(workspace, DOMAIN)
    _pull(workspace, f"{DOMAIN}:5000")


@trust_the_ca.mistake(
    "the certificate of another CA", advice="docker cp ca/ca.crt {host}:", reason="other-ca"
)
def _(workspace):
    issue_certificate(workspace.work / "other")
    _trust(workspace, f"{DOMAIN}:5000", ca="other/ca/ca.crt")
    _pull(workspace, f"{DOMAIN}:5000")


@trust_the_ca.mistake(
    "proved over localhost", advice="docker exec {host} docker pull registry.lab", reason="own-pull"
)
def _(workspace):
    _trust(workspace, f"{DOMAIN}:5000")
    workspace.pull(workspace.ref())


@lab.step
def pull_by_address(workspace):
    """The second host has also pulled by your registry's IP address, and run the image."""
    second, at, registry = _hosts(workspace)
    events = _require_trusted_pull(workspace, second, registry, at)
    found = f"`{second.name}` has pulled from `{at}:5000`, and knows that it is your registry."
    places = (f"{DOMAIN}:5000/", f"{at}:5000/")
    for event in events:
        image = event.attributes.get("image", "")
        if (event.kind, event.action) == ("container", "start") and image.startswith(places):
            return f"{found} It has run there."
    raise NotYet(
        "not-run",
        expected=f"`{second.name}` has run the image that it pulled.",
        found=f"{found} But no container was started from it there.",
        next=f"`docker exec {second.name} docker run --rm {at}:5000/{workspace.image}`.",
    )


@pull_by_address.solution
def _(workspace):
    _trust(workspace, f"{DOMAIN}:5000", f"{workspace['address']}:5000")
    _pull(workspace, f"{workspace['address']}:5000")
    _inside(workspace, "docker", "run", "--rm", f"{workspace['address']}:5000/{workspace.image}")


@pull_by_address.mistake(
    "trusted by name only", advice=f"{CERTS}/{{address}}:5000/ca.crt", reason="other-folder"
)
def _(workspace):
    _pull(workspace, f"{workspace['address']}:5000")


@pull_by_address.mistake(
    "pulled, but not run", advice="docker run --rm {address}:5000/{image}", reason="not-run"
)
def _(workspace):
    _trust(workspace, f"{workspace['address']}:5000")
    _pull(workspace, f"{workspace['address']}:5000")


@lab.step
def go_insecure(workspace):
    """The second host has pulled without your CA, by an exception for `registry.lab:5000`."""
    second, at, _ = _hosts(workspace)
    if not second.is_insecure(f"{DOMAIN}:5000", at):
        settings = second.settings()
        written = f'"{DOMAIN}:5000"' in settings
        found = "Its `/etc/docker/daemon.json` says `{settings}`"
        reload = f"`docker kill -s HUP {second.name}`"
        if written:
            reason, todo = "not-reloaded", f"{reload}, and then the pull."
            found += ", but the engine has not read it again."
        else:
            reason, todo = "not-written", f"Write `{{wanted}}` there, then {reload}, and pull."
            found += "."
        raise NotYet(reason, found=found, next=todo, settings=settings, wanted=json.dumps(INSECURE))
    if not _distrust(workspace, second, DOMAIN):
        raise NotYet(
            "trusted",
            found=f"`{second.name}` still trusts your CA, so a pull shows nothing about the rest.",
            next=f"`docker exec {second.name} rm -r {CERTS}`, then pull again.",
        )
    events = second.events()
    reloads = [each.time for each in events if (each.kind, each.action) == ("daemon", "reload")]
    if not _has_pulled(events, DOMAIN, since=max(reloads, default=0)):
        raise NotYet(
            "not-pulled",
            found="The exception is in force, and there was no pull since.",
            next=f"{PULL}.",
            second=second.name,
            place=DOMAIN,
        )
    return f"`{second.name}` has pulled from `{DOMAIN}:5000` without knowing who answered."


@go_insecure.solution
def _(workspace):
    _trust(workspace)
    _host(workspace).configure(INSECURE)
    _pull(workspace, f"{DOMAIN}:5000")


@go_insecure.mistake(
    "the CA still there", advice=f"docker exec {{host}} rm -r {CERTS}", reason="trusted"
)
def _(workspace):
    _host(workspace).configure(INSECURE)
    _pull(workspace, f"{DOMAIN}:5000")


@go_insecure.mistake(
    "written, but not reloaded", advice="docker kill -s HUP {host}", reason="not-reloaded"
)
def _(workspace):
    _trust(workspace)
    _host(workspace).configure(INSECURE, reload=False)
    _pull(workspace, f"{DOMAIN}:5000")


@go_insecure.mistake(
    "the name without the port", advice='["registry.lab:5000"]', reason="not-written"
)
def _(workspace):
    _trust(workspace)
    _host(workspace).configure({"insecure-registries": [DOMAIN]})
    _pull(workspace, f"{DOMAIN}:5000")


@lab.step(lasting=True)
def trust_again(workspace):
    """The exception is gone, and the second host trusts your CA again."""
    second, at, _ = _hosts(workspace)
    if second.is_insecure(f"{DOMAIN}:5000", at):
        raise NotYet(
            "insecure",
            found=f"`{DOMAIN}:5000` is still an insecure registry there; "
            "`/etc/docker/daemon.json` says `{settings}`.",
            next="An absent key changes nothing. Write `{wanted}` into `/etc/docker/daemon.json` "
            f"there, then `docker kill -s HUP {second.name}`.",
            settings=second.settings(),
            wanted=json.dumps(SECURE),
        )
    _require_trust(workspace, second, DOMAIN)
    return f"`{second.name}` has no exception for `{DOMAIN}:5000`, and trusts your CA."


@trust_again.solution
def _(workspace):
    _host(workspace).configure(SECURE)
    _trust(workspace, f"{DOMAIN}:5000")


@trust_again.mistake("the key taken away", advice='{"insecure-registries": []}', reason="insecure")
def _(workspace):
    _host(workspace).configure({})
    _trust(workspace, f"{DOMAIN}:5000")


@trust_again.mistake("the CA forgotten", advice="docker cp ca/ca.crt {host}:", reason="no-ca")
def _(workspace):
    _host(workspace).configure(SECURE)


# What is there


def _hosts(workspace):
    """Return the second host, the registry's IP address as seen there, and its container."""
    try:
        registry = require_registry(workspace, start=PLAIN, tls=True)
        second, at = _second_host(workspace, registry)
    except NotYet as failure:
        failure.expected = start_a_second_host.goal
        raise
    return second, at, registry


def _second_host(workspace, registry):
    container = _candidate(workspace, registry)
    if not container:
        raise NotYet("no-host", found="There is no container `{host}`.", next=f"{HOST}.")
    second, name = SecondHost(workspace.engine, container), container.name
    if not container.running:
        raise NotYet(
            "not-running",
            found=f"The container `{name}` is {container.state}, with exit code "
            f"{container.exit_code}. An engine needs powers that other containers do not have.",
            next=f"`docker logs {name}` says why. `docker rm -fv {name}`, then {HOST}.",
        )
    at, printed = second.look_up(DOMAIN)
    if at is None:
        raise NotYet(
            "no-engine",
            found=f"No engine answers in `{name}`: {{error}}",
            next=f"Wait a moment; else `docker logs {name}` says what is wrong.",
            error=(printed or "?").splitlines()[-1],
        )
    if at and at in registry.addresses.values():
        return second, at
    shared = set(container.addresses) & set(registry.addresses)
    if at:
        reason = "other-address"
        found = f"On `{name}`, `{DOMAIN}` is `{at}`, which is not your registry."
    elif shared:
        reason = "no-alias"
        found = (
            f"`{name}` and `{registry.name}` share the network `{min(shared)}`, but nothing there "
            f"is called `{DOMAIN}`."
        )
    else:
        reason, theirs = "no-network", listed(container.addresses) or "none"
        found = (
            f"`{name}` does not know `{DOMAIN}`. It is in the network {theirs}; `{registry.name}` "
            f"is in {listed(registry.addresses)}."
        )
    home = next((each for each in registry.addresses if each != "bridge"), None)
    if home and not shared:
        todo = f"`docker network connect {home} {name}`."
    else:
        again = TLS if workspace.api.certificate() else PLAIN
        todo = f"`docker rm -f {registry.name}`, then {again}."
    raise NotYet(reason, found=found, next=todo)


def _candidate(workspace, registry):
    """Return the container by the lab's name; else a new one beside the registry in its network."""
    engine, networks = workspace.engine, set(registry.addresses) - {"bridge"}
    if found := engine.container(workspace["host"]):
        return found
    for each in engine.containers(status="running"):
        if each.id != registry.id and each.id not in workspace.record.before["containers"]:
            found = engine.container(each.id)
            if found and networks & set(found.addresses):
                return found
    return None


def _has_refused(workspace, second, at):
    """Return whether the second host's engine says in its log that it met the error."""
    log = workspace.engine.logs(second.container.id, since=workspace.record.opened, tail=10000)
    lines = [line for line in log.splitlines() if HTTP_ERROR in line]
    return any(DOMAIN in line or at in line for line in lines)


def _meaning(answer):
    """Return what an answer says that is not the error over HTTP."""
    for words, meaning in OTHER_ERRORS:
        if words in answer:
            return meaning
    return "That is another error."


def _has_pulled(events, place, since):
    """Return whether there was a pull by this name or address after that moment."""
    pulls = [each for each in events if (each.kind, each.action) == ("image", "pull")]
    return any(each.time > since and each.id.startswith(f"{place}:5000/") for each in pulls)


def _distrust(workspace, second, place):
    """Return a reason and a sentence: why the second host does not trust the registry by this name
    or address; None where it does."""
    folder, name = f"{CERTS}/{place}:5000/", second.name
    paths = second.execute("find", CERTS, "!", "-type", "d")[1].splitlines()
    paths = [path for path in paths if path.startswith(CERTS)]
    right = [path for path in paths if path.startswith(folder) and path.endswith(".crt")]
    found = "no-ca", f"`{name}` has no CA in `{folder}`."
    if paths and not right:
        return "other-folder", f"{found[1]} It has `{paths[0]}`, where it is not looked for."
    for path in right:
        data = second.read(path)
        if not is_certificate(data):
            found = "no-certificate", f"`{path}` on `{name}` is no certificate."
            continue
        try:
            workspace.client(name=place, ca=data.decode()).ping()
            return None
        except Untrusted as error:
            why = f"`{path}` on `{name}` does not verify your registry: {error.reason}."
            found = "other-ca", why
    return found


def _require_trust(workspace, second, place):
    if distrust := _distrust(workspace, second, place):
        reason, found = distrust
        raise NotYet(reason, found=found, next=PUT_CA, second=second.name, place=place)


def _require_trusted_pull(workspace, second, registry, place):
    """Return the second host's events, where it trusts the registry by this name or address and
    has pulled by it since the registry was started."""
    _require_trust(workspace, second, place)
    events = second.events()
    if _has_pulled(events, place, since=registry.started):
        return events
    reason, found = "not-pulled", f"It trusts your CA, and has not pulled from `{place}:5000` yet."
    pulls = workspace.events(type="image", event="pull")
    if any(
        each.time > registry.started and each.id.startswith(workspace.registry) for each in pulls
    ):
        reason = "own-pull"
        found = (
            "You have pulled from `{registry}` on your own engine, which proves nothing: an engine "
            "trusts its own machine without a certificate."
        )
    raise NotYet(reason, found=found, next=f"{PULL}.", second=second.name, place=place)


# Acts, for the solutions and mistakes


def _in_network(workspace):
    return {
        "network": workspace["network"],
        "aliases": [DOMAIN],
        "volumes": {"/var/lib/registry": workspace["volume"]},
    }


def _start_registry(workspace, **options):
    names = [each.name for each in workspace.engine.networks()]
    if workspace["network"] not in names:
        workspace.create_network(workspace["network"], workspace["subnet"])
    workspace.run_registry(**{**_in_network(workspace), **options})


def _serve(workspace, *names):
    """Start the registry anew, with a certificate for these names."""
    issue_certificate(workspace.work, *names)
    options = _in_network(workspace)
    options["volumes"]["/certs:ro"] = str(workspace.work / "certs")
    workspace.run_registry(environment=TLS_SETTINGS, **options)


def _start_host(workspace, network=None):
    """Start the second host in that network, or in the lab's; one that is there already stays."""
    network = network or workspace["network"]
    there = workspace.engine.container(workspace["host"])
    if there and there.running and network in there.addresses:
        return
    workspace.remove_own(workspace["host"])
    powers = SOME if workspace["powers"] == LONG else {"privileged": True}
    workspace.run("docker:dind", name=workspace["host"], network=network, **powers)
    _host(workspace).wait_for_engine()


def _host(workspace):
    return SecondHost(workspace.engine, workspace.engine.container(workspace["host"]))


def _inside(workspace, *command):
    """Run a command on the second host; return the last line that it prints."""
    output = _host(workspace).execute(*command)[1]
    return output.splitlines()[-1] if output else ""


def _pull(workspace, place):
    return _inside(workspace, "docker", "pull", f"{place}/{workspace.image}")


def _trust(workspace, *places, ca="ca/ca.crt"):
    """Put a CA into the second host's folders for certificates of these places, and no others."""
    _inside(workspace, "rm", "-rf", CERTS)
    data = (workspace.work / ca).read_bytes()
    for place in places:
        workspace.engine.write_file(workspace["host"], f"{CERTS}/{place}/ca.crt", data)
