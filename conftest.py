"""Labs are tests as well: `python -m pytest labs/push-and-pull -k push-the-image`."""

pytest_plugins = [
    "labrunner.headless.plugin",
    "tests.fixtures.workers",
    "tests.fixtures.skips",
    "tests.fixtures.foreign_objects",
]
