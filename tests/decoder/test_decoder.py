"""Errors from a terminal, explained. The messages are as engines and registries print them: 20.10
with registry 2.8 unless another one is named."""

import re
import time

import pytest

from labrunner.decoder.decoder import LIMIT, _compiled, decode, generic
from labrunner.decoder.messages import MESSAGES

LESSONS = {
    "what-a-registry-is",
    "names",
    "your-own-registry",
    "push-and-pull",
    "inside-a-registry",
    "tags-and-digests",
    "keep-what-you-push",
    "a-private-registry",
    "from-another-host",
    "delete-and-reclaim",
}

PUSH = """Using default tag: latest
The push refers to repository [localhost:5974/apps/x]
aeffc1d128b9: Preparing
"""
DIGEST = "sha256:569846a993499676807875966246a70e6c98503611fbe20f517de92967a81166"
FAILED_START = """c3f1d62e9a8e1f1b6a2c6d5e9f3a7b0c4d8e2f6a1b5c9d3e7f0a4b8c2d6e1f5a
docker: Error response from daemon: driver failed programming external connectivity on endpoint \
my-registry (c83ca91222b3b6b1c16a5f3178d62ec67b9511a58a0bda2fd7de9f5e228812ab): """
TLS = """Using default tag: latest
The push refers to repository [172.17.0.1:5975/x]
Get "https://172.17.0.1:5975/v2/": x509: """
TLS_29 = (
    'Error response from daemon: failed to resolve reference "registry.lab:5000/x:1": failed to do '
    'request: Head "https://registry.lab:5000/v2/x/manifests/1": tls: failed to verify '
    "certificate: x509: "
)

