"""The registry's API: against a real registry, and against servers that misbehave."""

import json
import math
import socket
import ssl
import subprocess
import time

import pytest

from labrunner.registry import transport
from labrunner.registry.budget import Budget
from labrunner.registry.client import Registry
from labrunner.registry.errors import (
    NotARegistry,
    OtherScheme,
    RegistryDown,
    RegistryRefused,
    RegistrySlow,
    Untrusted,
)
from labrunner.registry.models import MANIFEST_TYPES
from tests.fixtures.engine import eventually, proxying, request_of, response, serving

TELLS = "Docker-Distribution-Api-Version: registry/2.0\r\n"


@pytest.fixture(scope="module")
def real(engine):
    """A real registry of this module's own, with busybox in it under two tags."""
    container = engine.create_container("registry:2", ports={5000: None})
    try:
        engine.start(container)
        [port] = [
            port.host
            for each in engine.containers(id=container)
            for port in each.ports
            if port.address == "127.0.0.1"
        ]
        registry = Registry(f"localhost:{port}", budget=Budget(seconds=math.inf))
        eventually(lambda: answers(registry))
        for tag in ("one", "two"):
            name = f"localhost:{port}/team/box:{tag}"
            engine.tag("busybox:stable", name)
            assert [step.status for step in engine.push(name)]
            engine.remove_image(name)
        yield registry
    finally:
        engine.remove_container(container)


def answers(registry):
    try:
        return registry.ping()
    except (RegistryDown, NotARegistry):
        return None


def serve(*answers):
    """A server that gives each connection one of these answers, the last again and again."""
    left = list(answers)

    def answer(connection):
        request_of(connection)
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return serving(answer)


def test_a_real_registry_answers_as_one(real):
    assert real.ping().json == {}


def test_what_was_pushed_is_found_by_tag_and_by_digest(real, engine):
    manifest = real.manifest("team/box", "one")

    assert manifest.media_type in MANIFEST_TYPES
    assert engine.image("busybox:stable").id in manifest.image_ids
    assert [layer.size > 0 for layer in manifest.layers]
    assert real.manifest("team/box", manifest.digest) == manifest
    assert real.repositories() == ["team/box"]
    assert sorted(real.tags("team/box")) == ["one", "two"]


def test_what_is_not_there_is_none(real):
    assert real.manifest("team/box", "three") is None
    assert real.manifest("team/nobody", "one") is None
    assert real.tags("team/nobody") is None


def test_the_address_can_be_written_in_other_ways(real):
    port = real.address.rpartition(":")[2]
    for host in ("127.0.0.1", "[::1]"):
        assert Registry(f"{host}:{port}").repositories() == ["team/box"]


