"""`script/lab kit`: the images that the course needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from rich.filesize import decimal

from labrunner.engine.transfer_progress import ProgressCallback, silent
from labrunner.errors import ExitStatus
from labrunner.kit.errors import BuildPutOff, ImageUnavailable
from labrunner.kit.kit import Kit, Notify
from labrunner.session.services import get_services

from .console import handle_errors, notify, show

FILE = click.argument("file", type=click.Path(path_type=Path))
REFERENCES = click.argument("references", nargs=-1, metavar="[IMAGE]...")


def kit_commands(get_kit: Callable[[], Kit]) -> click.Group:
    """Return the group `kit`. get_kit: called once for each command that runs."""

    @click.group("kit")
    def group() -> None:
        """The images that the course needs."""

    @group.command("status")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @handle_errors
    def status(as_json: bool) -> None:
        """Show which images are here, and what they were made from."""
        images = get_kit().status()
        if as_json:
            click.echo(json.dumps({"images": [image.as_dict() for image in images]}))
            return
        width = max((len(image.reference) for image in images), default=0)
        for image in images:
            here = f"{decimal(image.size or 0):>9}  made from {image.made_from}"
            show(f"{image.reference:<{width}}  {here if image.present else ' not here'}")

    @group.command("pull")
    @REFERENCES
    @handle_errors
    def pull(references: Sequence[str]) -> None:
        """Pull missing images from Docker Hub."""
        kit = get_kit()
        _each(kit, references, kit.pull)

    @group.command("build")
    @REFERENCES
    @handle_errors
    def build(references: Sequence[str]) -> None:
        """Build missing images from Debian's or Ubuntu's packages, or compile them with Go."""
        kit = get_kit()
        _each(kit, references, lambda reference, say, bar: kit.build(reference, say))

    @group.command("get")
    @REFERENCES
    @click.option("--quick", is_flag=True, help="Leave slow builds to the labs that need them.")
    @handle_errors
    def get(references: Sequence[str], quick: bool) -> None:
        """Pull missing images, and build those that cannot be pulled."""
        kit = get_kit()
        _each(kit, references, partial(kit.get, quick=quick))

    @group.command("save")
    @FILE
    @handle_errors
    def save(file: Path) -> None:
        """Write all images to FILE, for people without a network."""
        kit = get_kit()
        with _bar(f"Saving {file}") as bar:
            missing = kit.save(file, bar)
        for reference in missing:
            show(f"{reference} is not here, so it is not in the file.")
        show(f"{file}: {decimal(file.stat().st_size)}. Others load it with `script/lab kit load`.")

    @group.command("load")
    @FILE
    @handle_errors
    def load(file: Path) -> None:
        """Load the images in FILE."""
        kit = get_kit()
        with _bar(f"Loading {file}") as bar:
            new = kit.load(file, bar)
        show(f"Loaded {', '.join(new)}." if new else "All of its images are already here.")

    return group


def _each(
    kit: Kit, references: Sequence[str], act: Callable[[str, Notify, ProgressCallback], bool]
) -> None:
    """Act on these images, or on all. One that cannot be got does not stop the others."""
    for reference in references:
        kit.check(reference)
    failed = False
    for reference in references or kit.references:
        try:
            with _bar(reference) as bar:
                new = act(reference, show, bar)
        except BuildPutOff as error:
            show(error.found)
        except ImageUnavailable as error:
            notify(error.found, error.next)
            failed = True
        else:
            show(f"{reference} is here." if new else f"{reference} is already here.")
    if failed:
        sys.exit(ExitStatus.CANNOT_RUN)


@contextmanager
def _bar(what: str) -> Iterator[ProgressCallback]:
    """Show a bar with bytes on a terminal, from the first byte on; nothing elsewhere."""
    if not sys.stdout.isatty():
        yield silent
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # slow to import

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(what, visible=False, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total or None, visible=True)

        yield show


kit = kit_commands(lambda: get_services().kit)
