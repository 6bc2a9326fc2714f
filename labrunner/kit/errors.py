"""Why the kit cannot give an image, or do what it was asked for."""

from __future__ import annotations

from labrunner.errors import CourseError, ExitStatus
from labrunner.verdicts import CannotCheck


class KitUsageError(CourseError):
    """The kit was asked for an image that it does not have, or given a file that it cannot use."""

    exit_status = ExitStatus.BAD_CALL


class ImageUnavailable(CannotCheck):
    """An image of the kit can be neither pulled nor built."""


class BuildPutOff(ImageUnavailable):
    """An image that takes long to build is left to the labs that need it."""


class SourceUnavailable(ImageUnavailable):
    """The registry that has the image cannot be reached, or allows no more pulls for now."""