def test_a_proxy_is_never_asked(real, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert real.ping().status == 200


def test_a_manifest_is_asked_for_with_all_four_types():
    seen = []

    def answer(connection):
        seen.append(request_of(connection))
        connection.sendall(response("{}", "404 Not Found", TELLS))

    with serving(answer) as address:
        assert Registry(address).manifest("my-image", "latest") is None
    assert "GET /v2/my-image/manifests/latest " in seen[0]
    [accept] = [line for line in seen[0].splitlines() if line.startswith("Accept:")]
    assert set(accept.removeprefix("Accept: ").split(", ")) == set(MANIFEST_TYPES)


def test_an_index_is_known_by_its_own_digest_and_by_those_of_its_images():
    child = {"config": {"digest": "sha256:config"}, "layers": [{"digest": "sha256:l", "size": 3}]}

    def answer(connection):
        head = request_of(connection).splitlines()[0]
        body = child if "sha256:child" in head else {"manifests": [{"digest": "sha256:child"}]}
        digest = "sha256:child" if "sha256:child" in head else "sha256:index"
        headers = f"Docker-Content-Digest: {digest}\r\n"
        connection.sendall(response(json.dumps(body), headers=headers))

    with serving(answer) as address:
        manifest = Registry(address).manifest("box", "latest")
    assert manifest and manifest.image_ids == {"sha256:index", "sha256:child", "sha256:config"}


def test_a_digest_that_the_registry_does_not_tell_is_computed():
    with serve(response("{}")) as address:
        manifest = Registry(address).manifest("box", "latest")
    assert (
        manifest
        and manifest.digest
        == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


def test_a_list_in_pages_is_read_to_its_end_and_only_from_the_same_host():
    seen = []

    def answer(connection):
        head = request_of(connection).splitlines()[0]
        seen.append(head)
        link = 'Link: <http://evil.example/v2/_catalog?last=a>; rel="next"\r\n'
        first = "last=" not in head
        body = {"repositories": ["a"] if first else ["b"]}
        connection.sendall(response(json.dumps(body), headers=link if first else ""))

    with serving(answer) as address:
        assert Registry(address).repositories() == ["a", "b"]
    assert seen[1].startswith("GET /v2/_catalog?last=a ")


def test_a_repository_whose_tags_are_all_gone_has_no_tags():
    with serve(response('{"name": "box", "tags": null}')) as address:
        assert Registry(address).tags("box") == []


def test_nobody_there_is_said():
    with serve(b"") as address:
        pass
    with pytest.raises(RegistryDown) as caught:
        Registry(address).ping()
    assert caught.value.found == f"`{address}` does not answer."
    assert "docker ps -a" in caught.value.next


def test_a_server_that_hangs_up_is_down_and_not_another_program():
    whole = response('{"repositories": []}', length=500)
    for cut in (b"", whole):
        with serve(cut) as address, pytest.raises(RegistryDown, match="hangs up"):
            Registry(address).repositories()


@pytest.mark.parametrize(
    "drips",
    [b"", b"H", response("x" * 200)[:-180], b"HTTP/1.1 200 OK\r\nX-A: "],
    ids=["nothing", "the status", "the body", "a header"],
)
def test_the_deadline_holds_for_the_whole_request_however_slowly_it_drips(drips):
    def answer(connection):
        request_of(connection)
        connection.sendall(drips)
        while drips:
            time.sleep(0.05)
            connection.sendall(b"x")
        time.sleep(60)

    with serving(answer) as address:
        began = time.monotonic()
        with pytest.raises(RegistryDown, match=r"takes more than 0\.3 seconds"):
            Registry(address, timeout=0.3).ping()
        assert time.monotonic() - began < 20


def test_a_redirect_is_not_followed():
    asked = []

    def elsewhere(connection):
        asked.append(request_of(connection))

    with serving(elsewhere) as other:
        to = response("", "307 Temporary Redirect", f"Location: http://{other}/v2/\r\n")
        with serve(to) as address:
            registry = Registry(address)
            with pytest.raises(NotARegistry):
                registry.ping()
            with pytest.raises(RegistryRefused, match="HTTP 307"):
                registry.manifest("box", "latest")
    assert asked == []


def test_a_huge_body_is_given_up_without_reading_it():
    sent = []

    def answer(connection):
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n")
        for _ in range(2000):
            connection.sendall(b"x" * 1_000_000)
            sent.append(1)

    with serving(answer) as address, pytest.raises(NotARegistry, match="more than 4 MiB"):
        Registry(address).repositories()
    assert len(sent) < 20


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\xff\x00 rubbish\r\n\r\n",
        b"220 smtp.example ready\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
        response("<h1>It works!</h1>"),
        response("[]"),
        response("[" * 100_000),
        response('{"repositories": 5}'),
        response('{"repositories": [5]}'),
        response(b"\xff\xfe"),
    ],
)
def test_rubbish_is_no_registry(rubbish):
    with serve(rubbish) as address, pytest.raises(NotARegistry) as caught:
        Registry(address).repositories()
    assert f"Something answers on `{address}`, but it is not a registry" in caught.value.found


@pytest.mark.parametrize(
    "manifest",
    ['{"layers": 5}', '{"layers": [{}]}', '{"config": "x"}', '{"manifests": [{"digest": 5}]}'],
)
def test_a_manifest_that_cannot_be_read_is_no_registrys(manifest):
    with serve(response(manifest)) as address, pytest.raises(NotARegistry, match="cannot be read"):
        Registry(address).manifest("box", "latest")


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"repositories": []}',
        '{"errors": []}',
        '{"errors": ["NAME_UNKNOWN"]}',
        '{"errors": [{"code": 404}]}',
    ],
)
def test_a_web_server_is_told_from_a_registry_without_the_optional_header(body):
    """Whatever it answers to all: only a registry has an error of the specification for a manifest
    that there is not."""
    for answers in ([response(body)], [response("{}"), response(body, "404 Not Found")]):
        refused = pytest.raises(NotARegistry, match="HTTP 200 for `/v2/`")
        with serve(*answers) as address, refused:
            Registry(address).ping()
    unknown = response('{"errors": [{"code": "NAME_UNKNOWN"}]}', "404 Not Found")
    with serve(response("{}"), unknown) as address:
        assert Registry(address).ping().status == 200


