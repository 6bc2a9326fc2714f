"""Give a registry a certificate for the names of its clients, and see what a client verifies."""

import ipaddress
import re

from labrunner import (
    TLS_SETTINGS,
    Lab,
    NotYet,
    Passed,
    Sentence,
    act,
    ca_fault,
    certificate_fault,
    fail_to_run_registry,
    files_fault,
    in_order,
    issue,
    issue_certificate,
    pair_fault,
    pull,
    push_as,
    refused,
    require_memory,
    require_registry,
    run_in_network,
    run_registry,
    unused_subnet,
)

lab = Lab(
    title="Serve TLS",
    images=["registry:2", "busybox:stable"],
    sample=True,
    values={
        "network": lambda ws: ws.unused("lab-network"),
        "subnet": unused_subnet,
        "address": lambda ws: str(ipaddress.ip_network(ws["subnet"])[2]),
        "volume": lambda ws: ws.unused("registry-data"),
        "folder": lambda ws: str(ws.work),
    },
)

DOMAIN = "registry.lab"
HTTP_ERROR = "server gave HTTP response to HTTPS client"
RUN = (
    "docker run -d -p {port}:5000 --name {name} --network {network} --ip {address} "
    "-v {volume}:/var/lib/registry"
)
PLAIN = f"`{RUN} {{registry_image}}`"
REMOVE = "`docker rm -f {served}`"
NETWORK = "`docker network create --subnet {subnet} {network}`"
TLS = (
    f'`{RUN} -v "{{folder}}/certs:/certs:ro" -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/registry.crt '
    "-e REGISTRY_HTTP_TLS_KEY=/certs/registry.key {registry_image}`"
)
PUSH = "`docker image tag {image} {registry}/{image}`, then `docker push {registry}/{image}`."
BY_ADDRESS = "{address}:5000/{image}:latest"
PULL_LOCAL = "`docker pull {registry}/{image}`"
NAMES = ("DNS:registry.lab", "IP:{address}")
RIGHT_NAMES = "subjectAltName=DNS:registry.lab,IP:{address} > san.ext"
FOLDER = '`cd "{folder}" && mkdir -p ca certs`'
MAKE_CA = (
    '`openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=Lab CA" -days 30 -keyout ca/ca.key '
    "-out ca/ca.crt`"
)
MAKE_KEY = (
    '`openssl req -newkey rsa:2048 -nodes -subj "/CN=registry.lab" -keyout certs/registry.key '
    "-out registry.csr`"
)
SIGN = (
    "`echo subjectAltName=DNS:registry.lab,IP:{at} > san.ext`, then `openssl x509 -req -in "
    "registry.csr -CA ca/ca.crt -CAkey ca/ca.key -CAcreateserial -days 30 -extfile san.ext -out "
    "certs/registry.crt`"
)
RESTART = "`docker restart {served}`"
NO_ADDRESS = "Docker Hub was asked, because the name does not begin with an address."
OTHER_ERRORS = {  # words in an answer, and what they mean
    "connection refused": "Nothing listens at that address and port. In its network, your "
    "registry's port is 5000.",
    "x509": "That is about a certificate, so your registry speaks TLS already.",
    "Status:": "That pull worked. For `localhost`, an engine accepts plain HTTP.",
    "docker.io": NO_ADDRESS,
    "pull access denied": NO_ADDRESS,
}


# Acts, for the solutions and mistakes


@act
def replace(workspace, path):
    """Put a file of another CA or certificate in place of one that is there."""
    issue_certificate(workspace.work / "other")
    (workspace.work / "other" / path).replace(workspace.work / path)


@lab.step(lasting=True)
def give_it_an_address(workspace):
    """Your registry has an address of its own in a network, and holds `{image}`."""
    served, at = _registry(workspace)
    registry = workspace.client(any_tls=True)
    manifest = registry.manifest(workspace.image, "latest")
    if not manifest or not workspace.is_sample(manifest, registry=registry):
        found = "`{served}` has the address `{at}`, but does not hold your image `{image}`."
        raise NotYet("not-pushed", found=found, next=PUSH, served=served.name, at=at)
    return Sentence("Your registry has the address `{at}`, and holds `{image}`.", at=at)


give_it_an_address.solution(run_in_network(), push_as("{registry}/{image}:latest"))
give_it_an_address.mistake(
    "in the default network", advice="--network {network} --ip {address}", reason="no-network"
)(run_registry(), push_as("{registry}/{image}:latest"))
give_it_an_address.mistake(
    "not pushed", advice="docker push {registry}/{image}", reason="not-pushed"
)(run_in_network())


