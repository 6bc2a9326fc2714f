"""Builds the images of the kit from the packages of Debian or Ubuntu, and one from a Go module.

The host is only read: packages are downloaded into a temporary folder and unpacked there. Nothing
is installed, no service is started, and root is not needed.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import tarfile
import tempfile
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from labrunner.language import Sentence

from .errors import ImageUnavailable
from .programs import FROM_A_COLLEAGUE, run
from .recipes import Recipe

MADE_FROM = "io.github.registry-lab.made-from"
VERSION = "org.opencontainers.image.version"
COMPILE_TIMEOUT = 1800  # seconds for a Go module with all that it needs

_COMMON_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}
_COMMON_FOLDERS = ("/root", "/tmp", "/var/tmp")  # noqa: S108  in the image


@dataclass(frozen=True)
class RootFilesystem:
    """A root file system, ready to be imported as an image with these changes."""

    archive: Path
    changes: tuple[str, ...]
    made_from: str


class Apt:
    """Downloads packages. What apt reads of its lists is kept in a folder that goes with this
    object, at the latest with the process, as some machines keep nothing of it or have no lists.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.gettempdir(), f"registry-lab-apt-{secrets.token_hex(8)}")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # also on Ctrl-C
        self._folder.mkdir(mode=0o700)
        self._lock = threading.Lock()
        self._options = {
            "Acquire::Retries": "0",
            "Acquire::http::Timeout": "15",
            "Dir::Cache::pkgcache": f"{self._folder}/pkgcache.bin",
            "Dir::Cache::srcpkgcache": f"{self._folder}/srcpkgcache.bin",
        }
        if os.getuid() == 0:
            self._options["APT::Sandbox::User"] = "root"

    def download(self, wanted: Sequence[str], folder: Path) -> list[str]:
        """Download the packages, of alternatives the first that apt knows. Return their names."""
        with self._lock:
            try:
                return self._download(wanted, folder)
            except ImageUnavailable:  # the lists are missing or old
                stale = self._fetch_lists()
            try:
                return self._download(wanted, folder)
            except ImageUnavailable as error:
                raise stale or error from None

    def _download(self, wanted: Sequence[str], folder: Path) -> list[str]:
        names = []
        for alternatives in wanted:
            *newer, last = alternatives.split(" | ")
            names.append(next(filter(self._knows, newer), last))
        self.run("apt-get", "download", *dict.fromkeys(names), folder=folder)
        return names

    def _knows(self, name: str) -> bool:
        try:
            return bool(self.run("apt-cache", "show", name))
        except ImageUnavailable:
            return False

    def _fetch_lists(self) -> ImageUnavailable | None:
        """Fetch lists of our own, which needs no root, and use them from now on.

        Return what went wrong, perhaps with one source of many: packages may come all the same.
        """
        lists = self._folder / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        self._options |= {"Dir::State::Lists": str(lists), "Acquire::Languages": "none"}
        try:
            self.run("apt-get", "-o", "APT::Update::Error-Mode=any", "update")
        except ImageUnavailable as error:
            return error
        return None

    def run(self, program: str, *words: str, folder: Path | None = None) -> str:
        options = [word for each in self._options.items() for word in ("-o", "=".join(each))]
        return run([program, *options, *words], folder)