def test_a_registry_is_known_behind_a_proxy_that_drops_its_header(real, locked):
    """Which neither a server with one answer to all nor one with a password of its own is."""
    header = "Docker-Distribution-Api-Version"
    for registry, status in ((real.address, 200), (locked, 401)):
        with proxying(registry, drop=header) as address:
            answer = Registry(address).ping()
        assert answer.status == status and header not in answer.headers
    with serve(response('{"repositories": []}')) as one, proxying(one) as address:
        assert not answers(Registry(address))
    with proxying(real.address, login="Authorization: ") as address:
        assert not answers(Registry(address))


def test_a_proxy_that_speaks_tls_only_is_told_from_a_program_that_is_no_registry():
    nginx = "<center>The plain HTTP request was sent to HTTPS port</center>"
    tells = pytest.raises(OtherScheme, match="over TLS only")
    with serve(response(nginx, "400 Bad Request")) as address, tells:
        Registry(address).ping()


def test_a_refusal_over_plain_http_stays_one_where_the_port_does_not_speak_tls():
    with serve(response("{}", "400 Bad Request", TELLS)) as address:
        registry = Registry(address, any_tls=True, timeout=0.2)
        assert [registry.request("GET", "x").status for _ in range(2)] == [400, 400]
    with pytest.raises(RegistryDown):
        registry.ping()


@pytest.mark.parametrize(
    ("to_tls", "asked"),
    [(b"", b"G\x16G\x16"), (response("", "400 Bad Request"), b"G\x16G")],
    ids=["silent", "plain"],
)
def test_a_port_that_does_not_speak_tls_is_soon_known_and_not_asked_again_where_it_says_so(
    monkeypatch, to_tls, asked
):
    monkeypatch.setattr(transport, "HANDSHAKE", 0.1)
    begins = []

    def answer(connection):
        begins.append(connection.recv(1, socket.MSG_PEEK))
        plain = begins[-1] != b"\x16"  # the begin of a handshake
        connection.sendall(response("{}", "400 Bad Request", TELLS) if plain else to_tls)
        while connection.recv(1000):
            pass

    began = time.monotonic()
    with serving(answer) as address:
        registry = Registry(address, any_tls=True)
        assert [registry.request("GET", "x").status for _ in range(2)] == [400, 400]
    assert time.monotonic() - began < 4
    assert b"".join(begins) == asked


def test_a_registry_that_asks_for_a_password_is_one_and_says_so():
    with serve(response("{}", "401 Unauthorized", TELLS)) as address:
        assert Registry(address).ping().status == 401
        with pytest.raises(RegistryRefused, match="user name and a password") as caught:
            Registry(address).manifest("box", "latest")
    assert caught.value.status == 401


def test_an_error_of_the_registry_is_named():
    unavailable = serve(response("{}", "503 Service Unavailable", TELLS))
    with unavailable as address, pytest.raises(RegistryRefused, match="HTTP 503") as caught:
        Registry(address).repositories()
    assert "docker logs" in caught.value.next


def test_explain_may_say_more_of_what_stands_there():
    def explain(error):
        error.found = "Port 5001 is the printer's."
        return error

    with serve(b"") as address:
        pass
    with pytest.raises(RegistryDown) as caught:
        Registry(address, explain=explain).ping()
    assert caught.value.found == "Port 5001 is the printer's."


# With a password, and over TLS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A password file for ada with the password lovelace, and a certificate for registry.lab."""
    folder = tmp_path_factory.mktemp("made")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "crt"]
    words += ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:registry.lab,DNS:*.all,IP:10.1.2.3"]
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    bcrypt = "$2y$05$bvOXo5OsDgsDmpA4UiD71uVX2njzClCUtz.W/xgpAGQ9u77.66nfy"
    (folder / "htpasswd").write_text(f"ada:{bcrypt}\n")
    return folder


