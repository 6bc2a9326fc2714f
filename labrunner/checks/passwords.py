"""Why a registry does not ask for a password, or not for the right one."""

from __future__ import annotations

import re

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.workspaces.registry_storage import configuration, configuration_path
from labrunner.workspaces.workspace import Workspace

FILES = {"/etc/docker/registry/config.yml", "/etc/distribution/config.yml"}  # of registry 2 and 3
AUTH = {  # settings of a registry that asks for the passwords in a file
    "REGISTRY_AUTH": "htpasswd",
    "REGISTRY_AUTH_HTPASSWD_REALM": "my-registry",
    "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
}
BCRYPT = re.compile(r"\$2[aby]\$")


def htpasswd(workspace: Workspace, *login: str) -> str:
    """Return the line of a password file for a user, as the program `htpasswd` prints it. login:
    user and password; the lab's, unless they are given."""
    words = ["-Bbn", *(login or workspace.login)]
    return workspace.run_to_end("httpd:2", words, entrypoint=["htpasswd"])


def login_fault(
    workspace: Workspace, container: Container | None, login: tuple[str, str], **how: object
) -> tuple[str, str] | None:
    """Return a reason and a sentence: why the learner's registry does not ask for this user and
    this password; None where it does. container: the registry's. how: options of
    `Workspace.client`."""
    user, password = login
    answer = workspace.client(**how).request("GET", "")
    challenge = answer.headers.get("WWW-Authenticate", "")
    if answer.status == 200:
        found = "It lets everyone in, without a password."
        return "open", Sentence.joined(found, _misplaced_file(container))
    if not challenge.lower().startswith("basic"):
        found = Sentence("Its challenge is `{challenge}`, not `Basic`.", challenge=challenge)
        return "other-challenge", found

    def opens(password: str) -> bool:
        client = workspace.client(login=(user, password), **how)
        return client.request("GET", "").status == 200

    if not opens(password):
        path = configuration(workspace, container).password_file if container else ""
        data = workspace.engine.read_file(container.id, path) if container and path else None
        return _password_file_fault(data, user, password)
    if opens(f"not-{password}"):
        return "any-password", "It accepts any password."
    return None


def _misplaced_file(container: Container | None) -> str:
    """Return a sentence: where a registry's configuration file is mounted and not read; an empty
    text where it is not so."""
    if not container:
        return ""
    path = configuration_path(container)
    for each in sorted({mount.target for mount in container.mounts} & FILES - {path}):
        misplaced = "It reads `{path}`. Your file is at `{file}`, where it does not look."
        return Sentence(misplaced, path=path, file=each)
    return ""


def write_password_file(workspace: Workspace, path: str) -> str:
    """Write a password file for the lab's user, as `htpasswd` makes it; return its path on this
    machine. path: in the lab's folder."""
    file, made = workspace.work / path, workspace.folder / "htpasswd"
    if not made.exists():  # bcrypt takes its time
        made.write_text(htpasswd(workspace))
    file.parent.mkdir(exist_ok=True)
    file.write_text(made.read_text())
    return str(file)


def _password_file_fault(data: bytes | None, user: str, password: str) -> tuple[str, str]:
    """Return a reason and a sentence: why a registry with this password file does not open to a
    user with this password. data: None where there is no file that can be read."""
    if data is None:
        found = "It does not let in `{user}`, and its password file cannot be read."
        return "no-file", Sentence(found, user=user)
    if b"\0" in data or data.startswith(b"\xef\xbb\xbf"):  # both by Windows PowerShell
        encoding = "UTF-16" if b"\0" in data else Sentence("UTF-8 with a byte order mark")
        found = "The password file is in {encoding}. The registry needs plain ASCII."
        return "encoding", Sentence(found, encoding=encoding)
    lines = [line for line in data.decode(errors="replace").splitlines() if ":" in line]
    hashes = dict(line.strip().partition(":")[::2] for line in lines)
    if user not in hashes:
        others = ", ".join(f"`{each}`" for each in hashes) or Sentence("none")
        found = "The password file does not have the user `{user}`. Its users: {others}."
        missing = Sentence(found, user=user, others=others)
        if "docker" in hashes:
            created = "The registry creates the user `docker` if the file is missing."
            missing = Sentence.joined(missing, created)
        return "no-user", missing
    if BCRYPT.match(hashes[user]):
        found = "The hash in the password file is not for the password `{password}`."
        return "other-password", Sentence(found, password=password)
    found = (
        "The hash in the password file begins with `{beginning}`. The registry accepts only "
        "bcrypt, which `htpasswd -B` makes and which begins with `$2y$`."
    )
    return "hash", Sentence(found, beginning=hashes[user][:6])