# The text, the messages found in it, and what the advice says with the values of the text.
CASES = [
    # Who may come in
    (f"{PUSH}no basic auth credentials", ["no-basic-auth"], "docker login localhost:5974"),
    (
        'Error response from daemon: Head "http://localhost:5974/v2/apps/x/manifests/latest": '
        "no basic auth credentials",
        ["no-basic-auth"],
        "`docker login localhost:5974`",
    ),
    (
        "Unable to find image 'localhost:5974/apps/y:latest' locally\ndocker: Error response from "
        'daemon: Head "http://localhost:5974/v2/apps/y/manifests/latest": no basic auth '
        "credentials\n\nRun 'docker run --help' for more information",
        ["no-basic-auth"],
        "`docker login localhost:5974`",
    ),
    (
        # engine 29
        "The push refers to repository [localhost:5000/apps/x]\npush access denied, repository "
        "does not exist or may require authorization: authorization failed: no basic auth "
        "credentials",
        ["no-basic-auth"],
        "`docker login localhost:5000`",
    ),
    (
        # engine 29
        'Error response from daemon: failed to resolve reference "localhost:5000/apps/x:latest": '
        "pull access denied, repository does not exist or may require authorization: "
        "authorization failed: no basic auth credentials",
        ["no-basic-auth"],
        "`docker login localhost:5000`",
    ),
    (
        "learner@laptop:~$ docker push localhost:5000/apps/x\nno basic auth credentials",
        ["no-basic-auth"],
        "`docker login localhost:5000`",
    ),
    (
        "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\nError response "
        "from daemon: login attempt to http://localhost:5974/v2/ failed with status: 401 "
        "Unauthorized",
        ["login-refused"],
        "must begin with `$2a$`, `$2b$` or `$2y$`",
    ),
    (
        'Error response from daemon: Get "https://registry-1.docker.io/v2/": unauthorized: '
        "incorrect username or password",
        ["wrong-password"],
        "docker login",
    ),
    (
        # registry 3
        'time="2026-11-23T14:38:58Z" level=error msg="error authenticating user \\"bob\\": '
        'crypto/bcrypt: hashedSecret too short to be a bcrypted password" go.version=go1.24',
        ["hash-is-not-bcrypt"],
        "-Bbn",
    ),
    (
        'time="2026-11-23T14:38:58.672685673Z" level=error msg="error authenticating user '
        '\\"alice\\": authentication failure" go.version=go1.19.8 '
        'http.request.host="localhost:5974"',
        ["authentication-failure"],
        "behind `alice:`",
    ),
    (
        'panic: unable to configure authorization (htpasswd): "realm" must be set for htpasswd '
        "access controller\n\ngoroutine 1 [running]:",
        ["realm-missing"],
        "REGISTRY_AUTH_HTPASSWD_REALM",
    ),
    (
        'level=warning msg="htpasswd is missing, provisioning with default user" '
        "go.version=go1.19.8 password=-pptqyI0HlBk6 user=docker",
        ["password-file-missing"],
        "/auth/htpasswd",
    ),
    (
        "$ docker login localhost:5971 < /dev/null\nError: Cannot perform an interactive login "
        "from a non TTY device",
        ["not-a-terminal"],
        "--password-stdin localhost:5971 <",
    ),
    (
        "docker: Error response from daemon: toomanyrequests: You have reached your "
        "unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit.",
        ["rate-limit"],
        "script/lab kit get",
    ),
    (
        "ERROR: toomanyrequests: You have reached your pull rate limit. You may increase the limit "
        "by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
        ["rate-limit"],
        "docker login",
    ),
    (
        "Unable to find image 'my-image:latest' locally\ndocker: Error response from daemon: pull "
        "access denied for my-image, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied.\nSee 'docker run --help'.",
        ["pull-access-denied"],
        "`docker pull localhost:5000/my-image`",
    ),
    (
        # engine 29
        'failed to resolve reference "docker.io/library/my-image:latest": pull access denied, '
        "repository does not exist or may require authorization: server message: "
        "insufficient_scope: authorization failed",
        ["pull-access-denied"],
        "`docker pull localhost:5000/my-image`",
    ),
    (
        "pull access denied for ghcr.io/owner/app, repository does not exist or may require "
        "'docker login': denied",
        ["pull-denied"],
        "`docker login ghcr.io`",
    ),
    (
        "The push refers to repository [docker.io/library/my-image]\n5f70bf18a086: Preparing\n"
        "denied: requested access to the resource is denied",
        ["push-denied"],
        "`docker image tag my-image localhost:5000/my-image`",
    ),
    (
        # engine 29
        "The push refers to repository [docker.io/library/my-image]\npush access denied, "
        "repository does not exist or may require authorization: server message: "
        "insufficient_scope: authorization failed",
        ["push-denied"],
        "`docker push localhost:5000/my-image`",
    ),
    (
        "$ curl http://localhost:5974/v2/\n"
        '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}',
        ["unauthorized"],
        "`curl -u <user> http://localhost:5974/v2/_catalog`",
    ),
    # HTTP, HTTPS and certificates
    (
        'Error response from daemon: Get "https://172.17.0.1:5971/v2/": http: server gave HTTP '
        "response to HTTPS client",
        ["http-response-to-https-client"],
        '`"insecure-registries": ["172.17.0.1:5971"]`',
    ),
    (
        # engine 29
        'failed to do request: Head "https://192.0.2.7:5000/v2/x/manifests/1": http: server gave '
        "HTTP response to HTTPS client",
        ["http-response-to-https-client"],
        "`localhost:5000`",
    ),
    (
        # Podman
        "$ podman push localhost:5001/hello-app:1.0\nGetting image source signatures\nError: "
        "trying to reuse blob sha256:3f33e32e55c2aefb268de101401bbb81bc5d25b156631a084de795662b25b"
        'e04 at destination: pinging container registry localhost:5001: Get "https://'
        'localhost:5001/v2/": http: server gave HTTP response to HTTPS client',
        ["podman-plain-http"],
        "`podman push --tls-verify=false localhost:5001/hello-app:1.0`",
    ),
    (
        "$ curl http://registry.lab:5000/v2/\nClient sent an HTTP request to an HTTPS server.",
        ["http-request-to-https-server"],
        "https://registry.lab:5000/v2/",
    ),
    (
        f"{TLS}certificate signed by unknown authority",
        ["unknown-authority"],
        "`sudo cp ca.crt /etc/docker/certs.d/172.17.0.1:5975/ca.crt`",
    ),
    (
        f"{TLS_29}certificate signed by unknown authority",
        ["unknown-authority"],
        "/etc/docker/certs.d/registry.lab:5000/ca.crt",
    ),
    (
        f'{TLS}certificate signed by unknown authority (possibly because of "crypto/rsa: '
        'verification error" while trying to verify candidate authority certificate "Lab CA")',
        ["another-ca-of-that-name"],
        "/etc/docker/certs.d/172.17.0.1:5975/ca.crt",
    ),
    (
        f"{TLS}cannot validate certificate for 172.17.0.1 because it doesn't contain any IP SANs",
        ["no-ip-sans"],
        "IP:172.17.0.1",
    ),
    (
        f"{TLS}certificate is valid for 10.0.0.9, not 172.17.0.1\n--- 1",
        ["certificate-for-another-name"],
        "with `172.17.0.1` among its SANs",
    ),
    (
        f"{TLS_29}certificate is valid for registry.example, not registry.lab",
        ["certificate-for-another-name"],
        "with `registry.lab` among its SANs",
    ),
    (
        f"{TLS_29}certificate relies on legacy Common Name field, use SANs instead",
        ["no-san"],
        "subjectAltName=DNS:",
    ),
    (
        f"{TLS_29}certificate is not valid for any names, but wanted to match registry.lab",
        ["no-san"],
        "subjectAltName=DNS:registry.lab`",
    ),
    (
        f"{TLS}certificate has expired or is not yet valid: current time 2026-11-23T14:00:00Z is "
        "after 2025-01-01T00:00:00Z",
        ["certificate-expired"],
        "`date`",
    ),
    (
        "Error response from daemon: missing key client.key for client certificate client.cert. "
        "Note that CA certificates should use the extension .crt",
        ["client-key-missing"],
        "`ca.crt`",
    ),
    (
        "curl: (60) SSL certificate problem: unable to get local issuer certificate\nMore details "
        "here: https://curl.se/docs/sslcerts.html",
        ["curl-does-not-trust"],
        "--cacert",
    ),
    (
        "curl: (60) SSL: no alternative certificate subject name matches target host name "
        "'172.17.0.1'",
        ["certificate-for-another-name"],
        "`172.17.0.1`",
    ),
    (
        "curl: (60) SSL: certificate subject name 'registry.lab' does not match target host name "
        "'172.17.0.1'",
        ["no-san"],
        "subjectAltName",
    ),
    (
        "curl: (35) OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number",
        ["wrong-version-number"],
        "http://",
    ),
    # The engine
    (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
        "running?",
        ["engine-not-running"],
        "script/lab doctor",
    ),
    (
        # Docker Desktop on Windows, command line 29
        "failed to connect to the docker API at npipe:////./pipe/dockerDesktopLinuxEngine; check "
        "if the path is correct and if the daemon is running: open //./pipe/"
        "dockerDesktopLinuxEngine: The system cannot find the file specified.",
        ["engine-not-running"],
        "Docker Desktop",
    ),
    (
        # command line 29
        "failed to connect to the docker API at tcp://127.0.0.1:5999; check if the path is correct "
        "and if the daemon is running: dial tcp 127.0.0.1:5999: connect: connection refused",
        ["engine-not-running"],
        "systemctl start docker",
    ),
    (
        # Windows
        'error during connect: Get "http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.24/containers/json": '
        "open //./pipe/docker_engine: The system cannot find the file specified.",
        ["engine-not-running"],
        "Docker Desktop",
    ),
    (
        "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/"
        'run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/containers/json": dial unix '
        "/var/run/docker.sock: connect: permission denied",
        ["socket-permission"],
        "usermod -aG docker",
    ),
    (
        # command line 29
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        ["socket-permission"],
        "usermod -aG docker",
    ),
    (
        # engine 29
        "Error response from daemon: client version 1.24 is too old. Minimum supported API version "
        "is 1.44, please upgrade your client to a newer version",
        ["client-too-old"],
        "docker version",
    ),
    # Starting a registry
    (
        f"{FAILED_START}Bind for 0.0.0.0:5971 failed: port is already allocated",
        ["port-is-allocated"],
        "`-p 5972:5000`. The one that failed keeps its name: `docker rm my-registry`",
    ),
    (
        "Error response from daemon: failed to set up container networking: driver failed "
        "programming external connectivity on endpoint r (c83ca91222b3b6b1c16a5f3178d62ec67b9511a58"
        "a0bda2fd7de9f5e228812ab): Bind for :::5000 failed: port is already allocated",
        ["port-is-allocated"],
        "`-p 5001:5000`",
    ),
    (
        f"{FAILED_START}Error starting userland proxy: listen tcp4 0.0.0.0:5973: bind: address "
        "already in use",
        ["address-in-use"],
        "sport = :5973",
    ),
    (
        # engine 28
        f"{FAILED_START}failed to bind host port for 0.0.0.0:5000:172.17.0.2:5000/tcp: address "
        "already in use",
        ["address-in-use"],
        "sport = :5000",
    ),
    (
        # Docker Desktop on a Mac
        "docker: Error response from daemon: Ports are not available: exposing port TCP "
        "0.0.0.0:5000 -> 127.0.0.1:0: listen tcp 0.0.0.0:5000: bind: address already in use.",
        ["address-in-use"],
        "lsof -i :5000",
    ),
    (
        "ports are not available: exposing port TCP 0.0.0.0:5000 -> 127.0.0.1:0: /forwards/expose "
        "returned unexpected status: 500",
        ["ports-not-available"],
        "`-p 5001:5000`",
    ),
    (
        # Docker Desktop on Windows
        "Ports are not available: exposing port TCP 0.0.0.0:8000 -> 0.0.0.0:0: listen tcp "
        "0.0.0.0:8000: bind: An attempt was made to access a socket in a way forbidden by its "
        "access permissions.",
        ["port-is-reserved"],
        "excludedportrange",
    ),
    (
        'docker: Error response from daemon: Conflict. The container name "/dec-plain" is already '
        'in use by container "94bfbc0934112540db7c16b77cee80c208d5941ec3d6078cc6d9036aa5ff4151". '
        "You have to remove (or rename) that container to be able to reuse that name.",
        ["name-in-use"],
        "`docker start dec-plain`",
    ),
    (
        "Error response from daemon: No such container: dec-nope\nError: failed to start "
        "containers: dec-nope",
        ["no-such-container"],
        "docker ps -a",
    ),
    (
        "Error response from daemon: Cannot kill container: r: Container 94bfbc0934112540db7c16b77"
        "cee80c208d5941ec3d6078cc6d9036aa5ff4151 is not running",
        ["container-not-running"],
        "docker start",
    ),
    (
        "Error response from daemon: invalid restart policy 'unless-stoped'",
        ["restart-policy"],
        "--restart unless-stopped",
    ),
    (
        "Error response from daemon: Restart policy cannot be updated because AutoRemove is "
        "enabled for the container",
        ["restart-and-remove"],
        "without `--rm`",
    ),
    (
        "curl: (7) Failed to connect to localhost port 5979 after 0 ms: Couldn't connect to server",
        ["curl-not-connected"],
        "docker ps",
    ),
    ("curl: (56) Recv failure: Connection reset by peer", ["curl-cut-off"], "docker port"),
    ("curl: (52) Empty reply from server", ["curl-cut-off"], "5000/tcp"),
    # Keeping and deleting
    (
        "Error response from daemon: remove registry-data: volume is in use - [562bd422780b]",
        ["volume-in-use"],
        "`docker volume rm registry-data`",
    ),
    (
        'docker: Error response from daemon: invalid mount config for type "volume": invalid mount '
        "path: 'var/lib/registry' mount path must be absolute",
        ["mount-path"],
        "-v registry-data:/var/lib/registry",
    ),
    (
        "Error response from daemon: You cannot remove a running container "
        "94bfbc0934112540db7c16b77cee80c208d5941ec3d6078cc6d9036aa5ff4151. Stop the container "
        "before attempting removal or force remove",
        ["container-runs"],
        "docker stop",
    ),
    (
        # engine 28
        'Error response from daemon: cannot remove container "r": container is running: stop the '
        "container before removing or force remove",
        ["container-runs"],
        "docker rm -f",
    ),
    (
        "failed to garbage collect: failed to mark: filesystem: Path not found: /docker/registry/v2"
        "/repositories",
        ["nothing-to-collect"],
        "--volumes-from",
    ),
    (
        "configuration error: open /etc/distribution/config.yml: no such file or directory",
        ["configuration-missing"],
        "version that you run",
    ),
    (
        '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"OCI manifest found, but accept header '
        'does not support OCI manifests"}]}',
        ["accept-is-missing"],
        "application/vnd.oci.image.manifest.v1+json",
    ),
    (
        "Error response from daemon: login attempt to http://localhost:5974/v2/ failed with "
        "status: 400 Bad Request",
        ["login-broke"],
        "docker logs",
    ),
    (
        'level=error msg="error checking authorization: htpasswd: invalid entry at line 2: '
        '\\"\\\\x00\\"" go.version=go1.19.8',
        ["login-broke"],
        "as plain text",
    ),
    (
        f"$ docker push localhost:5000/x@{DIGEST}\ncannot push a digest reference",
        ["push-by-digest"],
        "`docker push localhost:5000/x:<tag>`",
    ),
    ("Error response from daemon: unknown blob", ["blobs-of-a-manifest-are-missing"], "again"),
    # Names
    (
        "invalid reference format: repository name (library/My-Image) must be lowercase",
        ["must-be-lowercase"],
        "Write `my-image`",
    ),
    (
        "docker: invalid reference format: repository name must be lowercase.\n"
        "See 'docker run --help'.",
        ["must-be-lowercase"],
        "Write `<lowercase>`",
    ),
    (
        "$ docker pull http://localhost:5971/x\ninvalid reference format",
        ["invalid-reference"],
        "`script/lab explain http://localhost:5971/x`",
    ),
    (
        'Error parsing reference: "localhost:5971/x:" is not a valid repository/tag: invalid '
        "reference format",
        ["invalid-reference"],
        "`script/lab explain localhost:5971/x:`",
    ),
    (
        'Error response from daemon: Get "https:/v2/": http: no Host in request URL',
        ["no-host"],
        "real name",
    ),
    (
        '{"errors":[{"code":"NAME_INVALID","message":"invalid repository name"}]}',
        ["name-invalid"],
        "script/lab explain",
    ),
    # Push and pull
    (
        "Using default tag: latest\nThe push refers to repository [localhost:5971/dec/never]\nAn "
        "image does not exist locally with the tag: localhost:5971/dec/never",
        ["not-tagged"],
        "`docker image tag <your image> localhost:5971/dec/never`",
    ),
    (
        # engine 29
        "The push refers to repository [localhost:5000/x]\ntag does not exist: localhost:5000/x:2\n"
        "learner@laptop:~$",
        ["not-tagged"],
        "`docker image tag <your image> localhost:5000/x:2`",
    ),
    (
        "Error response from daemon: manifest for localhost:5971/dec/bb:9 not found: manifest "
        "unknown: manifest unknown",
        ["manifest-unknown"],
        "`curl http://localhost:5971/v2/dec/bb/tags/list`",
    ),
    (
        # engine 29
        'Error response from daemon: failed to resolve reference "localhost:5000/x:9": '
        "localhost:5000/x:9: not found",
        ["manifest-unknown"],
        "`curl http://localhost:5000/v2/x/tags/list`",
    ),
    (
        "$ curl http://localhost:5971/v2/dec/bb/manifests/none\n"
        '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown",'
        '"detail":{"Tag":"none"}}]}',
        ["manifest-unknown"],
        "`curl http://localhost:5971/v2/dec/bb/tags/list`",
    ),
    (
        'Error response from daemon: Get "http://localhost:5979/v2/": dial tcp 127.0.0.1:5979: '
        "connect: connection refused",
        ["connection-refused"],
        "docker ps -a",
    ),
    (
        'Error response from daemon: Get "http://localhost:5000/v2/": dial tcp [::1]:5000: '
        "connect: connection refused",
        ["refused-on-ipv6"],
        "`127.0.0.1:5000`",
    ),
    (
        'Error response from daemon: Get "https://nosuch.lab:5000/v2/": dial tcp: lookup '
        "nosuch.lab on 10.255.255.53:53: no such host",
        ["no-such-host"],
        "Compare the name",
    ),
    (
        'Error response from daemon: Get "https://192.0.2.7:5000/v2/": net/http: request canceled '
        "while waiting for connection (Client.Timeout exceeded while awaiting headers)",
        ["timed-out"],
        "http://192.0.2.7:5000/v2/",
    ),
    (
        "Error response from daemon: error parsing HTTP 404 response body: invalid character '<' "
        'looking for beginning of value: "<!DOCTYPE HTML>\\n<html lang=\\"en\\">',
        ["not-a-registry"],
        "curl -i",
    ),
    (
        "Error response from daemon: error parsing HTTP 404 response body: invalid character 'p' "
        'after top-level value: "404 page not found\\n"',
        ["not-a-registry"],
        "curl -i",
    ),
    (
        'Error response from daemon: Get "http://localhost:5976/v2/": EOF',
        ["end-of-file"],
        "`-p 5976:5000`",
    ),
    (
        "Error response from daemon: received unexpected HTTP status: 500 Internal Server Error",
        ["registry-broke"],
        "{{.RepoDigests}}",
    ),
    (
        # engine 29
        "The push refers to repository [localhost:5000/x]\nmissing content: content digest "
        f"{DIGEST}: not found\nNote: You're trying to push a manifest list/index which references "
        "multiple platform specific manifests, but not all of them are available locally or "
        "available to the remote repository.",
        ["content-missing"],
        "--platform linux/amd64 localhost:5000/x",
    ),
    (
        "Error response from daemon: conflict: unable to remove repository reference "
        '"localhost:5000/x" (must force) - container e19dc988611c is using its referenced image '
        "775961255dfa",
        ["image-in-use"],
        "docker rm",
    ),
    (
        "docker: Error response from daemon: No such image: localhost:5971/none:latest",
        ["no-such-image"],
        "docker image ls",
    ),
    ("write /v2/x: no space left on device", ["disk-full"], "docker system df"),
    ("404 page not found", ["page-not-found"], "/v2/_catalog"),
    # The API's own errors
    (
        '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry",'
        '"detail":{"name":"none"}}]}',
        ["repository-unknown"],
        "_catalog",
    ),
    (
        '{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry","detail":'
        f'"{DIGEST}"}}]}}',
        ["blob-unknown"],
        "`layers`",
    ),
    (
        '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}',
        ["blobs-of-a-manifest-are-missing"],
        "docker restart",
    ),
    (
        '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}',
        ["upload-unknown"],
        "Push again",
    ),
    (
        '{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded '
        f'content","detail":{{"Digest":"{DIGEST}","Reason":{{}}}}}}]}}',
        ["digest-invalid"],
        "Docker-Content-Digest",
    ),
    (
        '{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}',
        ["unsupported"],
        "REGISTRY_STORAGE_DELETE_ENABLED=true",
    ),
    ("HTTP/1.1 405 Method Not Allowed", ["unsupported"], "DELETE_ENABLED"),
    (
        '{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{}}]}',
        ["manifest-invalid"],
        "Content-Type",
    ),
    (
        '{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Path":"/docker/'
        'registry/v2/repositories/dec/bb/_manifests/tags/sha256:00/current/link"}}]}',
        ["registry-broke"],
        "docker logs",
    ),
    (
        '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}',
        ["push-denied"],
        "docker login",
    ),
]

