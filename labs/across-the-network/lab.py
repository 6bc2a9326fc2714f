"""Let a second host pull from your registry, which it refuses to do before it trusts its TLS."""

import ipaddress
import json
import re

from labrunner import (
    Lab,
    NotYet,
    SecondHost,
    act,
    certificate_fault,
    engine_powers,
    fail_to_run_registry,
    issue_certificate,
    pull,
    pulled_from,
    push_as,
    require_registry,
    require_second_host,
    start_second_host,
    unused_subnet,
)

lab = Lab(
    title="Across the network",
    images=["registry:2", "busybox:stable", "docker:dind"],
    sample=True,
    values={
        "network": lambda ws: ws.unused("lab-network"),
        "subnet": unused_subnet,
        "address": lambda ws: str(ipaddress.ip_network(ws["subnet"])[2]),
        "host": lambda ws: ws.unused("second-host"),
        "volume": lambda ws: ws.unused("registry-data"),
        "powers": engine_powers,
    },
)

DOMAIN = "registry.lab"
BY_NAME, BY_ADDRESS, BY_CONTAINER = f"{DOMAIN}:5000", "{address}:5000", "{name}:5000"
CERTS = "/etc/docker/certs.d"
HTTP_ERROR = "server gave HTTP response to HTTPS client"
INSECURE = {"insecure-registries": ["registry.lab:5000"]}
SECURE: dict[str, list[str]] = {"insecure-registries": []}
TLS_SETTINGS = {
    "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/registry.crt",
    "REGISTRY_HTTP_TLS_KEY": "/certs/registry.key",
}
RUN = (
    "docker run -d -p {port}:5000 --name {name} --network {network} --ip {address} "
    "--network-alias registry.lab -v {volume}:/var/lib/registry"
)
PLAIN = f"`{RUN} {{registry_image}}`"
TLS = (
    f'`{RUN} -v "$PWD/certs:/certs:ro" -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/registry.crt '
    "-e REGISTRY_HTTP_TLS_KEY=/certs/registry.key {registry_image}`"
)
HOST = "`docker run -d --name {host} --network {network} {powers} docker:dind`"
PULL = "`docker exec {second} docker pull registry.lab:5000/{image}`"
RIGHT_NAMES = "subjectAltName=DNS:registry.lab,IP:{address} > san.ext"
PULL_THERE = "docker exec {host} docker pull registry.lab:5000/{image}"
RUN_THERE = "docker run --rm {address}:5000/{image}"
COPY_CA = "docker cp ca/ca.crt {host}:/etc/docker/certs.d/registry.lab:5000/ca.crt"
RELOAD = "docker kill -s HUP {host}"
SIGN = (
    "`echo subjectAltName=DNS:registry.lab,IP:{at} > san.ext`, `openssl x509 -req -in "
    "registry.csr -CA ca/ca.crt -CAkey ca/ca.key -CAcreateserial -days 30 -extfile san.ext -out "
    "certs/registry.crt`, `docker restart {served}`."
)
OTHER_ERRORS = {  # words in an answer, and what they mean
    "connection refused": "Nothing listens at that address and port. `localhost` is the second "
    "host itself there, and in the network your registry's port is 5000.",
    "no such host": "The second host does not know that name.",
    "x509": "That is about a certificate, so your registry speaks TLS already.",
    "Status:": "That pull worked. On your own engine `localhost` may speak plain HTTP.",
}


# Acts, for the solutions and mistakes


@act
def start_registry(workspace, aliases=(DOMAIN,), **options):
    """Start it in the lab's network, which is created where it is missing."""
    if workspace["network"] not in [each.name for each in workspace.engine.networks()]:
        workspace.create_network(workspace["network"], workspace["subnet"])
    volumes = {"/var/lib/registry": workspace["volume"], **options.pop("volumes", {})}
    how = {"network": workspace["network"], "aliases": aliases, "volumes": volumes}
    workspace.run_registry(**how, **options)


