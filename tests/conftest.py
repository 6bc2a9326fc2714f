"""The fixtures of all tests. Each part stands in a file of its own."""

pytest_plugins = ["tests.engine_fixtures", "tests.web_fixtures"]