PUSHED = f"""$ docker push localhost:5971/dec/bb:1
The push refers to repository [localhost:5971/dec/bb]
aeffc1d128b9: Preparing
aeffc1d128b9: Pushed
61bd519a79b8: Layer already exists
1: digest: {DIGEST} size: 528
"""
HEALTHY_LOG = """time="2026-11-23T14:38:57.394214094Z" level=warning msg="No HTTP secret provided \
- generated random secret. This may cause problems with uploads if multiple registries are behind \
a load-balancer." go.version=go1.19.8 instance.id=eae10394 service=registry version=2.8.2+ds1
time="2026-11-23T14:38:24.589006077Z" level=error msg="response completed with error" \
err.code="blob unknown" err.detail="sha256:8ba955066b0c6c7bbba65fcc86ae7e7f00bb07a763f30dd2139aa666\
a6feba50" err.message="blob unknown to registry" go.version=go1.19.8 \
http.request.host="localhost:5971" http.request.method=HEAD http.response.status=404
time="2026-11-23T14:38:24.822915534Z" level=error msg="response completed with error" \
err.code="manifest unknown" err.detail="unknown tag=1" err.message="manifest unknown"
time="2026-11-23T14:38:26.208055912Z" level=error msg="response completed with error" \
err.code="name unknown" err.detail="map[name:none]" err.message="repository name not known to \
registry"
time="2026-11-23T14:38:58.44232155Z" level=warning msg="error authorizing context: basic \
authentication challenge for realm \\"R\\": invalid authorization credential" go.version=go1.19.8
172.17.0.1 - - [23/Nov/2026:14:38:24 +0000] "HEAD /v2/dec/none/manifests/1 HTTP/1.1" 404 91 ""
172.17.0.1 - - [23/Nov/2026:14:38:24 +0000] "GET /v2/ HTTP/1.1" 401 87 "" "docker/20.10.24"
"""
NEAR_MISSES = {
    "a push": PUSHED,
    "a pull": f"""Using default tag: latest
latest: Pulling from my-image
61db5a410682: Already exists
Digest: {DIGEST}
Status: Downloaded newer image for localhost:5000/my-image:latest
""",
    "an announcement": """Unable to find image 'localhost:5000/my-image:latest' locally
latest: Pulling from my-image
Status: Downloaded newer image for localhost:5000/my-image:latest
""",
    "the log of a healthy registry": HEALTHY_LOG,
    "a login": "Login Succeeded\nWARNING! Your credentials are stored unencrypted in '/x'.",
    "a logout": "Removing login credentials for localhost:5974",
    "another 401": '"GET /v2/ HTTP/1.1" 401 Unauthorized',
    "a tag of that name": "localhost:5000/manifest-unknown:no-basic-auth-credentials",
    "the words apart": "The manifest is there. Unknown is the tag. Denied: requested access.",
    "a removed image": f"Untagged: localhost:5000/x:latest\nDeleted: {DIGEST}",
    "an empty catalog": '{"repositories":[]}',
    "a running container": "Container registry is running. Port 5000 is in use by it.",
    "nothing": " \n\t",
}


