"""The fixtures of all tests. Each part stands in a file of its own."""

pytest_plugins = [
    "tests.fixtures.engine",
    "tests.fixtures.commands",
    "tests.fixtures.web",
    "tests.fixtures.started_lab",
    "tests.fixtures.terminal",
    "tests.fixtures.languages",
]
