"""Let a second host pull from your registry, which it refuses to do before it trusts your CA."""

import ipaddress
import json

from labrunner import (
    Lab,
    NotYet,
    SecondHost,
    Sentence,
    act,
    certificate_fault,
    engine_powers,
    files_fault,
    in_order,
    issue_certificate,
    pull,
    pulled_from,
    require_registry,
    require_second_host,
    run_in_network,
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
        "folder": lambda ws: str(ws.work),
        "powers": engine_powers,
    },
)

DOMAIN = "registry.lab"
BY_NAME, BY_ADDRESS = f"{DOMAIN}:5000", "{address}:5000"
CERTS = "/etc/docker/certs.d"
INSECURE = {"insecure-registries": ["registry.lab:5000"]}
SECURE: dict[str, list[str]] = {"insecure-registries": []}
RUN = (
    "docker run -d -p {port}:5000 --name {name} --network {network} --ip {address} "
    "--network-alias registry.lab -v {volume}:/var/lib/registry"
)
TLS = (
    f'`{RUN} -v "{{folder}}/certs:/certs:ro" -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/registry.crt '
    "-e REGISTRY_HTTP_TLS_KEY=/certs/registry.key {registry_image}`"
)
HOST = "`docker run -d --name {host} --network {network} {powers} docker:dind`"
PULL = "`docker exec {second} docker pull registry.lab:5000/{image}`"
PULL_THERE = "docker exec {host} docker pull registry.lab:5000/{image}"
RUN_THERE = "docker run --rm {address}:5000/{image}"
COPY_CA = "docker cp ca/ca.crt {host}:/etc/docker/certs.d/registry.lab:5000/ca.crt"
RELOAD = "docker kill -s HUP {host}"
UNKNOWN = "certificate signed by unknown authority"
NO_REGISTRY = "Docker Hub was asked, because the name does not begin with your registry."
OTHER_ERRORS = {  # words in an answer, and what they mean
    "connection refused": "Nothing listens at that address and port. `localhost` is the second "
    "host itself there, and in the network your registry's port is 5000.",
    "no such host": "The second host does not know that name.",
    "Status:": "That pull worked. For `localhost`, an engine accepts any certificate.",
    "docker.io": NO_REGISTRY,
    "pull access denied": NO_REGISTRY,
}
PULLED = "`{second}` has pulled from `{place}:5000`, and knows that it is your registry."
SIGN = (
    "`echo subjectAltName=DNS:registry.lab,IP:{at} > san.ext`, then `openssl x509 -req -in "
    "registry.csr -CA ca/ca.crt -CAkey ca/ca.key -CAcreateserial -days 30 -extfile san.ext -out "
    "certs/registry.crt`, then `docker restart {served}`."
)


serve = run_in_network(tls=True, aliases=[DOMAIN])


@lab.setup
def _(workspace):
    """Start a registry with TLS and the image in it, unless there is one, running or not."""
    if workspace.service().container or workspace.engine.container(workspace.name):
        return
    if files_fault(workspace.work, DOMAIN, workspace["address"]):
        issue_certificate(workspace.work, f"DNS:{DOMAIN}", f"IP:{workspace['address']}")
    serve(workspace)
    workspace.push_as(workspace.sample, workspace.ref())


# Acts, for the solutions and mistakes


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
    """`{host}` is an engine of its own, and there `registry.lab` is your registry, with TLS."""
    second, at, _ = _hosts(workspace)
    found = "On `{second}`, a second engine, `registry.lab` is your registry, at `{at}`."
    return Sentence(found, second=second.name, at=at)


start_a_second_host.solution(serve, start_host("{network}"))
start_a_second_host.mistake(
    "the two on different networks", advice="connect {network} {host}", reason="no-network"
)(start_host("bridge"))
start_a_second_host.mistake("no name for the registry", advice=TLS, reason="no-alias")(
    run_in_network(tls=True), start_host("{network}")
)
start_a_second_host.mistake("the registry without TLS", advice=TLS, reason="plain-http")(
    run_in_network(aliases=[DOMAIN]), start_host("{network}")
)


@start_a_second_host.mistake("an engine without its powers", advice=HOST, reason="not-running")
def _(workspace):
    made = workspace.run("docker:dind", name=workspace["host"], network=workspace["network"])
    workspace.engine.wait(made)


@lab.step(advice=PULL_THERE, evidence=True)
def be_refused(workspace, answer):
    """The second host has refused to pull from `registry.lab:5000`, because it does not trust your
    CA."""
    second, at, _ = _hosts(workspace)
    todo = Sentence("Run {pull} and submit the line that it prints.", pull=Sentence.of(PULL))
    if UNKNOWN not in answer:
        known = [meaning for words, meaning in OTHER_ERRORS.items() if words in answer]
        meaning = known[0] if known else "That is not the expected error."
        reason = "other-error"
        found: str = Sentence.joined(meaning, "Your answer: `{said}`.")
    elif not second.has_logged(UNKNOWN, (DOMAIN, at), workspace.record.opened):
        reason, todo = "not-met", _meet_refusal(workspace, second)
        found = "Those are the words, but the log of `{second}` has no such refusal."
    else:
        return Sentence("`{second}` refused: it does not trust your CA.", second=second.name)
    raise NotYet(
        reason,
        expected="The line with `{error}`, met on `{second}`.",
        found=found,
        next=todo,
        error=UNKNOWN,
        said=" ".join(answer.split())[:120],
        second=second.name,
    )


