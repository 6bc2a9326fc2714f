"""How the images of the kit are made of Debian's or Ubuntu's packages, where Docker Hub is not.

The host is only read: packages are fetched into a folder of ours and taken apart there, nothing is
installed, no service is started, and root is not needed. To add an image, add a `Recipe`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labrunner.verdicts import CannotCheck

MADE_FROM = "io.github.registry-lab.made-from"
VERSION = "org.opencontainers.image.version"
FROM_A_COLLEAGUE = (
    "`script/lab kit load FILE` takes a file that a colleague's `script/lab kit save` wrote."
)
PATIENCE = 300  # seconds for one program, apt-get on a slow line included


class CannotGet(CannotCheck):
    """An image of the kit can be had neither here nor elsewhere."""


@dataclass(frozen=True)
class Recipe:
    """What an image is made of.

    packages: Debian's names; the image has the version of the first. Of `new | old` the first that
              this release has is taken.
    programs: the path in the packages of each path in the image. Their libraries come along.
    plugins:  patterns of the packages' folders whose libraries programs load when they run.
    files:    the text of each path; one that starts with `#!` can be run.
    folders:  empty ones.
    busybox:  all other tools of busybox.
    changes:  the image's configuration, as Dockerfile instructions.
    """

    packages: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    busybox: bool = False
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """A root file system, ready to be imported with these changes."""

    archive: Path
    changes: tuple[str, ...]
    made_from: str


# The 2.x image's own settings: deletion stays off, and the access log goes to standard output.
REGISTRY_CONFIG = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""

# Behaves like the official image's: a configuration is served, a command of the registry's goes
# to the registry, anything else is run.
REGISTRY_ENTRYPOINT = """\
#!/bin/sh
case "$1" in
    -* | help | serve | garbage-collect) exec registry "$@" ;;
    *.yml | *.yaml) exec registry serve "$@" ;;
    *) exec "$@" ;;
esac
"""

# Behaves like the official image's in what the course needs: options go to dockerd, anything else
# is run. `container` keeps dockerd from loading AppArmor profiles, which are the host's affair.
DIND_ENTRYPOINT = """\
#!/bin/sh
case "$1" in
    "" | -*) set -- dockerd "$@" ;;
esac
if [ "$1" = dockerd ]; then
    export container=docker
    # Left behind by a kill, they would keep dockerd from starting.
    rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
    # In a version 2 cgroup of its own: only where its processes are in one below can it have more.
    cd /sys/fs/cgroup
    if [ -f cgroup.controllers ] && [ -f cgroup.events ] && [ -w cgroup.procs ]; then
        mkdir -p init
        xargs -rn1 <cgroup.procs >init/cgroup.procs
        sed -e 's/ / +/g' -e 's/^/+/' <cgroup.controllers >cgroup.subtree_control
    fi 2>/dev/null
    cd /