@pytest.mark.parametrize(("text", "ids", "advice"), CASES, ids=[case[1][0] for case in CASES])
def test_an_error_is_recognised_with_its_values_in_the_advice(text, ids, advice):
    findings = decode(text)
    assert [finding.message.id for finding in findings] == ids
    assert advice in findings[0].next


@pytest.mark.parametrize("text", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_what_is_no_error_is_not_reported(text):
    assert decode(text) == []


def test_every_message_has_a_test_of_its_own():
    assert {message.id for message in MESSAGES} == {id for _, ids, _ in CASES for id in ids}


@pytest.mark.parametrize("text", [case[0] for case in CASES], ids=[case[1][0] for case in CASES])
def test_the_breaks_of_a_narrow_terminal_colours_and_prefixes_change_nothing(text):
    wanted = [(finding.message.id, finding.means, finding.next) for finding in decode(text)]

    def said(changed):
        return [(finding.message.id, finding.means, finding.next) for finding in decode(changed)]

    assert said(text.replace("\n", "\r\n")) == wanted
    assert said(f"\x1b[31mERROR: \x1b[0m\x1b]0;title\x07{text}\x1b[K\r\n") == wanted
    assert said(f"docker: Error response from daemon: {text}") == wanted
    for width in (80, 57):
        lines = [
            line[at : at + width]
            for line in text.splitlines()
            for at in range(0, max(1, len(line)), width)
        ]
        assert [id for id, _, _ in said("\n".join(lines))] == [id for id, _, _ in wanted]


def test_a_name_that_the_terminal_broke_is_put_together():
    (found,) = decode(
        'Head "http://localhost:59\n74/v2/apps/x/manifests/latest": no basic auth cred\nentials'
    )
    assert "`docker login localhost:5974`" in found.next


def test_quotes_that_a_word_processor_made_are_quotes():
    (found,) = decode(
        "Get \u201chttps://192.0.2.7:5000/v2/\u201d: x509: certificate has expired "
        "or is not yet valid"
    )
    assert found.message.id == "certificate-expired"


def test_several_errors_are_reported_once_each_the_most_specific_first():
    text = f"""{PUSH}no basic auth credentials
{PUSH}no basic auth credentials
invalid reference format
invalid reference format: repository name (My-Image) must be lowercase
{HEALTHY_LOG}
"""
    found = [finding.message.id for finding in decode(text)]
    assert found == ["no-basic-auth", "must-be-lowercase", "invalid-reference"]


def test_a_value_comes_from_what_stands_nearest_before_the_error():
    text = f"{PUSHED}{PUSH}no basic auth credentials\n$ docker push localhost:7000/z"
    assert "`docker login localhost:5974`" in decode(text)[0].next
    assert (
        "`docker login localhost:7000`"
        in decode("no basic auth credentials\n" + text[-32:])[0].next
    )


def test_what_the_text_does_not_tell_is_named():
    (found,) = decode("no basic auth credentials")
    assert "`docker login <registry>`" in found.next


def test_a_value_that_a_shell_would_run_is_left_out():
    text = "login attempt to http://x;reboot/v2/ failed with status: 401 Unauthorized\n{}"
    for evil in ("a;reboot", "$(reboot)", "`reboot`", "a b", "--help;x", "a\u202eb"):
        for line in (f"repository [{evil}/x]", f'reference "{evil}/x"', f"docker push {evil}/x;y"):
            for finding in decode(f"{line}\n{text}\nno basic auth credentials\nmanifest unknown"):
                assert "reboot" not in finding.means + finding.why + finding.next
                assert "\u202e" not in finding.said + finding.next


def test_a_finding_as_an_object_has_all_that_the_page_shows():
    row = decode(f"{PUSH}no basic auth credentials")[0].as_dict()
    assert list(row) == ["id", "title", "said", "means", "why", "next", "lesson", "page"]
    assert (row["id"], row["lesson"]) == ("no-basic-auth", "a-private-registry")
    assert row["said"] == "no basic auth credentials"
    assert row["page"] == "https://docs.docker.com/reference/cli/docker/login/"


def test_only_the_end_of_a_long_text_is_looked_at():
    assert decode("no basic auth credentials" + " x" * LIMIT) == []
    assert [f.message.id for f in decode("x " * LIMIT + "no basic auth credentials")] == [
        "no-basic-auth"
    ]


def hostile() -> list[str]:
    """Texts that begin a message again and again, and such as make patterns look far."""
    seeds = [
        "a",
        "0",
        '"',
        "'",
        "/",
        ":",
        "\\",
        "(",
        "\x1b[",
        "\x1b]",
        "\u0130",
        "a.",
        "a:",
        "::1:",
    ]
    seeds += ["docker push -a ", "https://a/v2/", "repository[", 'err.code="', "image'"]
    for message in MESSAGES:
        seeds.append(message.says)
        for pattern in message.patterns:
            pieces = re.split(r"\[[^\]]*\]\{[^}]*\}\??|\(\?(?:P<\w+>|:)|[)?|]", pattern)
            fixed = [piece.replace("\\", "") for piece in pieces if piece.strip()]
            seeds += [fixed[0], "".join(fixed)]
    return list(dict.fromkeys(seeds))


def test_no_text_keeps_the_decoder_long():
    decode("")  # the patterns are made ready
    slowest = (0.0, "")
    for seed in hostile():
        text = (seed * (LIMIT // len(seed) + 1))[:LIMIT]
        began = time.process_time()
        decode(text)
        slowest = max(slowest, (time.process_time() - began, seed))
    assert slowest[0] < 2, slowest


@pytest.mark.parametrize("message", MESSAGES, ids=[message.id for message in MESSAGES])
def test_a_message_is_whole(message):
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", message.id)
    assert message.lesson in LESSONS
    assert re.fullmatch(r"https://[a-z.]+/\S+", message.page)
    assert not message.title.endswith(".")
    shown = generic(message)
    for text in (shown.means, shown.why, shown.next):
        assert text.endswith((".", ".`"))
        assert text.count("`") % 2 == 0
        assert "{" not in text.replace("{{.RepoDigests}}", "").replace("`{}`", "")
    for pattern in _compiled(message):
        written = re.sub(r"\(\?P|\\[SWDB]", "", pattern.pattern)
        assert written == written.lower()  # the text is made lower case too
        assert not re.search(r"(?<!\\)[*+](?!\?*[\]>])", re.sub(r"\[[^\]]*\]", "", written)), (
            pattern
        )


def test_no_two_messages_share_an_id():
    assert len({message.id for message in MESSAGES}) == len(MESSAGES)


def test_the_words_of_a_message_are_recognised_as_that_message():
    for message in MESSAGES:
        found = [finding.message.id for finding in decode(message.says.replace("…", " x: "))]
        assert message.id in found, message.id
