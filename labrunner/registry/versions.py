"""The versions of the registry that the course can be done with, by the references of their images.

A learner chooses one of them; a lab has it as its values `registry_image` and `registry_config`.
"""

from __future__ import annotations

FIRST = "registry:2"  # the one with which the course begins
CONFIG_FILES = {
    FIRST: "/etc/docker/registry/config.yml",
    "registry:3": "/etc/distribution/config.yml",
}
"""Where each reads its settings from, unless it is told another file."""

NUMBERS = {image.partition(":")[2]: image for image in CONFIG_FILES}
"""The images by the numbers of their versions."""


def version_values(image: str) -> dict[str, str]:
    """Return the values that a lab has with the registry of this image."""
    return {"registry_image": image, "registry_config": CONFIG_FILES[image]}