@act
def serve(workspace, *names):
    """Start the registry anew, with a certificate for these names."""
    issue_certificate(workspace.work, *names)
    volumes = {"/certs:ro": str(workspace.work / "certs")}
    start_registry(volumes=volumes, environment=TLS_SETTINGS)(workspace)


@act
def start_host(workspace, network):
    start_second_host(workspace, network)


@act
def execute(workspace, *command):
    """Run a command on the second host; return the last line that it prints."""
    in_order = ("sh", "-c", '"$@" 2>&1', "sh")  # an error comes by itself, sometimes too early
    output = SecondHost.of(workspace).execute(*in_order, *command)[1]
    return output.splitlines()[-1] if output else ""


@act
def configure(workspace, settings, **options):
    """Write the second host's `daemon.json`."""
    SecondHost.of(workspace).configure(settings, **options)


@act
def trust(workspace, *places, ca="ca/ca.crt"):
    """Put a CA into the second host's folders for certificates of these places, and no others."""
    trust_nothing(workspace)
    data = (workspace.work / ca).read_bytes()
    for place in places:
        workspace.engine.write_file(workspace["host"], f"{CERTS}/{place}/ca.crt", data)


def pull_there(place):
    return execute("docker", "pull", f"{place}/{{image}}")


trust_nothing = execute("rm", "-rf", CERTS)


@lab.step(lasting=True)
def start_a_second_host(workspace):
    """`{host}` is an engine of its own, and there `registry.lab` is your registry."""
    second, at, _ = _hosts(workspace)
    return f"On `{second.name}`, a second engine, `{DOMAIN}` is your registry, at `{at}`."


start_a_second_host.solution(
    start_registry(), push_as("{registry}/{image}:latest"), start_host("{network}")
)
start_a_second_host.mistake(
    "the two on different networks", advice="connect {network} {host}", reason="no-network"
)(start_registry(), start_host("bridge"))
start_a_second_host.mistake("no name for the registry", advice=PLAIN, reason="no-alias")(
    start_registry(aliases=[]), start_host("{network}")
)


@start_a_second_host.mistake("an engine without its powers", advice=HOST, reason="not-running")
def _(workspace):
    start_registry()(workspace)
    made = workspace.run("docker:dind", name=workspace["host"], network=workspace["network"])
    workspace.engine.wait(made)


@lab.step(advice=PULL_THERE)
def meet_the_error(workspace, answer):
    """The second host's engine refuses to pull from `registry.lab:5000` over plain HTTP."""
    second, at, _ = _hosts(workspace)
    named = re.search(r"https?://([^/\"]+)/", answer)
    todo = f"Run {PULL} and submit the line that it prints."
    if HTTP_ERROR not in answer:
        known = [meaning for words, meaning in OTHER_ERRORS.items() if words in answer]
        meaning = known[0] if known else "That is another error."
        reason, found = "other-error", f"{meaning} Your answer: `{{said}}`."
    elif named and named[1] not in (f"{DOMAIN}:5000", f"{at}:5000"):
        reason, found = "other-registry", "Your error is about `{named}`."
    elif not second.has_logged(HTTP_ERROR, (DOMAIN, at), workspace.record.opened):
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
        named=named and named[1][:100],
        second=second.name,
    )


meet_the_error.solution(pull_there(BY_NAME))
meet_the_error.mistake("pulled on your own engine", reason="other-error")(
    pull("{registry}/{image}:latest"), "Status: Image is up to date for {registry}/{image}:latest"
)
meet_the_error.mistake("localhost on the second host", reason="other-error")(
    pull_there("{registry}")
)
meet_the_error.near_miss("the error copied, not met", reason="not-met")(
    f'Get "https://{DOMAIN}:5000/v2/": http: {HTTP_ERROR}'
)


@lab.step(lasting=True, advice=RIGHT_NAMES)
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
        todo = _renew(workspace, at, registry)
        raise NotYet(reason, expected=expected, found=found, next=todo)
    return f"`{{registry}}` speaks TLS, with a certificate for `{DOMAIN}` and `{at}`."