@be_refused.without_answer
def _(workspace):
    second, at, _ = _hosts(workspace)
    if not second.has_logged(UNKNOWN, (DOMAIN, at), workspace.record.opened):
        found = "The log of `{second}` has no such refusal yet."
        todo = _meet_refusal(workspace, second)
        raise NotYet("not-met", found=found, next=todo, second=second.name)


be_refused.solution(pull_there(BY_NAME))
be_refused.mistake("pulled on your own engine", reason="other-error")(
    pull("{registry}/{image}:latest"), "Status: Image is up to date for {registry}/{image}:latest"
)
be_refused.mistake("localhost on the second host", reason="other-error")(pull_there("{registry}"))
be_refused.near_miss("the error copied, not met", reason="not-met")(
    f'Get "https://{DOMAIN}:5000/v2/": x509: {UNKNOWN}'
)


@lab.step(advice=COPY_CA)
def trust_the_ca(workspace):
    """The second host trusts your CA, and has pulled from `registry.lab:5000`."""
    second, _, registry = _hosts(workspace)
    second.require_pull(workspace, registry, DOMAIN)
    return Sentence(PULLED, second=second.name, place=DOMAIN)


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
    events = second.require_pull(workspace, registry, at)
    found = Sentence(PULLED, second=second.name, place=at)
    starts = [each for each in events if (each.kind, each.action) == ("container", "start")]
    images = [each.attributes.get("image", "") for each in starts]
    if any(image.startswith((f"{DOMAIN}:5000/", f"{at}:5000/")) for image in images):
        return Sentence.joined(found, "It has run there.")
    raise NotYet(
        "not-run",
        expected="`{second}` has run the image that it pulled.",
        found=Sentence.joined(found, "But no container was started from it there."),
        next="`docker exec {second} docker run --rm {at}:5000/{image}`.",
        second=second.name,
        at=at,
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
        if f"{DOMAIN}:5000" in second.insecure_registries():
            reason, todo = "not-reloaded", "`docker kill -s HUP {second}`, and then the pull."
            found = "Its {settings}, but the engine has not read it again."
        else:
            reason, found = "not-written", "Its {settings}."
            todo = "Write `{wanted}` there, then `docker kill -s HUP {second}`, and pull."
        raise NotYet(
            reason,
            found=found,
            next=todo,
            settings=second.describe_settings(),
            second=second.name,
            wanted=json.dumps(INSECURE),
        )
    if not second.distrust(workspace, DOMAIN):
        raise NotYet(
            "trusted",
            found="`{second}` still trusts your CA, so a pull shows nothing about the rest.",
            next="`docker exec {second} rm -r /etc/docker/certs.d`, then pull again.",
            second=second.name,
        )
    events = second.events()
    reloads = [each.time for each in events if (each.kind, each.action) == ("daemon", "reload")]
    if not pulled_from(events, DOMAIN, since=max(reloads, default=0)):
        todo = workspace.fill(in_order(PULL), second=second.name)
        second.require_memory(events, DOMAIN, todo)
        found = "The exception is in force, and there was no pull since."
        raise NotYet("not-pulled", found=found, next=todo)
    found = "`{second}` has pulled from `registry.lab:5000` without knowing who answered."
    return Sentence(found, second=second.name)


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
    second, at, _ = _hosts(workspace)
    if second.is_insecure(f"{DOMAIN}:5000", at):
        raise NotYet(
            "insecure",
            found="`registry.lab:5000` is still an insecure registry there; its {settings}.",
            next="Write `insecure-registries` there as a list that does not cover this registry: "
            "a missing list changes nothing. Then `docker kill -s HUP {second}`.",
            second=second.name,
            settings=second.describe_settings(),
        )
    second.require_trust(workspace, DOMAIN)
    found = "`{second}` has no exception for `registry.lab:5000`, and trusts your CA."
    return Sentence(found, second=second.name)


trust_again.solution(configure(SECURE), trust(BY_NAME))
trust_again.mistake("the key taken away", advice="a missing list", reason="insecure")(
    configure({}), trust(BY_NAME)
)
trust_again.mistake("the CA forgotten", advice=COPY_CA, reason="no-ca")(configure(SECURE))


# What is there


def _meet_refusal(workspace, second):
    """Return how to be refused there, by an engine that may have the CA already."""
    trusts = not second.distrust(workspace, DOMAIN)
    forget = "`docker exec {second} rm -r /etc/docker/certs.d`" if trusts else ""
    return Sentence("Meet it yourself: {commands}", commands=in_order(forget, PULL))


def _hosts(workspace):
    """Return the second host, the registry's IP address as seen there, and the container that has
    it: the registry's, or that of a proxy in front of it."""
    try:
        registry = require_registry(workspace, start=TLS, tls=True)
        registry = workspace.service().front or registry
        second, at = require_second_host(workspace, registry, DOMAIN, start=HOST, again=TLS)
        certificate = workspace.api.certificate()
        if not certificate:
            found = "`{registry}` speaks plain HTTP; it shows no certificate."
            todo: str = in_order(f"`docker rm -f {registry.name}`", TLS)
            if not (workspace.work / "certs/registry.crt").exists():
                todo = "Finish the lab and start it again: it gives you a registry with TLS."
            raise NotYet("plain-http", found=found, next=todo)
        if fault := certificate_fault(certificate, DOMAIN, at):
            reason, found = fault
            found = Sentence.joined("The certificate of `{registry}` cannot be used.", found)
            raise NotYet(reason, found=found, next=SIGN, at=at, served=registry.name)
    except NotYet as failure:
        failure.expected = start_a_second_host.goal
        raise
    return second, at, registry
