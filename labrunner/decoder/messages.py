"""The messages that the decoder knows, from the specific to the general.

Where two could stand in the same words, the one further up has them. The texts are templates: what
stands in braces is found in the pasted text, or shown as `<its name>`. Words of engines up to 28
and of engine 29, of registry 2 and 3, of Docker Desktop, Windows, Podman and curl.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST, NAMES, REGISTRY, PUSH = "what-a-registry-is", "names", "your-own-registry", "push-and-pull"
INSIDE, TAGS, KEEP = "inside-a-registry", "tags-and-digests", "keep-what-you-push"
PRIVATE, ACROSS, DELETE = "a-private-registry", "from-another-host", "delete-and-reclaim"

DOCS = "https://docs.docker.com"
DISTRIBUTION = "https://distribution.github.io/distribution"
CERTIFICATES = f"{DOCS}/engine/security/certificates/"
CODES = "https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes"
DEPLOYING = f"{DISTRIBUTION}/about/deploying/"
INSECURE = f"{DISTRIBUTION}/about/insecure/"
CONFIGURATION = f"{DISTRIBUTION}/about/configuration/"
PORTS = f"{DOCS}/engine/network/port-publishing/"
START = f"{DOCS}/engine/daemon/start/"
LOGIN = f"{DOCS}/reference/cli/docker/login/"
TAG = f"{DOCS}/reference/cli/docker/image/tag/"


@dataclass(frozen=True)
class Message:
    """An error that learners meet. `says` are its words; the patterns are explained in `decoder`,
    and their named groups are the values of the texts. `lesson` is a slug, `page` an address."""

    id: str
    says: str
    title: str
    means: str
    why: str
    next: str
    lesson: str
    page: str
    patterns: tuple[str, ...]


_ADDRESS = r"(?:[\d.]{7,15}|\[?[0-9a-f:]{2,39}\]?)"
_HOST = r"(?:[a-z0-9.-]{1,255}|\[[0-9a-f:]{2,39}\])(?::\d{1,5})?"
_ENDPOINT = r"(?:on endpoint (?P<name>[a-z0-9][a-z0-9_.-]{0,127}) \( [0-9a-f]{64} \) :)?"
_DENIED = r"repository does not exist or may require authorization :?"
_DESKTOP = (
    r"(?:ports are not available: (?:exposing port (?:tcp|udp) [\d.:\[\]]{0,45} ->"
    r"[\d.:\[\]]{0,45} :)?)?"
)

MESSAGES = (
    # Who may come in
    Message(
        id="no-basic-auth",
        says="no basic auth credentials",
        title="You are not logged in to this registry",
        means="The registry `{registry}` asks for a user name and a password, and the engine has "
        "none for it.",
        why="You have not logged in, you have logged out, or you logged in under another name of "
        "the same host: `localhost:5000` and `127.0.0.1:5000` are two logins. With `sudo`, "
        "`docker` looks in the other user's logins.",
        next="`docker login {registry}`, then the same command again.",
        lesson=PRIVATE,
        page=LOGIN,
        patterns=(
            rf"(?:(?:push|pull) access denied, {_DENIED} (?:server message: [a-z_:]{{1,60}} )?"
            r"authorization failed:)? no basic auth credentials",
        ),
    ),
    Message(
        id="login-refused",
        says="login attempt to http://localhost:5000/v2/ failed with status: 401 Unauthorized",
        title="The registry refuses this login",
        means="The registry `{registry}` was asked, and does not accept this user name with this "
        "password.",
        why="There is a slip in one of the two. Or the hash in the password file is not bcrypt: "
        "the registry accepts no other.",
        next="Try once more, with care. If it is your own registry, look into its password file: "
        "behind the colon the hash must begin with `$2a$`, `$2b$` or `$2y$`. Else make it anew: "
        "`docker run --rm --entrypoint htpasswd httpd:2 -Bbn <user> <password>`.",
        lesson=PRIVATE,
        page=f"{DISTRIBUTION}/about/configuration/#htpasswd",
        patterns=(
            rf"login attempt to https?:// (?P<registry>{_HOST}) /v2/ failed with status:"
            r"401 unauthorized",
            r"error authenticating creds for \"(?P<registry>[^\"]{1,255})\" :",
        ),
    ),
    Message(
        id="login-broke",
        says="login attempt to http://localhost:5000/v2/ failed with status: 400 Bad Request",
        title="The registry cannot read its password file",
        means="The registry `{registry}` wanted to look for the user in its password file, and "
        "could not.",
        why="At the path in `REGISTRY_AUTH_HTPASSWD_PATH` is a folder, or a file with a line that "
        "is not a name, a colon and a hash. In PowerShell 5, `>` writes UTF-16, which the "
        "registry cannot read.",
        next="`docker logs <container>` says which. Write the file anew, as plain text, with one "
        "line for each user.",
        lesson=PRIVATE,
        page=f"{DISTRIBUTION}/about/configuration/#htpasswd",
        patterns=(
            rf"login attempt to https?:// (?P<registry>{_HOST}) /v2/ failed with status: 400",
            r"htpasswd: invalid entry at line \d",
        ),
    ),
    Message(
        id="wrong-password",
        says="unauthorized: incorrect username or password",
        title="User name or password is wrong",
        means="The service that hands out the logins does not know this user with this password.",
        why="There is a slip in one of them, or an old login is stored. With two-factor "
        "authentication, Docker Hub wants an access token in place of the password.",
        next="`docker logout` forgets what is stored. Then `docker login`, with an access token.",
        lesson=PRIVATE,
        page=f"{DOCS}/security/access-tokens/",
        patterns=(r"incorrect username or password", r"invalid username/password"),
    ),
    Message(
        id="hash-is-not-bcrypt",
        says="hashedSecret too short to be a bcrypted password",
        title="The password file has a hash that is not bcrypt",
        means="The registry found the user in its password file, and cannot read the hash beside "
        "the name.",
        why="The registry knows bcrypt only. `htpasswd` writes MD5 unless it is told otherwise.",
        next="Make the file anew, with `-B` for bcrypt: `docker run --rm --entrypoint htpasswd "
        "httpd:2 -Bbn <user> <password>`.",
        lesson=PRIVATE,
        page=f"{DISTRIBUTION}/about/configuration/#htpasswd",
        patterns=(r"hashedsecret too short to be a bcrypted password", r"crypto/bcrypt: [a-z]"),
    ),
    Message(
        id="authentication-failure",
        says='error authenticating user "alice": authentication failure',
        title="The registry's log: a login was refused",
        means="Somebody logged in as `{user}`, and the registry did not accept it.",
        why="The password is wrong, there is no such user in the password file, or the hash in it "
        "is not bcrypt: registry 2 uses these words for all three.",
        next="Look into the password file: the hash behind `{user}:` must begin with `$2a$`, "
        "`$2b$` or `$2y$`. If it does, the name or the password is wrong.",
        lesson=PRIVATE,
        page=f"{DISTRIBUTION}/about/configuration/#htpasswd",
        patterns=(
            r"error authenticating user \"(?P<user>[^\"]{1,200})\" : authentication failure",
        ),
    ),
    Message(
        id="realm-missing",
        says='"realm" must be set for htpasswd access controller',
        title="The registry lacks a realm, and does not start",
        means="The registry is told to ask for passwords, and not what to call the area that they "
        "are for.",
        why="With `REGISTRY_AUTH=htpasswd` two more settings are needed: a realm and a path.",
        next="Remove the container, and start it with both as well: `-e "
        "REGISTRY_AUTH_HTPASSWD_REALM=Registry -e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd`.",
        lesson=PRIVATE,
        page=f"{DISTRIBUTION}/about/configuration/#htpasswd",
        patterns=(r"\"(?P<setting>realm|path)\" must be set for htpasswd access controller",),
    ),
    Message(
        id="password-file-missing",
        says="htpasswd is missing, provisioning with default user",
        title="The registry found no password file, and made one up",
        means="There is no file at the path that `REGISTRY_AUTH_HTPASSWD_PATH` names. The "
        "registry made one, with the user `docker` and a random password, which stands in this "
        "line.",
        why="The file is not mounted into the container, or under another name.",
        next='Compare the path with the mount: `-v "$PWD/auth:/auth:ro"` brings the file '
        "`auth/htpasswd` of the current folder to `/auth/htpasswd`.",
        lesson=PRIVATE,
        page=f"{DISTRIBUTION}/about/configuration/#htpasswd",
        patterns=(r"htpasswd is missing, provisioning with default user",),
    ),
    Message(
        id="not-a-terminal",
        says="Cannot perform an interactive login from a non TTY device",
        title="docker login cannot ask you for the password",
        means="`docker login` wants to ask for a name and a password, and nobody sits at its "
        "input.",
        why="It runs in a script, a pipe or a container without `-it`.",
        next="Give it the password on its standard input: `docker login --username <user> "
        "--password-stdin {registry} < password.txt`.",
        lesson=PRIVATE,
        page=LOGIN,
        patterns=(r"cannot perform an interactive login from a non[ -]?tty device",),
    ),
    Message(
        id="rate-limit",
        says="toomanyrequests: You have reached your unauthenticated pull rate limit",
        title="Docker Hub lets you pull no more for now",
        means="Docker Hub counts pulls, by your address if you are not logged in, and your count "
        "is used up.",
        why="Everybody behind the same address counts together, as in a classroom or an office.",
        next="For this course, take the images from the kit: `script/lab kit get`. Else wait, or "
        "log in with `docker login`: a user has a count of their own.",
        lesson=FIRST,
        page=f"{DOCS}/docker-hub/usage/",
        patterns=(
            r"(?:toomanyrequests: )? you have reached your (?:unauthenticated )? pull rate limit",
            r"toomanyrequests:",
            r"\"code\":\"toomanyrequests\"",
            r"429 too many requests",
        ),
    ),
    Message(
        id="pull-access-denied",
        says="pull access denied for my-image, repository does not exist or may require 'docker "
        "login'",
        title="Docker Hub does not give you this image",
        means="Docker Hub was asked for `{repository}`, and there is no such repository, or none "
        "that you may see.",
        why="A name without a registry in front means Docker Hub. Often the image is in your own "
        "registry, and its address was left out. Docker Hub does not tell a missing repository "
        "from a private one.",
        next="Put your registry's address in front, as in `docker pull localhost:5000/{image}`. "
        "If you do mean Docker Hub, search for the name there, and `docker login` for a private "
        "repository.",
        lesson=PUSH,
        page=TAG,
        patterns=(
            r"pull access denied for (?P<reference>[a-z0-9_-]{1,99}(?:/[a-z0-9_./-]{1,200}?)?)"
            r", repository does not exist or may require 'docker login'"
            r"(?:: denied: requested access to the resource is denied)?",
            r"reference \"(?P<reference>docker\.io/[^\"]{1,300})\" : pull access denied,"
            rf"{_DENIED} (?:server message: insufficient_scope:)? authorization failed",
        ),
    ),
    Message(
        id="pull-denied",
        says="pull access denied, repository does not exist or may require authorization",
        title="The registry does not give you this image",
        means="`{registry}` was asked for `{repository}`, and there is no such repository, or "
        "none that you may see.",
        why="Registries with many users do not tell a missing repository from a private one.",
        next="Compare the name, letter by letter. Then `docker login {registry}`, and again.",
        lesson=PRIVATE,
        page=LOGIN,
        patterns=(
            r"pull access denied for (?P<reference>[a-z0-9_.:/-]{1,300}?)"
            r", repository does not exist or may require 'docker login'"
            r"(?:: denied: requested access to the resource is denied)?",
            rf"pull access denied, {_DENIED} (?:server message: insufficient_scope:)?"
            r"(?:authorization failed)?",
        ),
    ),
    Message(
        id="push-denied",
        says="denied: requested access to the resource is denied",
        title="You may not push there",
        means="`{registry}` does not let you write to the repository `{repository}`.",
        why="A name without a registry in front goes to Docker Hub: `my-image` is "
        "`docker.io/library/my-image` there, where only the official images are. Elsewhere your "
        "user lacks the right to push, or is not logged in.",
        next="Name the image after your own registry, `docker image tag {image} "
        "localhost:5000/{image}`, then `docker push localhost:5000/{image}`. If you do mean "
        "`{registry}`: `docker login {registry}`, and push to an account of yours.",
        lesson=PUSH,
        page=TAG,
        patterns=(
            r"denied: requested access to the resource is denied",
            rf"push access denied, {_DENIED} (?:server message: insufficient_scope:)?"
            r"(?:authorization failed)?",
            r"\"code\":\"denied\"",
        ),
    ),
    Message(
        id="unauthorized",
        says='{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
        title="The registry asks for a password",
        means="The request came without a login that the registry `{registry}` accepts.",
        why="Such a registry answers 401 to everyone who does not say who they are, also at "
        "`/v2/`. That it does shows that its door is locked.",
        next="With curl, name the user: `curl -u <user> http://{registry}/v2/_catalog`; it asks "
        "for the password. With Docker: `docker login {registry}`.",
        lesson=PRIVATE,
        page=CODES,
        patterns=(
            r"\"code\":\"unauthorized\"",
            r"unauthorized: (?:authentication required|access to the requested resource)",
            r"unexpected status(?: code)? [^\"]{0,200}: 401 unauthorized",
        ),
    ),
    # The way there: HTTP, HTTPS, certificates
    Message(
        id="podman-plain-http",
        says='pinging container registry localhost:5000: Get "https://localhost:5000/v2/": http: '
        "server gave HTTP response to HTTPS client",
        title="Podman wants encryption, also on localhost",
        means="The registry at `{registry}` speaks plain HTTP, and Podman asked for HTTPS.",
        why="Docker allows plain HTTP with its own machine. Podman makes no such exception.",
        next="Say it with each command: `podman push --tls-verify=false {reference}`. The option "
        "is the same for `pull` and `login`.",
        lesson=ACROSS,
        page="https://docs.podman.io/en/latest/markdown/podman-push.1.html",
        patterns=(
            rf"pinging (?:container|docker) registry (?:returned|{_HOST}) : get \"?"
            rf"https:// (?P<registry>{_HOST}) /v2/ \"? : http: server gave http response to https "
            r"client",
            r"https:// (?P<registry>(?:localhost|127\.[\d.]{5,11}|\[::1\])(?::\d{1,5})?) /"
            r"[^\"]{0,300} \"? : http: server gave http response to https client",
        ),
    ),
    Message(
        id="http-response-to-https-client",
        says="http: server gave HTTP response to HTTPS client",
        title="The engine wants encryption, and the registry speaks plain HTTP",
        means="The engine asked `{registry}` by HTTPS, and the answer came in plain HTTP.",
        why="Engines allow plain HTTP only with their own machine: `localhost` and addresses that "
        "begin with `127.`. Any other name or address needs HTTPS.",
        next="On the registry's own machine, use `localhost:{port}` in its place. From another "
        'host, give the registry a certificate. Or, for a trial, write `"insecure-registries": '
        '["{registry}"]` into `/etc/docker/daemon.json` of the host that pulls, and reload its '
        "engine.",
        lesson=ACROSS,
        page=INSECURE,
        patterns=(
            rf"(?:https:// (?P<registry>{_HOST}) / [^\"]{{0,300}} \"? :)?"
            r"(?:http: )? server gave http response to https client",
            r"tls: first record does not look like a tls handshake",
        ),
    ),
    Message(
        id="http-request-to-https-server",
        says="Client sent an HTTP request to an HTTPS server.",
        title="You asked in plain HTTP, and the registry speaks HTTPS",
        means="The registry has a certificate now and speaks HTTPS only.",
        why="The address begins with `http://`.",
        next="`curl --cacert ca.crt https://{registry}/v2/`, with the certificate of the CA that "
        "signed the registry's.",
        lesson=ACROSS,
        page=DEPLOYING,
        patterns=(r"client sent an http request to an https server",),
    ),
    Message(
        id="another-ca-of-that-name",
        says="x509: certificate signed by unknown authority (possibly because of … while trying "
        "to verify candidate authority certificate …)",
        title="The CA that the host trusts has the right name, but another key",
        means="The host knows a CA with the name that stands in the certificate. That CA did not "
        "sign it.",
        why="The CA was made twice, and the host still has the `ca.crt` of the first time.",
        next="Copy the newest `ca.crt` to `/etc/docker/certs.d/{registry}/ca.crt` on the host "
        "that pulls. It counts at once.",
        lesson=ACROSS,
        page=CERTIFICATES,
        patterns=(
            r"certificate signed by unknown authority \( possibly because of [^()]{1,200}"
            r"candidate authority certificate",
        ),
    ),
    Message(
        id="unknown-authority",
        says="x509: certificate signed by unknown authority",
        title="The host does not trust the CA behind the certificate",
        means="`{registry}` showed a certificate, and the engine does not know who signed it.",
        why="You signed it with a CA of your own, as is right for a registry of your own. Each "
        "host that pulls must be told to trust that CA, in a folder named after the registry, "
        "with its port.",
        next="On the host that pulls: `sudo mkdir -p /etc/docker/certs.d/{registry}`, then `sudo "
        "cp ca.crt /etc/docker/certs.d/{registry}/ca.crt`. It counts at once.",
        lesson=ACROSS,
        page=CERTIFICATES,
        patterns=(r"certificate signed by unknown authority",),
    ),
    Message(
        id="no-ip-sans",
        says="x509: cannot validate certificate for 192.0.2.7 because it doesn't contain any IP "
        "SANs",
        title="The certificate is not for an address",
        means="You went to `{address}`, and no IP address stands in the certificate.",
        why="A certificate is for the names and addresses in its subject alternative name (SAN), "
        "and for nothing else. An address stands there as `IP:`, not as `DNS:`.",
        next="Make the certificate anew with `subjectAltName=DNS:<name>,IP:{address}`, and start "
        "the registry with it. Or use the name that it is for.",
        lesson=ACROSS,
        page=CERTIFICATES,
        patterns=(
            rf"cannot validate certificate for (?P<address>{_ADDRESS}) because it doesn't contain "
            r"any ip sans",
        ),
    ),
    Message(
        id="no-san",
        says="x509: certificate relies on legacy Common Name field, use SANs instead",
        title="The certificate names its host in the wrong place only",
        means="The host's name stands in the common name of the certificate, and there is no "
        "subject alternative name (SAN) for it.",
        why="Engines and curl no longer look at the common name. `openssl req -subj` alone sets "
        "only that.",
        next="Make the certificate anew with `subjectAltName=DNS:{wanted}` (`IP:` for an address) "
        "in a file that `openssl x509 -req` gets as `-extfile`, and start the registry with it.",
        lesson=ACROSS,
        page=DEPLOYING,
        patterns=(
            r"certificate relies on legacy common name field",
            r"certificate is not valid for any names, but wanted to match "
            r"(?P<wanted>[a-z0-9.:-]{1,255})",
            r"ssl: certificate subject name '[^']{1,200}' does not match target (?:host|hostname)?"
            r"(?:name)? '(?P<wanted>[^']{1,200})'",
        ),
    ),
    Message(
        id="certificate-for-another-name",
        says="x509: certificate is valid for registry.lab, not registry.example",
        title="The certificate is for another name",
        means="You went to `{wanted}`, and the certificate is for others: `{names}`.",
        why="A certificate counts for exactly the names and addresses in its subject alternative "
        "name (SAN).",
        next="Use a name that it is for. Or make it anew with `{wanted}` among its SANs, as "
        "`DNS:` for a name and `IP:` for an address, and start the registry with it.",
        lesson=ACROSS,
        page=CERTIFICATES,
        patterns=(
            r"certificate is valid for (?P<names>[a-z0-9.:,*-]{1,300}?) , not (?P<wanted>"
            r"[a-z0-9.:-]{1,255})",
            r"no alternative certificate subject name matches target (?:host|hostname)? (?:name)?"
            r"'(?P<wanted>[^']{1,200})'",
        ),
    ),
    Message(
        id="certificate-expired",
        says="x509: certificate has expired or is not yet valid",
        title="The certificate is not valid today",
        means="The day of the engine's clock is not between the certificate's first and last day.",
        why="It has run out, or a clock is wrong: virtual machines that slept are often late.",
        next="Look at both: `date`, and `openssl x509 -in registry.crt -noout -dates`. Then make "
        "a new certificate, or set the clock.",
        lesson=ACROSS,
        page=DEPLOYING,
        patterns=(r"certificate has expired or is not yet valid",),
    ),
    Message(
        id="client-key-missing",
        says="missing key client.key for client certificate client.cert",
        title="A file in certs.d has the wrong ending",
        means="In the folder of `certs.d`, `{file}` is taken for a certificate that the engine is "
        "to show, and its key is missing.",
        why="The ending decides: `.crt` is a CA to trust, `.cert` the engine's own certificate.",
        next="Name the CA's file `ca.crt`.",
        lesson=ACROSS,
        page=CERTIFICATES,
        patterns=(
            r"missing key [a-z0-9_.-]{1,200}? for client certificate (?P<file>[a-z0-9_.-]{1,200}?"
            r"\.cert)",
        ),
    ),
    Message(
        id="curl-does-not-trust",
        says="curl: (60) SSL certificate problem: unable to get local issuer certificate",
        title="curl does not trust the CA behind the certificate",
        means="The server showed a certificate, and curl does not know who signed it.",
        why="curl asks the system's list of CAs, where yours is not. What stands in "
        "`/etc/docker/certs.d` is for the engine only.",
        next="Give curl the CA: `curl --cacert ca.crt https://<registry>/v2/`.",
        lesson=ACROSS,
        page="https://curl.se/docs/sslcerts.html",
        patterns=(
            r"(?:curl: \(60\) )? ssl certificate problem: (?:unable to get local issuer|self[ -]?"
            r"signed)",
        ),
    ),
    Message(
        id="wrong-version-number",
        says="curl: (35) … wrong version number",
        title="You asked in HTTPS, and the registry speaks plain HTTP",
        means="curl began to encrypt, and the answer came in plain HTTP.",
        why="The address begins with `https://`, and this registry has no certificate.",
        next="Write `http://`, as in `curl http://localhost:5000/v2/`.",
        lesson=REGISTRY,
        page=DEPLOYING,
        patterns=(
            r"curl: \(35\) [^()]{0,100} wrong version number",
            r"ssl routines:[a-z0-9_]{0,40}:wrong version number",
        ),
    ),
    # The engine
    Message(
        id="socket-permission",
        says="permission denied while trying to connect to the Docker daemon socket",
        title="You may not use the engine",
        means="The engine is there, and its socket is closed to your user.",
        why="On Linux the socket belongs to root and to the group `docker`. Who is in that group "
        "can do on the machine what root can.",
        next="Join the group with `sudo usermod -aG docker $USER`, then log out and in again. Or "
        "put `sudo` in front.",
        lesson=FIRST,
        page=f"{DOCS}/engine/install/linux-postinstall/",
        patterns=(
            r"permission denied while trying to connect to the docker (?:daemon socket|api)"
            r"(?: at [a-z]{2,5}:// [a-z0-9_./-]{1,99})?",
        ),
    ),
    Message(
        id="engine-not-running",
        says="Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
        "daemon running?",
        title="No engine answers",
        means="The `docker` command works. The engine behind it, the Docker daemon, does not "
        "answer.",
        why="It is not running, or `DOCKER_HOST` or the Docker context points to another one.",
        next="Start it: Docker Desktop by its icon, on Linux `sudo systemctl start docker`. "
        "`script/lab doctor` then says whether all is well.",
        lesson=FIRST,
        page=START,
        patterns=(
            r"cannot connect to the docker daemon(?: at [a-z]{2,5}:// [^\s?]{1,150}?"
            r"\. is the docker daemon running)?",
            r"failed to connect to the docker api at [a-z]{2,5}:// [^;]{1,150}; check if the path "
            r"is correct and if the daemon is running (?:: (?:dial [a-z]{3,4} [^\s]{1,99}? "
            r"(?:connection refused|no such file or directory)|open [^\s]{1,99}? the system cannot "
            r"find the file specified))?",
            r"open //\./pipe/docker[a-z_]{0,40} : the system cannot find the file specified",
            r"docker desktop is unable to start",
        ),
    ),
    Message(
        id="client-too-old",
        says="client version 1.24 is too old. Minimum supported API version is 1.44",
        title="A program is too old for the engine",
        means="A program speaks version {version} of the engine's API, and the engine wants "
        "{minimum} or newer.",
        why="Engine 29.0 to 29.2 wants 1.44, that is Docker 25. Engine 29.3 is content with 1.40.",
        next="Update the program that says it: the `docker` command, Docker Compose, or whatever "
        "else speaks to the engine. `docker version` shows both sides.",
        lesson=FIRST,
        page=f"{DOCS}/engine/release-notes/29/",
        patterns=(
            r"client version (?P<version>\d\.\d{1,3}) is too old \. (?:minimum supported api "
            r"version is (?P<minimum>\d\.\d{1,3}))?",
        ),
    ),
    # Starting a registry
    Message(
        id="port-is-allocated",
        says="Bind for 0.0.0.0:5000 failed: port is already allocated",
        title="Another container has the port",
        means="Your port {port} is published by another container.",
        why="Two containers cannot share a port of the machine. Perhaps it is your registry from "
        "before, which still runs.",
        next="`docker ps` shows it in the column PORTS. Stop that container, or publish another "
        "port: `-p {another_port}:5000`. The one that failed keeps its name: `docker rm {name}` "
        "before you try again.",
        lesson=REGISTRY,
        page=PORTS,
        patterns=(
            rf"{_ENDPOINT} bind for {_ADDRESS}:(?P<port>\d{{1,5}}) failed: port is already "
            r"allocated",
        ),
    ),
    Message(
        id="port-is-reserved",
        says="Ports are not available: … An attempt was made to access a socket in a way "
        "forbidden by its access permissions.",
        title="Windows keeps the port for itself",
        means="Windows does not give out port {port}.",
        why="It reserves ranges of ports, for Hyper-V mostly, and they change with each start.",
        next="`netsh interface ipv4 show excludedportrange protocol=tcp` lists the ranges. "
        "Publish a port outside of them: `-p <another port>:5000`.",
        lesson=REGISTRY,
        page=f"{DOCS}/desktop/troubleshoot-and-support/troubleshoot/topics/",
        patterns=(
            rf"{_DESKTOP} listen tcp[46]? [\d.:\[\]]{{0,45}}:(?P<port>\d{{1,5}}): bind: an attempt "
            r"was made to access a socket in a way forbidden by its access permissions",
            r"forbidden by its access permissions",
        ),
    ),
    Message(
        id="address-in-use",
        says="listen tcp4 0.0.0.0:5000: bind: address already in use",
        title="A program of this machine has the port",
        means="Your port {port} is in use by a program that is not a container.",
        why="On a Mac, port 5000 is AirPlay Receiver's. A web application in development often "
        "uses 5000 too.",
        next="End that program: `sudo ss -ltnp 'sport = :{port}'` names it on Linux, `lsof -i "
        ":{port}` on a Mac. Or publish another port: `-p {another_port}:5000`. The container that "
        "failed keeps its name: `docker rm {name}` before you try again.",
        lesson=REGISTRY,
        page=PORTS,
        patterns=(
            rf"{_ENDPOINT} {_DESKTOP} (?:error starting userland proxy: )? listen tcp[46]?"
            r"[\d.:\[\]]{0,45}:(?P<port>\d{1,5}): bind: (?:address already in use|only one usage "
            r"of each socket address)",
            rf"{_ENDPOINT} failed to bind host port (?:for )? {_ADDRESS}:(?P<port>\d{{1,5}})"
            r"[\d.:/a-z]{0,60}? : address already in use",
        ),
    ),
    Message(
        id="ports-not-available",
        says="Ports are not available: exposing port TCP 0.0.0.0:5000",
        title="Docker Desktop cannot have the port",
        means="Docker Desktop asked your system for port {port}, and did not get it.",
        why="A program has it. On a Mac, port 5000 is AirPlay Receiver's; on Windows it may lie "
        "in a reserved range.",
        next="Publish another port: `-p {another_port}:5000`.",
        lesson=REGISTRY,
        page=PORTS,
        patterns=(
            r"ports are not available: (?:exposing port (?:tcp|udp) [\d.:\[\]]{0,45}:(?P<port>"
            r"\d{1,5}))?",
        ),
    ),
    Message(
        id="name-in-use",
        says='Conflict. The container name "/registry" is already in use by container',
        title="A container of that name exists",
        means="There is a container `{name}`, running or not, and a name is given once.",
        why="It is left from an earlier try, perhaps one that failed: a container that could not "
        "start is there all the same.",
        next="`docker ps -a --filter name={name}` shows it. If you need it, `docker start "
        "{name}`; if not, `docker rm -f {name}`. Or give the new one another name.",
        lesson=REGISTRY,
        page=f"{DOCS}/reference/cli/docker/container/rm/",
        patterns=(
            r"the container name \"/?(?P<name>[a-z0-9][a-z0-9_.-]{0,127})\" is already in use",
        ),
    ),
    Message(
        id="no-such-container",
        says="No such container: registry",
        title="There is no container of that name",
        means="The engine has no container `{name}`, neither running nor stopped.",
        why="There is a slip in the name. Or the container was started with `--rm` and removed "
        "itself at its end.",
        next="`docker ps -a` lists all names, in its last column.",
        lesson=REGISTRY,
        page=f"{DOCS}/reference/cli/docker/container/ls/",
        patterns=(r"no such container: (?P<name>[a-z0-9][a-z0-9_.-]{0,127})?",),
    ),
    Message(
        id="container-not-running",
        says="Container 0258e7e9a1c8 is not running",
        title="The container is not running",
        means="The command works on a running container only, and this one has ended.",
        why="Its program ended, was stopped, or never started.",
        next="`docker ps -a` shows how it ended, `docker logs <container>` why, and `docker start "
        "<container>` starts it again.",
        lesson=REGISTRY,
        page=f"{DOCS}/reference/cli/docker/container/logs/",
        patterns=(
            r"container [0-9a-f]{12,64} is not running",
            r"cannot (?:kill|join) [^\s]{1,200}? is not running",
        ),
    ),
    Message(
        id="restart-policy",
        says="invalid restart policy 'unless-stoped'",
        title="There is no such restart policy",
        means="The policies are `no`, `on-failure`, `always` and `unless-stopped`.",
        why="There is a slip in the name, here `{policy}`.",
        next="`docker update --restart unless-stopped <container>`.",
        lesson=REGISTRY,
        page=f"{DOCS}/engine/containers/start-containers-automatically/",
        patterns=(r"invalid restart policy:? (?:unknown policy)? '(?P<policy>[^']{1,60})'",),
    ),
    Message(
        id="restart-and-remove",
        says="Restart policy cannot be updated because AutoRemove is enabled for the container",
        title="This container removes itself at its end",
        means="It was started with `--rm`, so there is nothing left that could be started again.",
        why="`--rm` and a restart policy rule each other out.",
        next="Remove it and start it anew, without `--rm` and with `--restart unless-stopped`.",
        lesson=REGISTRY,
        page=f"{DOCS}/engine/containers/start-containers-automatically/",
        patterns=(
            r"restart policy cannot be updated because autoremove is enabled",
            r"conflicting options: cannot specify both --restart and --rm",
        ),
    ),
    Message(
        id="curl-not-connected",
        says="curl: (7) Failed to connect to localhost port 5000",
        title="Nothing listens on that port",
        means="curl reached the machine `{host}`, and nothing listens on its port {port}.",
        why="The registry is not running, publishes no port, or publishes another one. Or it has "
        "just been started, and is not ready yet.",
        next="`docker ps` shows it with its ports. If it is not there, `docker ps -a` shows "
        "whether it has ended.",
        lesson=REGISTRY,
        page=DEPLOYING,
        patterns=(
            r"curl: \(7\) failed to connect to (?P<host>[a-z0-9.:-]{1,255}?) "
            r"port (?P<port>\d{1,5})",
        ),
    ),
    Message(
        id="curl-cut-off",
        says="curl: (56) Recv failure: Connection reset by peer",
        title="The port is published, and nobody is behind it",
        means="The engine took the connection at the published port, and found nobody to give it "
        "to.",
        why="The port is published to a container port where nothing listens; a registry listens "
        "on 5000. Or it is still starting.",
        next="Wait a second and repeat. Then look at `docker port <container>`: the line must "
        "begin with `5000/tcp`. If it does not, make the container anew, with `-p <port>:5000`.",
        lesson=REGISTRY,
        page=PORTS,
        patterns=(
            r"curl: \(52\) empty reply from server",
            r"curl: \(56\) recv failure: connection reset by peer",
        ),
    ),
    # Keeping and deleting
    Message(
        id="volume-in-use",
        says="remove registry-data: volume is in use",
        title="A container uses this volume",
        means="The engine keeps the volume, because a container has it mounted.",
        why="A stopped container counts as well. Its id stands between the brackets.",
        next="If you want the volume and all that is in it gone, remove the container first: "
        "`docker rm -f <container>`, then `docker volume rm {volume}`.",
        lesson=KEEP,
        page=f"{DOCS}/engine/storage/volumes/",
        patterns=(
            r"remove (?P<volume>[a-z0-9][a-z0-9_.-]{1,200}?) : volume is in use",
            r"volume is in use",
        ),
    ),
    Message(
        id="mount-path",
        says="invalid mount path: 'var/lib/registry' mount path must be absolute",
        title="The path in the container lacks its slash",
        means="Behind the colon of `-v` stands `{path}`, and that does not begin with `/`.",
        why="A container has no current folder that the path could start from.",
        next="Write it with the slash, as in `-v registry-data:/var/lib/registry`.",
        lesson=KEEP,
        page=f"{DOCS}/engine/storage/volumes/",
        patterns=(r"(?:invalid mount path: '(?P<path>[^']{1,200})')? mount path must be absolute",),
    ),
    Message(
        id="container-runs",
        says="You cannot remove a running container",
        title="The container is running still",
        means="`docker rm` removes stopped containers only.",
        why="What runs may be in use. What you pushed is lost with the container, unless it is in "
        "a volume or a folder that you named.",
        next="`docker stop <container>`, then `docker rm <container>`; or both with `docker rm -f "
        "<container>`.",
        lesson=KEEP,
        page=f"{DOCS}/reference/cli/docker/container/rm/",
        patterns=(
            r"you cannot remove a running container",
            r"cannot remove container [^\s]{1,200}? container is running",
        ),
    ),
    Message(
        id="nothing-to-collect",
        says="failed to garbage collect: failed to mark: filesystem: Path not found: "
        "/docker/registry/v2/repositories",
        title="The collector looks into an empty storage",
        means="The garbage collection found no repositories.",
        why="It runs in a new container, which has a volume of its own. Or nothing has been "
        "pushed.",
        next="Give it the registry's volumes, with the registry stopped: `docker run --rm "
        "--volumes-from <container> registry:2 garbage-collect /etc/docker/registry/config.yml`.",
        lesson=DELETE,
        page=f"{DISTRIBUTION}/about/garbage-collection/",
        patterns=(r"failed to garbage collect: failed to mark: [a-z0-9]{1,30}: path not found",),
    ),
    Message(
        id="configuration-missing",
        says="configuration error: open /etc/distribution/config.yml: no such file or directory",
        title="The configuration is at another path",
        means="There is no file `{path}` in this container.",
        why="It moved: `registry:2` has `/etc/docker/registry/config.yml`, `registry:3` has "
        "`/etc/distribution/config.yml`.",
        next="Name the path of the version that you run.",
        lesson=DELETE,
        page=CONFIGURATION,
        patterns=(
            r"configuration error: open (?P<path>/[a-z0-9_./-]{1,200}?) "
            r": no such file or directory",
        ),
    ),
    # Names
    Message(
        id="must-be-lowercase",
        says="invalid reference format: repository name (My-Image) must be lowercase",
        title="A repository has no capital letters",
        means="The name has a capital letter in its path: `{uppercase}`.",
        why="Registries know lower case only there. Tags may have capitals.",
        next="Write `{lowercase}`. A name with capitals can be given to no image, so build or tag "
        "under the new one.",
        lesson=NAMES,
        page=TAG,
        patterns=(
            r"(?:invalid reference format:)? repository name (?:\( (?P<uppercase>[^()]{1,255}) \))?"
            r"must be lowercase",
        ),
    ),
    Message(
        id="push-by-digest",
        says="cannot push a digest reference",
        title="A push takes a tag, not a digest",
        means="The name has an `@` and a digest, and you cannot choose under which digest an "
        "image is kept.",
        why="The digest is computed from the manifest. It is the same wherever the image is.",
        next="Push by tag: `docker push {registry}/{repository}:<tag>`. The last line shows the "
        "digest.",
        lesson=TAGS,
        page=f"{DOCS}/reference/cli/docker/image/push/",
        patterns=(r"cannot push a digest reference",),
    ),
    Message(
        id="invalid-reference",
        says="invalid reference format",
        title="That is no name for an image",
        means="The `docker` command cannot read the name. Nothing was sent to the engine or to a "
        "registry.",
        why="Something in it has no place there: `http://` in front, a blank, an empty tag behind "
        "a colon, an underscore in the host. Or a variable in the command is empty.",
        next="`script/lab explain {reference}` says what is wrong with it, and so does the page "
        "Names.",
        lesson=NAMES,
        page=TAG,
        patterns=(
            r"(?:\"(?P<reference>[^\"]{1,300})\" is not a valid repository/tag:)?"
            r"invalid reference format",
        ),
    ),
    Message(
        id="no-host",
        says="http: no Host in request URL",
        title="The name has no registry",
        means="The part before the first slash has a dot, so it is no account on Docker Hub, and "
        "is no host either.",
        why="A host's name has no underscore. Docker accepts the name, and then has nobody to ask.",
        next="Use the host's real name, with `-` in place of `_`.",
        lesson=NAMES,
        page=TAG,
        patterns=(r"no host in request url",),
    ),
    Message(
        id="name-invalid",
        says='{"errors":[{"code":"NAME_INVALID","message":"invalid repository name"}]}',
        title="The registry does not take this repository name",
        means="The path in the address is not one that a repository may have.",
        why="Repositories are in lower case: letters, digits, and single `.`, `_` or `-` between "
        "them.",
        next="`script/lab explain {registry}/<name>` says what is wrong with a name.",
        lesson=NAMES,
        page=CODES,
        patterns=(r"name_invalid", r"name invalid: [a-z]", r"invalid repository name"),
    ),
    # Push and pull
    Message(
        id="refused-on-ipv6",
        says="dial tcp [::1]:5000: connect: connection refused",
        title="Nothing answers on the IPv6 address of localhost",
        means="`localhost` was taken for `[::1]`, and port {port} is not published there.",
        why="The port is published on IPv4 only, as with `-p 127.0.0.1:{port}:5000`.",
        next="Name the IPv4 address: `127.0.0.1:{port}` in place of `localhost:{port}`. It is "
        "another name for the same registry, so tag the image for it as well.",
        lesson=REGISTRY,
        page=PORTS,
        patterns=(r"dial tcp \[::1\]:(?P<port>\d{1,5}) : connect: connection refused",),
    ),
    Message(
        id="connection-refused",
        says="dial tcp 127.0.0.1:5000: connect: connection refused",
        title="Nothing answers at the registry's address",
        means="The engine went to port {port} of `{address}`, and nothing listens there.",
        why="The registry is not running, or the name has another port than the one it publishes. "
        "With Docker Desktop or another engine elsewhere, `localhost` is the engine's machine.",
        next="`docker ps -a` shows whether the registry runs, and its ports. If it has ended: "
        "`docker start <container>`, and `docker logs <container>` says why.",
        lesson=REGISTRY,
        page=DEPLOYING,
        patterns=(
            r"dial tcp (?P<address>[a-z0-9.-]{1,255}|\[[0-9a-f:]{2,39}\]):(?P<port>\d{1,5}) : "
            r"connect(?:ex)?: (?:connection refused|no connection could be made because the target "
            r"machine actively refused it)",
        ),
    ),
    Message(
        id="no-such-host",
        says="dial tcp: lookup registry.lab: no such host",
        title="That host is not known",
        means="Nobody could say which address `{host}` has.",
        why="There is a slip in the name, it is known on another network only, or the machine is "
        "offline. For Docker Hub's own names it is the last.",
        next="Compare the name. Inside a network of containers, a name counts for the containers "
        "on that network only: the host itself does not know it.",
        lesson=ACROSS,
        page=f"{DOCS}/engine/network/",
        patterns=(
            r"lookup (?P<host>[a-z0-9.-]{1,255}?) (?:on [\d.:\[\]a-f]{3,60}? : (?:\d{1,5} :)?)? :? "
            r"(?:no such host|server misbehaving|temporary failure in name resolution|read udp)",
            r"curl: \(6\) could not resolve host: ",
        ),
    ),
    Message(
        id="timed-out",
        says="net/http: request canceled while waiting for connection",
        title="The registry does not answer in time",
        means="The engine asked, waited, and gave up.",
        why="A firewall swallows the packets, the address belongs to no machine that is on, or a "
        "proxy stands in between.",
        next="Ask from the same machine: `curl -v --max-time 5 http://{registry}/v2/`. If that "
        "hangs as well, it is the network and not Docker.",
        lesson=ACROSS,
        page=f"{DOCS}/engine/daemon/proxy/",
        patterns=(
            r"request canceled(?: while waiting for connection)? (?:\( client\.timeout exceeded "
            r"while awaiting headers \))?",
            r"client\.timeout exceeded while awaiting headers",
            r"(?:dial|read) tcp [^\"]{1,120}? : i/o timeout",
            r"tls handshake timeout",
            r"curl: \(28\) ",
        ),
    ),
    Message(
        id="not-a-registry",
        says="error parsing HTTP 404 response body: invalid character '<' looking for beginning "
        "of value",
        title="What answers there is no registry",
        means="The engine expected the answer of a registry at `{registry}`, and got something "
        "else, such as a web page.",
        why="Another program has the port, or a proxy answers in place of the registry.",
        next="`curl -i http://{registry}/v2/` shows who answers: a registry says `{{}}` or asks "
        "for a login.",
        lesson=REGISTRY,
        page=DEPLOYING,
        patterns=(
            r"error parsing http \d{3} response body: [^\"]{0,120}"
            r"(?:\"404 page not found)?",
            r"received unexpected http status: 501 [a-z]",
        ),
    ),
    Message(
        id="end-of-file",
        says='Get "http://localhost:5000/v2/": EOF',
        title="The connection was closed without an answer",
        means="The engine connected to `{registry}`, and the other side hung up.",
        why="The port is published to a container port where nothing listens; a registry listens "
        "on 5000. Or it is still starting.",
        next="Wait a second and repeat. Then look at `docker port <container>`: the line must "
        "begin with `5000/tcp`. If it does not, make the container anew, with `-p {port}:5000`.",
        lesson=REGISTRY,
        page=PORTS,
        patterns=(
            rf"https?:// (?P<registry>{_HOST}) /v2/ [^\"]{{0,300}} \" : (?:unexpected )?eof",
        ),
    ),
    Message(
        id="not-tagged",
        says="An image does not exist locally with the tag: localhost:5000/my-image",
        title="No image of yours has this name",
        means="You push a name, and no image on your engine has it: `{reference}`.",
        why="The image has not been tagged for the registry, or there is a slip in one of the two "
        "commands. Push needs the very same name.",
        next="`docker image ls` lists your names. Then `docker image tag <your image> "
        "{reference}`, and push again.",
        lesson=PUSH,
        page=TAG,
        patterns=(
            r"an image does not exist locally with the tag: (?P<reference>[a-z0-9._:/@-]{1,300})?",
            r"tag does not exist: (?P<reference>[a-z0-9._:/@-]{1,300})?",
        ),
    ),
    Message(
        id="blobs-of-a-manifest-are-missing",
        says='{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}',
        title="The manifest names a blob that the registry does not have",
        means="There is a manifest, and a layer or the config that it names is not in the "
        "registry.",
        why="It was deleted, or collected as garbage. After a collection in a running registry, "
        "its cache still claims to have what is gone.",
        next="Restart the registry, `docker restart <container>`, and push the image again from "
        "an engine that has it. Collect garbage only while the registry is stopped.",
        lesson=DELETE,
        page=CODES,
        patterns=(
            r"manifest_blob_unknown (?:\",\"message\":\" [a-z]{0,8}? blob unknown to registry)?",
            r"manifest blob unknown",
            r"unknown blob",
        ),
    ),
    Message(
        id="accept-is-missing",
        says='{"errors":[{"code":"MANIFEST_UNKNOWN","message":"OCI manifest found, but accept '
        'header does not support OCI manifests"}]}',
        title="You did not say that you understand this kind of manifest",
        means="The manifest is there, in a format of the OCI, and your request does not accept "
        "that.",
        why="Engine 29 pushes OCI manifests. Without a header `Accept`, the registry takes it "
        "that you know only the oldest format.",
        next="Accept them: `curl -H 'Accept: application/vnd.oci.image.manifest.v1+json, "
        "application/vnd.oci.image.index.v1+json, "
        "application/vnd.docker.distribution.manifest.v2+json' "
        "http://{registry}/v2/{repository}/manifests/<tag>`.",
        lesson=INSIDE,
        page=f"{DISTRIBUTION}/spec/api/",
        patterns=(
            r"(?:\"code\":\"manifest_unknown\",\"message\":\")? oci (?:manifest|index) found, but "
            r"accept header does not support",
        ),
    ),
    Message(
        id="manifest-unknown",
        says="manifest unknown",
        title="The registry has no such image",
        means="`{registry}` has no repository `{repository}`, or that one has not the tag or "
        "digest that was asked for: the words are the same for both.",
        why="It has not been pushed, was pushed under another name or tag, or was deleted. With "
        "no tag written, Docker asks for `latest`.",
        next="Ask what there is: `curl http://{registry}/v2/{repository}/tags/list`, and `curl "
        "http://{registry}/v2/_catalog` for the repositories.",
        lesson=INSIDE,
        page=CODES,
        patterns=(
            r"manifest for (?P<reference>[a-z0-9._:/@-]{1,400}?) not found "
            r"(?:: manifest unknown){0,2} (?:: unknown tag=)?",
            r"failed to resolve reference \"(?P<reference>[^\"]{1,400})\" : (?P=reference) : not "
            r"found",
            r"no such manifest:",
            r"\"code\":\"manifest_unknown\"(?:,\"message\":\"manifest unknown)?",
            r"manifest_unknown",
            r"manifest unknown",
        ),
    ),
    Message(
        id="repository-unknown",
        says='{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to '
        'registry"}]}',
        title="The registry has no such repository",
        means="The registry knows no repository of that name.",
        why="Nothing has been pushed under it, or there is a slip in it. The registry's address "
        "is not part of the path.",
        next="`curl http://{registry}/v2/_catalog` lists the repositories there are.",
        lesson=INSIDE,
        page=CODES,
        patterns=(
            r"\"code\":\"name_unknown\"(?:,\"message\":\"repository name not known to registry)?",
            r"(?:name[_]?unknown: )? repository name not known to registry",
            r"name_unknown",
        ),
    ),
    Message(
        id="blob-unknown",
        says='{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}',
        title="The repository has no such blob",
        means="The repository has no layer or config with that digest.",
        why="The digest is a manifest's, or belongs to another repository: blobs are asked for in "
        "the repository that they are in. Or it was collected as garbage.",
        next="Take the digest from the manifest, under `config` or `layers`.",
        lesson=INSIDE,
        page=CODES,
        patterns=(
            r"\"code\":\"blob_unknown\"(?:,\"message\":\"blob unknown to registry)?",
            r"blob unknown to registry",
            r"blob_unknown",
        ),
    ),
    Message(
        id="upload-unknown",
        says='{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to '
        'registry"}]}',
        title="The registry does not know this upload",
        means="A part of a layer came for an upload that the registry has not begun, or has ended.",
        why="The registry was restarted or replaced meanwhile, or several stand behind one "
        "address.",
        next="Push again: it begins with a new upload.",
        lesson=INSIDE,
        page=CODES,
        patterns=(r"blob_upload_(?:unknown|invalid)", r"blob upload (?:unknown|invalid)"),
    ),
    Message(
        id="manifest-invalid",
        says='{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}',
        title="The registry does not take this manifest",
        means="What was sent as a manifest cannot be read as one, or has a type that the registry "
        "does not take.",
        why="The body is not the manifest's own bytes, or `Content-Type` names another type.",
        next="Send the bytes as they came, with the `Content-Type` that they came with.",
        lesson=INSIDE,
        page=CODES,
        patterns=(
            r"\"code\":\"manifest_invalid\"(?:,\"message\":\"manifest invalid)?",
            r"manifest_invalid",
            r"manifest invalid:",
        ),
    ),
    Message(
        id="digest-invalid",
        says='{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match '
        'uploaded content"}]}',
        title="That is not the digest of this content",
        means="The registry wants a digest, and what it got is none, or not that of the content.",
        why="Registry 2 says it when you delete by a tag: it deletes by digest only. In an "
        "upload, the bytes changed on the way.",
        next="Take the digest that the registry itself sends, in `Docker-Content-Digest`: `curl "
        "-sI -H 'Accept: application/vnd.oci.image.manifest.v1+json, "
        "application/vnd.docker.distribution.manifest.v2+json' "
        "http://{registry}/v2/{repository}/manifests/<tag>`.",
        lesson=DELETE,
        page=CODES,
        patterns=(
            r"\"code\":\"digest_invalid\"(?:,\"message\":\"provided digest did not match uploaded "
            r"content)?",
            r"provided digest did not match uploaded content",
            r"digest_invalid",
        ),
    ),
    Message(
        id="unsupported",
        says='{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}',
        title="This registry does not do that",
        means="The registry knows the request and does not carry it out; its status is 405.",
        why="Deletion is off in registry 2 unless you switch it on. A pull-through cache takes no "
        "pushes.",
        next="To delete, start the registry with `-e REGISTRY_STORAGE_DELETE_ENABLED=true`. Its "
        "content stays if it is in a named volume.",
        lesson=DELETE,
        page=CONFIGURATION,
        patterns=(
            r"\"code\":\"unsupported\"(?:,\"message\":\"the operation is unsupported)?",
            r"(?:unsupported: )? the operation is unsupported",
            r"405 method not allowed",
        ),
    ),
    Message(
        id="registry-broke",
        says="received unexpected HTTP status: 500 Internal Server Error",
        title="The registry broke over this request",
        means="The registry answered with 500: it did not expect this request, or could not carry "
        "it out.",
        why="Registry 2 does so when it is asked for a digest that is no manifest's: an image's "
        "id is the digest of its config. Otherwise it cannot read or write its storage.",
        next="By digest, pull the one that push printed, or that `docker image inspect --format "
        "'{{{{.RepoDigests}}}}' <image>` shows. Else the reason is in `docker logs <container>`.",
        lesson=TAGS,
        page=f"{DOCS}/reference/cli/docker/image/pull/",
        patterns=(
            r"received unexpected http status: 50[0234] [a-z]",
            r"unexpected status(?: code)? [^\"]{0,200}: 500 internal server error",
            r"\"code\":\"unknown\",\"message\":\"unknown error",
        ),
    ),
    Message(
        id="content-missing",
        says="missing content: content digest sha256:0258…: not found",
        title="The image is for several platforms, and you have one",
        means="The index names manifests for several platforms, and your engine has pulled the "
        "one of your machine only.",
        why="On the containerd image store, a push sends the whole index with all that it names.",
        next="Push the platform that you have: `docker push --platform linux/amd64 {reference}`, "
        "or `linux/arm64`.",
        lesson=PUSH,
        page=f"{DOCS}/reference/cli/docker/image/push/",
        patterns=(
            r"missing content: content digest sha256:[0-9a-f]{0,64}",
            r"you're trying to push a manifest list/index which references multiple platform "
            r"specific manifests",
            r"does not provide (?:any|the specified) platform",
        ),
    ),
    Message(
        id="image-in-use",
        says="conflict: unable to remove repository reference",
        title="A container was made from this image",
        means="The engine keeps the image, because a container was made from it, running or not.",
        why="A container needs its image as long as it exists, also after it has ended.",
        next="`docker ps -a` shows it. Remove it with `docker rm <container>`, if it is yours to "
        "remove, then the image.",
        lesson=PUSH,
        page=f"{DOCS}/reference/cli/docker/image/rm/",
        patterns=(
            r"conflict: unable to remove repository reference",
            r"conflict: unable to delete [^()]{1,300} \( (?:must|cannot) be forced \)",
        ),
    ),
    Message(
        id="no-such-image",
        says="No such image: my-image:latest",
        title="Your engine has no image of that name",
        means="No image on your engine is named `{reference}`. No registry was asked.",
        why="There is a slip in the name or its tag, the image was removed, or it has not been "
        "built or pulled yet.",
        next="`docker image ls` lists what there is.",
        lesson=PUSH,
        page=f"{DOCS}/reference/cli/docker/image/ls/",
        patterns=(r"no such image: (?P<reference>[a-z0-9._:/@-]{1,300})?",),
    ),
    Message(
        id="disk-full",
        says="no space left on device",
        title="The disk is full",
        means="The engine or the registry has no room to write.",
        why="Images, stopped containers and volumes add up. What is deleted in a registry frees "
        "its room only with garbage collection.",
        next="`docker system df` shows what takes the room on the engine's disk.",
        lesson=DELETE,
        page=f"{DISTRIBUTION}/about/garbage-collection/",
        patterns=(r"no space left on device",),
    ),
    Message(
        id="page-not-found",
        says="404 page not found",
        title="The registry has no such address",
        means="A registry answered, and nothing of its API is at that path.",
        why="There is a slip in the path, or a capital letter or an underscore in the wrong place "
        "of a repository's name.",
        next="The paths are `/v2/`, `/v2/_catalog`, `/v2/<repository>/tags/list` and "
        "`/v2/<repository>/manifests/<tag>`.",
        lesson=INSIDE,
        page=f"{DISTRIBUTION}/spec/api/",
        patterns=(r"404 page not found",),
    ),
)