@lab.step(advice="docker pull {address}:5000/{image}", evidence=True)
def meet_the_error(workspace, answer):
    """Your engine has refused to pull from your registry by its address, and you know the error."""
    _, at = _registry(workspace)
    named = re.search(r"https?://([^/\"]+)/", answer)
    place = named[1][:100] if named else ""
    if HTTP_ERROR not in answer:
        known = [meaning for words, meaning in OTHER_ERRORS.items() if words in answer]
        meaning = known[0] if known else "That is not the expected error."
        reason = "other-error"
        found: str = Sentence.joined(meaning, "Your answer: `{said}`.")
    elif place != f"{at}:5000" and not place.endswith(f":{workspace.port}"):
        reason = "other-registry"
        found = "Your answer does not say which registry was asked."
        if place:
            found = "Your error is about `{place}`."
    else:
        return "Your engine refused: your registry speaks plain HTTP."
    raise NotYet(
        reason,
        expected="The whole line with the error: it names `{at}:5000` and `{error}`.",
        found=found,
        next="Run `docker pull {at}:5000/{image}` and submit the line with the error.",
        at=at,
        error=HTTP_ERROR,
        place=place,
        said=" ".join(answer.split())[:120],
    )


meet_the_error.without_answer(lambda ws: _registry(ws))
meet_the_error.solution(refused("pull", BY_ADDRESS))
meet_the_error.mistake("pulled from localhost", reason="other-error")(
    pull("{registry}/{image}:latest"), "Status: Image is up to date for {registry}/{image}:latest"
)
meet_the_error.mistake("the published port", reason="other-error")(
    refused("pull", "{address}:{port}/{image}:latest")
)
meet_the_error.near_miss("the line on the page", reason="other-registry")(
    f'Get "https://…/v2/": http: {HTTP_ERROR}'
)
meet_the_error.near_miss("the end of the line", reason="other-registry")(HTTP_ERROR)


@lab.step(advice=MAKE_CA)
def make_a_ca(workspace):
    """`ca/ca.crt` is the certificate of your CA, and `ca/ca.key` its key."""
    if fault := pair_fault(workspace.work, "ca/ca"):
        reason, found = fault
        raise NotYet(reason, found=found, next=in_order(FOLDER, MAKE_CA))
    return "`ca/ca.crt` is the certificate of your CA, and `ca/ca.key` its key."


make_a_ca.solution(issue())
make_a_ca.mistake("in another folder", reason="no-file")(
    lambda ws: issue_certificate(ws.work / "elsewhere")
)
make_a_ca.mistake("the key of another CA", reason="other-key")(issue(), replace("ca/ca.key"))


@lab.step(advice=RIGHT_NAMES)
def sign_a_certificate(workspace):
    """`certs/registry.crt` is a certificate for `registry.lab` and for your registry's address,
    signed by the CA in `ca/ca.crt`."""
    _, at = _registry(workspace)
    if fault := files_fault(workspace.work, DOMAIN, at):
        reason, found = fault
        no_request = not (workspace.work / "registry.csr").exists()
        make_ca = MAKE_CA if pair_fault(workspace.work, "ca/ca") else ""
        make_key = MAKE_KEY if no_request or reason in ("no-file", "no-key", "other-key") else ""
        todo = in_order(FOLDER if make_ca or make_key else "", make_ca, make_key, SIGN)
        raise NotYet(reason, found=found, next=todo, at=at)
    found = "`certs/registry.crt` is for `registry.lab` and `{at}`, and signed by your CA."
    return Sentence(found, at=at)


sign_a_certificate.solution(issue(*NAMES))
sign_a_certificate.mistake("a common name only", reason="no-names")(issue())
sign_a_certificate.mistake("for another name", reason="other-names")(
    issue("DNS:registry", "IP:{address}")
)
sign_a_certificate.mistake("a new CA, and not signed again", reason="other-ca")(
    issue(*NAMES), replace("ca/ca.crt")
)
sign_a_certificate.mistake("a new key, and not signed again", reason="other-key")(
    issue(*NAMES), replace("certs/registry.key")
)


@lab.step(lasting=True)
def serve_tls(workspace):
    """Your registry speaks TLS, with a certificate for `registry.lab` and for its address that your
    CA has signed."""
    at = _require_tls(workspace, DOMAIN, todo=in_order(SIGN, RESTART))
    found = "Your registry speaks TLS, with a certificate for `registry.lab` and `{at}`."
    return Passed(Sentence(found, at=at), (make_a_ca.id, sign_a_certificate.id))


serve_tls.solution(issue(*NAMES), run_in_network(tls=True))
serve_tls.mistake("signed, but not given to the registry", advice=TLS, reason="plain-http")(
    run_in_network()
)
serve_tls.mistake("without its names", advice=RIGHT_NAMES, reason="no-names")(
    issue(), run_in_network(tls=True)
)
serve_tls.mistake("signed again, but not restarted", advice="restart {name}", reason="not-read")(
    issue(), run_in_network(tls=True), issue(*NAMES)
)
serve_tls.mistake("a new CA that has signed nothing", advice=RIGHT_NAMES, reason="other-ca")(
    issue(*NAMES), run_in_network(tls=True), replace("ca/ca.crt")
)
serve_tls.mistake("the folder not mounted", advice=TLS, reason="exited")(
    fail_to_run_registry(network="{network}", environment=TLS_SETTINGS)
)