def test_a_registry_that_hangs_up_on_plain_http_and_is_slow_over_tls_is_slow(made):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "crt", made / "key")

    def answer(connection):
        if connection.recv(1, socket.MSG_PEEK) == b"\x16":  # the begin of a handshake
            with context.wrap_socket(connection, server_side=True) as secure:
                while secure.recv(1000):
                    pass

    with serving(answer) as address, pytest.raises(RegistrySlow):
        Registry(address, any_tls=True, timeout=1).ping()


@pytest.fixture(scope="module")
def guarded(engine, made):
    """Starts a registry with these settings and the folder of `made`; its address."""
    containers = []

    def start(environment):
        container = engine.create_container(
            "registry:2", ports={5000: None}, volumes={"/made:ro": made}, environment=environment
        )
        containers.append(container)
        engine.start(container)
        address = f"localhost:{engine.container(container).ports[0].host}"
        assert eventually(lambda: speaks(address)), engine.logs(container)
        return address

    yield start
    for container in containers:
        engine.remove_container(container)


def speaks(address):
    try:
        return Registry(address).ping()
    except OtherScheme:
        return True
    except (RegistryDown, NotARegistry):
        return False


@pytest.fixture(scope="module")
def locked(guarded):
    return guarded(
        {
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "Lab",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/made/htpasswd",
        }
    )


@pytest.fixture(scope="module")
def secure(guarded):
    return guarded(
        {"REGISTRY_HTTP_TLS_CERTIFICATE": "/made/crt", "REGISTRY_HTTP_TLS_KEY": "/made/key"}
    )


def test_a_login_opens_what_is_locked(locked):
    challenge = Registry(locked).ping()
    assert challenge.status == 401
    assert challenge.headers["WWW-Authenticate"] == 'Basic realm="Lab"'
    ada = Registry(locked, login=("ada", "lovelace"))
    assert ada.ping().status == 200 and ada.repositories() == []


def test_a_wrong_password_is_told_from_none(locked):
    wrong = Registry(locked, login=("ada", "byron"))
    assert wrong.ping().status == 401
    with pytest.raises(RegistryRefused, match="refuses this user name and password"):
        wrong.repositories()
    with pytest.raises(RegistryRefused, match="asks for a user name and a password") as refused:
        Registry(locked).repositories()
    assert refused.value.status == 401


@pytest.mark.parametrize("name", ["registry.lab", "REGISTRY.lab", "any.all", "10.1.2.3"])
def test_a_certificate_for_the_name_is_trusted_with_its_authority(secure, made, name):
    ca = (made / "crt").read_text()
    assert Registry(secure, name=name, ca=ca).ping().status == 200


def test_a_certificate_that_does_not_hold_says_why(secure, made):
    ca = (made / "crt").read_text()
    with pytest.raises(Untrusted, match=r"for `other.lab`: hostname .other.lab. doesn.t match"):
        Registry(secure, name="other.lab", ca=ca).ping()
    with pytest.raises(Untrusted, match="self-signed certificate"):
        Registry(secure, name="registry.lab").ping()


def test_the_certificate_is_shown_whether_it_holds_or_not(secure, locked, made):
    shown = Registry(secure).certificate() or ""
    assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert((made / "crt").read_text())
    assert Registry(locked).certificate() is None
    assert Registry("localhost:1").certificate() is None


def test_plain_http_and_tls_are_told_apart(secure, locked):
    with pytest.raises(OtherScheme, match="over TLS only"):
        Registry(secure).ping()
    with pytest.raises(OtherScheme, match="speaks plain HTTP, not TLS"):
        Registry(locked, name="registry.lab").ping()


def test_a_handshake_that_never_ends_is_given_up():
    def answer(connection):
        time.sleep(60)

    with serving(answer) as address:
        began = time.monotonic()
        with pytest.raises(RegistryDown, match=r"takes more than 0\.3 seconds"):
            Registry(address, timeout=0.3, name="registry.lab").ping()
        assert Registry(address, timeout=0.3).certificate() is None
        assert time.monotonic() - began < 20


def test_deleting_says_what_the_registry_answers(real):
    digest = real.manifest("team/box", "one").digest
    assert real.delete("team/box", digest).status == 405
    assert real.manifest("team/box", "one").digest == digest