serve_tls.solution(serve(f"DNS:{DOMAIN}", "IP:{address}"))
serve_tls.mistake("a common name only", reason="no-names")(serve())
serve_tls.mistake("for another name", reason="other-names")(serve("DNS:registry", "IP:{address}"))
serve_tls.mistake("without the IP address", reason="other-names")(serve(f"DNS:{DOMAIN}"))
serve_tls.mistake("made, but not given to the registry", advice=TLS, reason="plain-http")(
    lambda ws: issue_certificate(ws.work, f"DNS:{DOMAIN}", f"IP:{ws['address']}")
)
serve_tls.mistake("the folder not mounted", advice="docker logs {name}", reason="exited")(
    fail_to_run_registry(network="{network}", environment=TLS_SETTINGS)
)


@lab.step(advice=COPY_CA)
def trust_the_ca(workspace):
    """The second host trusts your CA, and has pulled from `registry.lab:5000`."""
    second, at, registry = _hosts(workspace)
    second.require_pull(workspace, registry, DOMAIN, renew=_renew(workspace, at, registry))
    return f"`{second.name}` has pulled from `{DOMAIN}:5000`, and knows that it is your registry."


trust_the_ca.solution(trust(BY_NAME), pull_there(BY_NAME))
trust_the_ca.mistake("a folder without the port", reason="other-folder")(
    trust(DOMAIN), pull_there(BY_NAME)
)
trust_the_ca.mistake("the certificate of another CA", reason="other-ca")(
    lambda ws: issue_certificate(ws.work / "other"),
    trust(BY_NAME, ca="other/ca/ca.crt"),
    pull_there(BY_NAME),
)
trust_the_ca.mistake("proved over localhost", advice=PULL_THERE, reason="own-pull")(
    trust(BY_NAME), pull("{registry}/{image}:latest")
)


@lab.step
def pull_by_address(workspace):
    """The second host has also pulled by your registry's IP address, and run the image."""
    second, at, registry = _hosts(workspace)
    renew = _renew(workspace, at, registry)
    events = second.require_pull(workspace, registry, at, renew=renew)
    found = f"`{second.name}` has pulled from `{at}:5000`, and knows that it is your registry."
    starts = [each for each in events if (each.kind, each.action) == ("container", "start")]
    images = [each.attributes.get("image", "") for each in starts]
    if any(image.startswith((f"{DOMAIN}:5000/", f"{at}:5000/")) for image in images):
        return f"{found} It has run there."
    raise NotYet(
        "not-run",
        expected=f"`{second.name}` has run the image that it pulled.",
        found=f"{found} But no container was started from it there.",
        next=f"`docker exec {second.name} docker run --rm {at}:5000/{workspace.image}`.",
    )


pull_by_address.solution(
    trust(BY_NAME, BY_ADDRESS),
    pull_there(BY_ADDRESS),
    execute("docker", "run", "--rm", f"{BY_ADDRESS}/{{image}}"),
)
pull_by_address.mistake(
    "trusted by name only", advice=f"{CERTS}/{{address}}:5000/ca.crt", reason="other-folder"
)(pull_there(BY_ADDRESS))
pull_by_address.mistake("pulled, but not run", advice=RUN_THERE, reason="not-run")(
    trust(BY_ADDRESS), pull_there(BY_ADDRESS)
)


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
    if not second.distrust(workspace, DOMAIN):
        raise NotYet(
            "trusted",
            found=f"`{second.name}` still trusts your CA, so a pull shows nothing about the rest.",
            next=f"`docker exec {second.name} rm -r {CERTS}`, then pull again.",
        )
    events = second.events()
    reloads = [each.time for each in events if (each.kind, each.action) == ("daemon", "reload")]
    if not pulled_from(events, DOMAIN, since=max(reloads, default=0)):
        second.require_memory(events, DOMAIN, workspace.fill(f"{PULL}.", second=second.name))
        found = "The exception is in force, and there was no pull since."
        raise NotYet("not-pulled", found=found, next=f"{PULL}.", second=second.name)
    return f"`{second.name}` has pulled from `{DOMAIN}:5000` without knowing who answered."


