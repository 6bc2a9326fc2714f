"""The course at a public address: behind a real nginx with TLS and a path before all its own, which
is set up as docs/reverse-proxy.md says."""

import re
import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.test_terminal import open_terminal, type_line, wait_for
from tests.fixtures.certificates import certify
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.web import free_port

PREFIX = "/user/alice"


@pytest.fixture
def site(serve, docker, tmp_path):
    """A server of the tiny course at its public address."""
    port, folder = free_port(), tmp_path / "nginx"
    folder.mkdir()
    certify(folder, "IP:127.0.0.1")
    origin = f"https://127.0.0.1:{port}"
    site = serve(LABRUNNER_ORIGIN=origin, SCRIPT_NAME=PREFIX)
    [written] = re.findall(
        "```nginx\n(.*?)```", (ROOT / "docs/reverse-proxy.md").read_text(), re.DOTALL
    )
    for example, real in {
        "443 ssl": f"127.0.0.1:{port} ssl",
        "class.example.org": "127.0.0.1",
        "/etc/nginx/class": f"{folder}/registry",
        "127.0.0.1:8000": f"127.0.0.1:{site.port}",
    }.items():
        assert written.count(example)
        written = written.replace(example, real)
    config = folder / "nginx.conf"
    config.write_text(f"user nginx;\nevents {{}}\nhttp {{\n{written}}}\n")
    mount = f"{folder}:{folder}:ro"
    command = ["nginx", "-g", "daemon off;", "-c", str(config)]
    docker("run", "-d", "--network", "host", "-v", mount, "nginx:latest", *command)
    assert eventually(lambda: _answers(f"{site.url}/health"), 60)
    return site


def _answers(url):
    asked = subprocess.run(["curl", "-ks", "--noproxy", "*", url], capture_output=True, text=True)
    return asked.stdout == "ok\n"


def test_a_lab_is_done_at_a_public_address(site, open_page, docker):
    page = open_page(site, "/lessons/tiny")
    assert page.url == f"{site.url}/lessons/tiny"
    [cookie] = page.context.cookies()
    assert (cookie["path"], cookie["secure"]) == (PREFIX, True)
    page.get_by_role("button", name="Start lab").click()
    expect(page.locator("#state-make-a-volume")).to_have_text("not done yet")
    open_terminal(page)
    word = page.locator(".commands code").first.inner_text().split()[-1]
    type_line(page, f"docker volume create {word}")
    wait_for(page, f"^{word}")
    expect(page.locator("#state-make-a-volume")).to_have_text("passed")
    page.get_by_label("Your answer").fill(word)
    page.get_by_role("button", name="Check my work").last.click()
    expect(page.locator("#state-say-it")).to_have_text("passed")
    docker("volume", "rm", word)
    page.get_by_role("link", name="Registry Lab").click()
    expect(page).to_have_url(f"{site.url}/")
    page.get_by_role("link", name="Take a name apart").click()
    expect(page.get_by_role("link", name="Take a name apart")).to_have_attribute(
        "aria-current", "page"
    )