fi
exec "$@"
"""

RECIPES = {
    "registry:2": Recipe(
        packages=("docker-registry",),
        programs={"/bin/registry": "/usr/bin/docker-registry"},
        files={
            "/etc/docker/registry/config.yml": REGISTRY_CONFIG,
            "/entrypoint.sh": REGISTRY_ENTRYPOINT,
        },
        folders=("/etc/ssl/certs", "/var/lib/registry"),
        busybox=True,
        changes=(
            'ENTRYPOINT ["/entrypoint.sh"]',
            'CMD ["/etc/docker/registry/config.yml"]',
            "EXPOSE 5000",
            "VOLUME /var/lib/registry",
        ),
    ),
    "busybox:stable": Recipe(busybox=True, changes=('CMD ["sh"]',)),
    "httpd:2": Recipe(  # for its htpasswd alone
        packages=("apache2-utils",),
        programs={"/usr/local/apache2/bin/htpasswd": "/usr/bin/htpasswd"},
        changes=(
            "ENV PATH=/usr/local/apache2/bin:/usr/local/bin:/usr/bin:/bin",
            'CMD ["htpasswd"]',
        ),
    ),
    "docker:dind": Recipe(
        packages=("docker.io", "docker-cli | docker.io", "containerd", "runc", "iptables"),
        programs={
            "/usr/local/bin/docker": "/usr/bin/docker",
            "/usr/local/bin/dockerd": "/usr/sbin/dockerd",
            "/usr/local/bin/docker-proxy": "/usr/sbin/docker-proxy",
            "/usr/local/bin/containerd": "/usr/bin/containerd",
            "/usr/local/bin/containerd-shim-runc-v2": "/usr/bin/containerd-shim-runc-v2",
            "/usr/local/bin/runc": "/usr/sbin/runc",
            "/usr/sbin/iptables": "/usr/sbin/xtables-nft-multi",
            "/usr/sbin/ip6tables": "/usr/sbin/xtables-nft-multi",
        },
        plugins=("usr/lib/*/xtables",),
        files={"/usr/local/bin/dockerd-entrypoint.sh": DIND_ENTRYPOINT},
        folders=("/etc/docker", "/run", "/var/lib/docker", "/var/run"),
        busybox=True,
        changes=(
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            'ENTRYPOINT ["dockerd-entrypoint.sh"]',
            "EXPOSE 2375 2376",
            "VOLUME /var/lib/docker",
        ),
    ),
}

_COMMON_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}
_COMMON_FOLDERS = ("/root", "/tmp", "/var/tmp")  # noqa: S108  in the image


def make(recipe: Recipe, folder: Path) -> Made:
    """Make a recipe's root file system in an empty folder; the same packages give the same bytes.

    Raises CannotGet where this machine has no apt, or apt does not have the packages.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise CannotGet(
            "Images can be built on Debian and Ubuntu only; this machine has no apt-get.",
            next=FROM_A_COLLEAGUE,
        )
    packages, root = folder / "packages", folder / "root"
    packages.mkdir()
    wanted = recipe.packages + (("busybox-static",) if recipe.busybox else ())
    names = _unpack(wanted, packages)
    for target, source in recipe.programs.items():
        program = _find(packages, source)
        _copy(program, root, target)
        for place, library in _libraries(program, packages).items():
            _copy(library, root, place)
    for pattern in recipe.plugins:
        for plugins in _find_folders(packages, pattern):
            shutil.copytree(plugins, root / plugins.relative_to(packages), symlinks=True)
    if recipe.busybox:
        _copy(busybox := _find(packages, "/usr/bin/busybox"), root, "/bin/busybox")
        for applet in _run([busybox, "--list"]).split():
            if not os.path.lexists(link := root / "bin" / applet):
                link.symlink_to("busybox")
    for target, text in {**_COMMON_FILES, **recipe.files}.items():
        _place(root, target).write_text(text)
        _place(root, target).chmod(0o755 if text.startswith("#!") else 0o644)
    for target in (*_COMMON_FOLDERS, *recipe.folders):
        _place(root, f"{target}/.")
    versions = _versions(packages, first=names)
    system = platform.freedesktop_os_release()
    made_from = ", ".join(f"{name} {version}" for name, version in versions.items())
    made_from += f" ({system['ID'].capitalize()} {system.get('VERSION_ID', '')}".rstrip() + ")"
    labels = {MADE_FROM: made_from, VERSION: versions[names[0]].split(":")[-1]}
    return Made(
        _pack(root, folder / "root.tar"),
        (*recipe.changes, *(f'LABEL {name}="{text}"' for name, text in labels.items())),
        made_from,
    )


def _unpack(wanted: Sequence[str], folder: Path) -> list[str]:
    """Fetch packages into a folder and take them apart there; the names of those that it were."""
    apt = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15"]
    apt += ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []
    try:
        names = _download(wanted, apt, folder)
    except CannotGet:
        # The machine's lists are missing or old: with some of our own, root is not needed.
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        apt += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder}/cache"]
        stale = None
        try:
            _run(["apt-get", *apt, "-o", "APT::Update::Error-Mode=any", "update"], folder)
        except CannotGet as error:
            stale = error  # perhaps of one source of many; what counts is whether packages come
        try:
            names = _download(wanted, apt, folder)
        except CannotGet as error:
            raise stale or error from None
    for package in folder.glob("*.deb"):
        _run(["dpkg-deb", "-x", package, folder])
    return names