go_insecure.solution(trust_nothing, configure(INSECURE), pull_there(BY_NAME))
go_insecure.mistake(
    "the CA still there", advice=f"docker exec {{host}} rm -r {CERTS}", reason="trusted"
)(configure(INSECURE), pull_there(BY_NAME))
go_insecure.mistake("written, but not reloaded", advice=RELOAD, reason="not-reloaded")(
    trust_nothing, configure(INSECURE, reload=False), pull_there(BY_NAME)
)
go_insecure.mistake("the name without the port", advice=json.dumps(INSECURE), reason="not-written")(
    trust_nothing, configure({"insecure-registries": [DOMAIN]}), pull_there(BY_NAME)
)


@lab.step(lasting=True)
def trust_again(workspace):
    """The exception is gone, and the second host trusts your CA again."""
    second, at, registry = _hosts(workspace)
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
    second.require_trust(workspace, DOMAIN, renew=_renew(workspace, at, registry))
    return f"`{second.name}` has no exception for `{DOMAIN}:5000`, and trusts your CA."


trust_again.solution(configure(SECURE), trust(BY_NAME))
trust_again.mistake("the key taken away", advice='{"insecure-registries": []}', reason="insecure")(
    configure({}), trust(BY_NAME)
)
trust_again.mistake("the CA forgotten", advice=COPY_CA, reason="no-ca")(configure(SECURE))


@lab.step
def pull_by_a_third_name(workspace):
    """The second host has pulled from `{name}:5000` as well, by the name of your registry's
    container, and trusts your CA for that name, too."""
    second, at, registry = _hosts(workspace)
    place, certificate = f"{registry.name}:5000", workspace.api.certificate()
    if not certificate or certificate_fault(certificate, DOMAIN, at):
        serve_tls.require(workspace)
    if fault := certificate_fault(certificate, registry.name, at):
        reason, found = fault
        todo = "Sign the request again, with this name beside the others, and restart the registry."
        raise NotYet(reason, found=found, next=todo)
    try:
        renew = _renew(workspace, at, registry)
        second.require_pull(workspace, registry, registry.name, renew=renew)
    except NotYet as failure:
        failure.next = "Pull by that name, on the second host."
        if failure.reason not in ("not-pulled", "own-pull"):
            failure.next = f"Give the second host your CA in a folder of its own for `{place}`."
        raise
    return f"`{second.name}` has pulled from `{place}`, and knows that it is your registry."


serve_three = serve(f"DNS:{DOMAIN}", "DNS:{name}", "IP:{address}")
pull_by_a_third_name.solution(serve_three, trust(BY_NAME, BY_CONTAINER), pull_there(BY_CONTAINER))
pull_by_a_third_name.mistake(
    "the name not in the certificate", advice="Sign the request again", reason="other-names"
)(trust(BY_NAME, BY_CONTAINER), pull_there(BY_CONTAINER))
pull_by_a_third_name.mistake(
    "a folder for the old name only", advice="a folder of its own", reason="other-folder"
)(serve_three, trust(BY_NAME), pull_there(BY_CONTAINER))
pull_by_a_third_name.mistake(
    "pulled by the old name", advice="Pull by that name", reason="not-pulled"
)(serve_three, trust(BY_NAME, BY_CONTAINER), pull_there(BY_NAME))


# What is there


def _hosts(workspace):
    """Return the second host, the registry's IP address as seen there, and the container that has
    it: the registry's, or that of a proxy in front of it."""
    try:
        registry = require_registry(workspace, start=PLAIN, tls=True)
        registry = workspace.service().front or registry
        again = TLS if workspace.api.certificate() else PLAIN
        second, at = require_second_host(workspace, registry, DOMAIN, start=HOST, again=again)
    except NotYet as failure:
        failure.expected = start_a_second_host.goal
        raise
    return second, at, registry


def _renew(workspace, at, registry):
    """Return how the registry gets a new certificate, for its name and its IP address."""
    return workspace.fill(SIGN, at=at, served=registry.name)