def build_root(recipe: Recipe, folder: Path, apt: Apt) -> RootFilesystem:
    """Build a recipe's root file system in an empty folder. The same packages give the same bytes.

    Raises `ImageUnavailable` if this machine has no apt, or apt does not have the packages.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ImageUnavailable(
            "Images can be built only on Debian and Ubuntu: this machine has no apt-get.",
            next=FROM_A_COLLEAGUE,
        )
    packages, root = folder / "packages", folder / "root"
    packages.mkdir()
    wanted = recipe.packages + (("busybox-static",) if recipe.busybox else ())
    compiled = None
    if recipe.module:
        compiled = _compile(recipe.module, recipe.sources, packages, folder / "go")
    names = _unpack(wanted, packages, apt)
    for target, source in recipe.programs.items():
        program = _find(packages, source)
        _copy(program, root, target)
        _copy_libraries([program], root, packages, apt)
    for pattern in recipe.trees:
        for tree in _find_trees(packages, pattern):
            place = root / tree.relative_to(packages)
            shutil.copytree(tree, place, symlinks=True, dirs_exist_ok=True)
            _copy_libraries(sorted(tree.rglob("*.so")), root, packages, apt)
    if recipe.busybox:
        _copy(busybox := _find(packages, "/usr/bin/busybox"), root, "/bin/busybox")
        for applet in run([busybox, "--list"]).split():
            if not os.path.lexists(link := root / "bin" / applet):
                link.symlink_to("busybox")
    for target, text in {**_COMMON_FILES, **recipe.files}.items():
        _place(root, target).write_text(text)
        _place(root, target).chmod(0o755 if text.startswith("#!") else 0o644)
    for target in (*_COMMON_FOLDERS, *recipe.folders):
        _place(root, f"{target}/.")
    versions = _versions(packages, first=names)
    system = platform.freedesktop_os_release()
    if compiled:
        versions = {compiled[0]: compiled[1], **versions}
    made_from = ", ".join(f"{name} {version}" for name, version in versions.items())
    made_from += f" ({system['ID'].capitalize()} {system.get('VERSION_ID', '')}".rstrip() + ")"
    labels = {MADE_FROM: made_from, VERSION: next(iter(versions.values())).split(":")[-1]}
    return RootFilesystem(
        _pack(root, folder / "root.tar"),
        (*recipe.changes, *(f'LABEL {name}="{text}"' for name, text in labels.items())),
        made_from,
    )


def _unpack(wanted: Sequence[str], folder: Path, apt: Apt) -> list[str]:
    """Download packages into a folder and unpack them there. Return their names."""
    before = set(folder.glob("*.deb"))
    names = apt.download(wanted, folder)
    for package in sorted(set(folder.glob("*.deb")) - before):
        run(["dpkg-deb", "-x", package, folder])
    return names


def _compile(
    module: str, sources: Mapping[str, str], packages: Path, folder: Path
) -> tuple[str, str]:
    """Compile a module's program into the folder of the packages' programs. Return the module's
    name and version."""
    if not shutil.which("go"):
        raise ImageUnavailable(
            "This image is compiled with Go, but this machine has no `go`.", next=FROM_A_COLLEAGUE
        )
    where = {
        "GOPATH": str(folder),
        "GOMODCACHE": str(folder / "modules"),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-modcacherw -trimpath -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        "GOGC": "off",  # it compiles a fifth faster, in this much memory for each file at once
        "GOMEMLIMIT": "1GiB",
    }
    folder.mkdir()
    # Go compares what it downloads with sum.golang.org, and then with the module's own go.sum.
    run(["go", "mod", "download", module], folder, where)
    source = (folder / "modules" / module).rename(folder / "source")
    for path, text in sources.items():
        (source / path).write_text(text)
    program = (source / next(iter(sources))).parent
    # Without inlining it takes a third less time.
    build: list[str | Path] = ["go", "build", "-gcflags=all=-l -dwarf=false", "-ldflags=-s -w"]
    build += ["-o", packages / "usr/bin" / program.name, program]
    run(build, source, where, COMPILE_TIMEOUT)
    name, _, version = module.partition("@")
    return name, version.removeprefix("v")


def _copy_libraries(users: Sequence[Path], root: Path, packages: Path, apt: Apt) -> None:
    """Copy the shared libraries that programs, or other libraries, load."""
    for place, library in (_libraries(users, packages, apt) if users else {}).items():
        _copy(library, root, place)


def _libraries(users: Sequence[Path], packages: Path, apt: Apt) -> dict[str, Path]:
    """Return the shared libraries that these load: for each path in the image, the file here.

    Libraries that this machine does not have come from packages that the downloaded ones depend on.
    """
    while True:
        folders = {str(library.parent) for library in packages.rglob("*.so*")}
        paths = {"LD_LIBRARY_PATH": ":".join(sorted(folders))}
        try:
            listed = run(["ldd", *users], environment=paths)
        except ImageUnavailable as error:
            if "not a dynamic executable" in error.found:
                return {}
            raise
        missing = re.findall(r"(\S+) => not found", listed)
        if not missing:
            break
        needed = _dependencies(packages) - set(_versions(packages)) - _installed()
        if not needed:
            needs = "`{program}` needs `{library}`, which none of its packages has."
            why = Sentence(needs, program=users[0].name, library=missing[0])
            raise ImageUnavailable(why, next=FROM_A_COLLEAGUE)
        _unpack(sorted(needed), packages, apt)
    found = [Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.MULTILINE)]
    return {str(path).removeprefix(str(packages)): path for path in found}


def _dependencies(packages: Path) -> set[str]:
    """Return the library packages that the downloaded ones depend on."""
    lines = (_about(each)[2] for each in packages.glob("*.deb"))
    return {name for line in lines for name in re.findall(r"(?:^|,)\s*(lib[a-z0-9.+-]+)", line)}


def _installed() -> set[str]:
    """Return the packages that are installed on this machine. Their libraries are read in place."""
    return set(run(["dpkg-query", "--show", "--showformat=${Package}\\n"]).split())


def _versions(packages: Path, first: Iterable[str] = ()) -> dict[str, str]:
    """Return the version of each downloaded package, the `first` ones first."""
    about = map(_about, sorted(packages.glob("*.deb")))
    found = {name: version for name, version, _ in about}
    return {name: found[name] for name in dict.fromkeys([*first, *found])}


@cache
def _about(package: Path) -> tuple[str, str, str]:
    """Return the name of a package, its version and what it depends on."""
    form = "--showformat=${Package}\\n${Version}\\n${Depends}"
    name, version, needed = run(["dpkg-deb", "--show", form, package]).split("\n")
    return name, version, needed


def _place(root: Path, target: str) -> Path:
    """Return where a path of the image is under its root, and make its parents."""
    place = root / target.lstrip("/")
    (place if target.endswith("/.") else place.parent).mkdir(parents=True, exist_ok=True)
    return place


def _find(packages: Path, path: str) -> Path:
    """Return a program of the packages, in any folder where a release may have it, by a pattern of
    its name."""
    for folder in ("usr/bin", "bin", "usr/sbin", "sbin"):
        for place in sorted((packages / folder).glob(Path(path).name)):
            if place.is_file():
                return place
    raise _gone(path)


def _find_trees(packages: Path, pattern: str) -> list[Path]:
    if found := sorted(packages.glob(pattern)):
        return found
    raise _gone(f"/{pattern}")


def _gone(path: str) -> ImageUnavailable:
    found = Sentence("The package no longer has `{path}`.", path=path)
    return ImageUnavailable(found, next=FROM_A_COLLEAGUE)


def _copy(source: Path, root: Path, target: str) -> None:
    shutil.copy(source, _place(root, target))
    _place(root, target).chmod(0o755)


def _pack(root: Path, archive: Path) -> Path:
    """Pack a folder into a tar file that does not depend on time, user or umask."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        if member.isdir():
            member.mode = 0o1777 if Path(member.name).name == "tmp" else 0o755
        return member

    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(root, arcname=".", filter=plain)
    return archive
