"""Prints what the image of the course is made of, as CycloneDX 1.5 in JSON. script/image runs it in
the image. MADE_FROM: the packages of a base that has no list of them, as the kit labels its images.

The form is https://cyclonedx.org/docs/1.5/json/; the names are those of
https://github.com/package-url/purl-spec.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

STATUS = Path("/var/lib/dpkg/status")
VENDOR = Path(__file__).parent.parent / "static/vendor"
NPM = {"htmx": "htmx.org", "xterm": "@xterm/xterm", "xterm-addon-fit": "@xterm/addon-fit"}


def components() -> Iterator[tuple[str, str, str]]:
    """Yield the kind of each package, its name and its version."""
    yield "generic", "python", platform.python_version()
    for each in distributions():
        yield "pypi", re.sub("[-_.]+", "-", each.metadata["Name"]).lower(), each.version
    for file in VENDOR.glob("*.*js"):
        name, version = re.fullmatch(r"(.+)-([\d.]+\d)(\.min)?\.m?js", file.name).group(1, 2)
        yield "npm", NPM[name], version
    if STATUS.exists():
        words = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"]
        listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    else:
        listed = os.environ["MADE_FROM"].partition(" (")[0].replace(", ", "\n")
    for line in listed.splitlines():
        yield "deb", *line.split(" ")


def describe(kind: str, name: str, version: str) -> dict[str, str]:
    place = "debian/" if kind == "deb" else ""
    purl = f"pkg:{kind}/{place}{quote(name, safe='/')}@{quote(version)}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main() -> None:
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "registry-lab"}},
        "components": [describe(*each) for each in sorted(set(components()))],
    }
    print(json.dumps(bill, indent=2))


if __name__ == "__main__":
    main()