@lab.step(advice="docker pull {registry}/{image}")
def pull_over_localhost(workspace):
    """Over TLS, your engine has pulled `{image}` from `{registry}`, though it does not know your
    CA."""
    serve_tls.require(workspace)
    served, _ = _registry(workspace, TLS)
    pulls = workspace.events(type="image", event="pull")
    if any(each.id in workspace.spellings() and each.time > served.created for each in pulls):
        return "Your engine has pulled from `{registry}`, and has not verified the certificate."
    give_it_an_address.require(workspace)
    require_memory(workspace, PULL_LOCAL, since=served.created)
    found = "Your engine has not pulled from `{registry}` since the registry was started with TLS."
    raise NotYet("not-pulled", found=found, next=in_order(PULL_LOCAL))


pull_over_localhost.solution(pull("{registry}/{image}:latest"))
pull_over_localhost.mistake("pulled by the address", reason="not-pulled")(
    refused("pull", BY_ADDRESS)
)
pull_over_localhost.mistake("pulled before there was TLS", reason="not-pulled")(
    run_in_network(), pull("{registry}/{image}:latest"), run_in_network(tls=True)
)


@lab.step(lasting=True)
def add_a_name(workspace):
    """The certificate is for `localhost` as well, so a client that trusts your CA accepts
    `https://{registry}`. It is still for `registry.lab` and for the address."""
    todo = "Sign the request again, with `localhost` beside the names before. Restart the registry."
    at = _require_tls(workspace, DOMAIN, "localhost", todo=todo)
    found = "A client that trusts your CA accepts `localhost`, `registry.lab` and `{at}`."
    return Sentence(found, at=at)


add_a_name.solution(issue(*NAMES, "DNS:localhost"), run_in_network(tls=True))
add_a_name.mistake("the new name alone", advice="beside the names before", reason="other-names")(
    issue("DNS:localhost", "IP:{address}"), run_in_network(tls=True)
)
add_a_name.mistake("signed, but not restarted", advice="restart {name}", reason="not-read")(
    issue(*NAMES, "DNS:localhost")
)
add_a_name.mistake("its address, not its name", advice="Sign the request", reason="other-names")(
    issue(*NAMES, "IP:127.0.0.1"), run_in_network(tls=True)
)


# What is there


def _registry(workspace, run=PLAIN):
    """Return the container that has the registry's address, the registry's or that of a proxy in
    front of it, and this address. run: the command that starts the registry."""
    start = _start(workspace, run)
    try:
        served = require_registry(workspace, start=start, tls=True)
        served = workspace.service().front or served
        named = served.addresses.items()
        addresses = [address for name, address in named if address and name != "bridge"]
        if not addresses:
            found = (
                "`{served}` is not in a network that you made. The default network gives it "
                "any address that is free, and a certificate is for one address."
            )
            todo = in_order(REMOVE, start)
            raise NotYet("no-network", found=found, next=todo, served=served.name)
    except NotYet as failure:
        failure.expected = give_it_an_address.goal
        raise
    wanted = workspace["address"]
    return served, wanted if wanted in addresses else addresses[0]


def _start(workspace, run):
    """Return how to start the registry in its network, which is made where it is missing or does
    not have the address."""
    at, name = ipaddress.ip_address(workspace["address"]), workspace["network"]
    found = [each for each in workspace.engine.networks() if each.name == name]
    subnets = [ipaddress.ip_network(text, strict=False) for each in found for text in each.subnets]
    if any(at in subnet for subnet in subnets):
        return run
    remove = "`docker network rm {network}`" if found else ""
    return in_order(remove, NETWORK, run, stop=False)


def _require_tls(workspace, *names, todo):
    """Return the registry's address; raise `NotYet` where it does not show a certificate for these
    names and the address that the CA verifies. todo: how it gets one."""
    served, at = _registry(workspace, TLS)
    texts = {"at": at, "served": served.name}
    certificate = workspace.api.certificate()
    if not certificate:
        found = "`{registry}` speaks plain HTTP; it shows no certificate."
        raise NotYet("plain-http", found=found, next=in_order(REMOVE, TLS), **texts)
    fault = next(filter(None, (certificate_fault(certificate, name, at) for name in names)), None)
    if fault and not any(files_fault(workspace.work, name, at) for name in names):
        reason, right = "not-read", "`certs/registry.crt` is right now, but was not read."
        todo = "The registry reads its certificate when it starts: `docker restart {served}`."
        if (workspace.work / "certs/registry.crt").stat().st_mtime < served.started:
            reason, todo = "other-file", in_order(REMOVE, TLS)
            right = "`certs/registry.crt` is right, but the registry was given another file."
        raise NotYet(reason, found=Sentence.joined(fault[1], right), next=todo, **texts)
    if fault := fault or ca_fault(workspace, names[0]):
        reason, found = fault
        raise NotYet(reason, found=found, next=todo, **texts)
    return at