def _download(wanted: Sequence[str], apt: list[str], folder: Path) -> list[str]:
    """Fetch the packages, of alternatives the first that apt knows; their names."""

    def known(name: str) -> bool:
        try:
            return bool(_run(["apt-cache", *apt, "show", name]))
        except CannotGet:
            return False

    names = []
    for alternatives in wanted:
        *newer, last = alternatives.split(" | ")
        names.append(next(filter(known, newer), last))
    _run(["apt-get", *apt, "download", *dict.fromkeys(names)], folder)
    return names


def _libraries(program: Path, packages: Path) -> dict[str, Path]:
    """The shared libraries of a program: where each belongs in the image, and where it is here.

    What the machine does not have is taken from the packages that the fetched ones depend on.
    """
    while True:
        folders = {str(library.parent) for library in packages.rglob("*.so*")}
        paths = {"LD_LIBRARY_PATH": ":".join(sorted(folders))}
        try:
            listed = _run(["ldd", program], environment=paths)
        except CannotGet as error:
            if "not a dynamic executable" in error.found:
                return {}
            raise
        missing = re.findall(r"(\S+) => not found", listed)
        if not missing:
            break
        needed = _dependencies(packages) - set(_versions(packages)) - _installed()
        if not needed:
            raise CannotGet(
                f"`{program.name}` needs `{missing[0]}`, which no package of its own brings.",
                next=FROM_A_COLLEAGUE,
            )
        _unpack(sorted(needed), packages)
    found = [Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.MULTILINE)]
    return {str(path).removeprefix(str(packages)): path for path in found}


def _dependencies(packages: Path) -> set[str]:
    """The library packages that the fetched ones depend on."""
    lines = (_run(["dpkg-deb", "-f", each, "Depends"]) for each in packages.glob("*.deb"))
    return {name for line in lines for name in re.findall(r"(?:^|,)\s*(lib[a-z0-9.+-]+)", line)}


def _installed() -> set[str]:
    """The packages that this machine has; their libraries are taken from where they are."""
    return set(_run(["dpkg-query", "--show", "--showformat=${Package}\\n"]).split())


def _versions(packages: Path, first: Iterable[str] = ()) -> dict[str, str]:
    """Name and version of each fetched package, the `first` ones first."""
    found = dict(
        _run(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", package]).split()
        for package in sorted(packages.glob("*.deb"))
    )
    return {name: found[name] for name in dict.fromkeys([*first, *found])}


def _place(root: Path, target: str) -> Path:
    """Where a path of the image is in the folder, its parents made."""
    place = root / target.lstrip("/")
    (place if target.endswith("/.") else place.parent).mkdir(parents=True, exist_ok=True)
    return place


def _find(packages: Path, path: str) -> Path:
    """A program of the packages, in whichever folder for programs this release has it."""
    for folder in ("usr/bin", "bin", "usr/sbin", "sbin"):
        place = packages / folder / Path(path).name
        if place.is_file():
            return place
    raise CannotGet(f"The package no longer has `{path}`.", next=FROM_A_COLLEAGUE)


def _find_folders(packages: Path, pattern: str) -> list[Path]:
    if found := sorted(packages.glob(pattern)):
        return found
    raise CannotGet(f"The package no longer has `/{pattern}`.", next=FROM_A_COLLEAGUE)


def _copy(source: Path, root: Path, target: str) -> None:
    shutil.copy(source, _place(root, target))
    _place(root, target).chmod(0o755)


def _pack(root: Path, archive: Path) -> Path:
    """A tar file that depends on what is in the folder alone: not on time, user or umask."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        if member.isdir():
            member.mode = 0o1777 if Path(member.name).name == "tmp" else 0o755
        return member

    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(root, arcname=".", filter=plain)
    return archive


def _run(
    command: list[str | Path], folder: Path | None = None, environment: Mapping[str, str] = {}
) -> str:
    """A program's output. Raises CannotGet with its own last words where it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotGet(
            f"`{Path(command[0]).name}` was not done after {PATIENCE} seconds.",
            next=FROM_A_COLLEAGUE,
        ) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        words = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise CannotGet(
            f"`{Path(command[0]).name}` failed: {words.removeprefix('E: ')}", next=FROM_A_COLLEAGUE
        )
    return done.stdout
