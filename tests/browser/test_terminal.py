"""The terminal in the page, in a real browser. `open_page` sees to it that no page complains, and
so that xterm.js works under the strict policy."""

import re
import shutil
from collections import Counter

import pytest
from playwright.sync_api import expect

from labrunner.terminal.supervisor import members
from labrunner.web.shells import UNSEEN
from tests.browser.test_pages import DARK, NARROW, WIDE
from tests.fixtures.axe import violations
from tests.fixtures.engine import eventually
from tests.fixtures.terminal import ended, serving, start_lab
from tests.fixtures.web import load, opened_pages, wait_until, weights

PATIENCE = 60_000  # milliseconds
GONE = 10_000  # milliseconds after which a page gives its server up
LESSON = "/lessons/tiny"
SCROLLBACK = 5000  # lines
MUCH = 2 * UNSEEN  # bytes of an endless output: it had to wait for the page
MOST = 150_000  # bytes of a lesson page with its terminal open, compressed
END = "(?![^])"  # of the screen
PROMPT = f"[$#]{END}"
PAGE_UP = """(place, times) => {
    const press = {key: "PageUp", keyCode: 33, shiftKey: true, bubbles: true};
    for (; times > 0; times--) place.dispatchEvent(new KeyboardEvent("keydown", press));
}"""
NOTE_NAMES = """button => {
    window.names = [];
    new MutationObserver(() => names.push(button.textContent)).observe(button, {childList: true});
}"""
ROWS = "[...document.querySelectorAll('.xterm-rows > div')].map(row => row.textContent)"
SHOWN = rf"{ROWS}.map(row => row.replaceAll('\xa0', ' ').trimEnd()).join('\n').trimEnd()"
FIND = f"pattern => ({SHOWN}).match(new RegExp(pattern, 'm'))"

pytestmark = pytest.mark.usefixtures("bash")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server with the tiny lab started, for which a terminal needs no engine."""
    site = serving(tmp_path_factory.mktemp("terminal"))
    yield site
    site.stop()


@pytest.fixture(scope="module")
def tab(site, chromium):
    """A page with its terminal open, one for all tests that leave it so."""
    with opened_pages(chromium) as open_page:
        yield open_page(site, LESSON, permissions=["clipboard-read", "clipboard-write"], **WIDE)


@pytest.fixture
def page(tab):
    """The open terminal on a wide light page, at its prompt on an empty screen."""
    tab.set_viewport_size(WIDE["viewport"])
    tab.get_by_label("Light").check()
    if tab.locator(".xterm").count() == 0:
        open_terminal(tab)
    tab.get_by_label("Terminal input").focus()
    type_line(tab, "clear; echo be''gin")
    wait_for(tab, f"^begin\n.*{PROMPT}")
    return tab


def shown(page):
    """The lines on the terminal's screen."""
    return page.evaluate(SHOWN)


def wait_for(page, pattern):
    """The match of JavaScript's expression on the terminal's screen, as soon as there is one."""
    found = wait_until(page, FIND, pattern)
    assert found, shown(page)
    return found


def close_terminal(page):
    page.get_by_role("button", name="Close terminal").click()


def open_terminal(page):
    page.get_by_role("button", name="Open terminal").click()
    expect(page.get_by_label("Terminal input")).to_be_focused()
    wait_for(page, PROMPT)


def type_line(page, line):
    """As by keyboard, but faster: only the first letter and Enter are keys."""
    page.keyboard.type(line[:1])
    page.keyboard.insert_text(line[1:])
    page.keyboard.press("Enter")


def run_block(page, code):
    """Run these lines from the page's first block of commands, in the place of its own."""
    page.locator(".commands pre").first.evaluate("(block, code) => block.textContent = code", code)
    run_button(page).click()


def run_button(page):
    """The one of the first block, which has another name for a moment once it was pressed."""
    return page.locator(".commands").first.get_by_role("button").first


def session(page):
    type_line(page, "clear; echo number-$$-")
    return int(wait_for(page, r"^number-(\d+)-")[1])


def test_a_block_of_the_page_is_run_as_one(site, open_page):
    page = open_page(site, LESSON)
    expect(run_button(page)).to_have_text("Run in terminal")
    run_button(page).evaluate(NOTE_NAMES)
    run_block(page, "read word\necho not-typed\necho $((40+2))-last")
    wait_for(page, "read word")
    expect(page.locator("#announce")).to_have_text("The commands run in the terminal.")
    expect(run_button(page)).to_be_focused()
    assert "Sent to terminal" in page.evaluate("names")
    page.get_by_label("Terminal input").focus()
    type_line(page, "typed")
    wait_for(page, "^42-last")
    type_line(page, "echo word-is-$word-")
    wait_for(page, "^word-is-typed-")


# Programs that print what shows that they have started: before, a Ctrl-C can be lost.
READER = "cat <(echo be''gun) -"
FULL_SCREEN = r"cat <(printf '\e[?1049h\e[?2004h'; echo be''gun) -"  # as an editor does


@pytest.mark.parametrize("program", [READER, FULL_SCREEN, "echo be''gun; read -s word"])
def test_nothing_is_typed_where_no_prompt_waits(page, program):
    type_line(page, program)
    wait_for(page, "^begun")
    run_block(page, "echo not-$((40+2))")
    said = page.locator("#terminal-said")
    expect(said).to_contain_text("The terminal is busy", timeout=PATIENCE)
    expect(page.locator("#announce")).to_contain_text("The terminal is busy")
    assert "not-" not in shown(page)
    page.get_by_label("Terminal input").focus()
    page.keyboard.press("Control+c")
    wait_for(page, PROMPT)  # A program that is being ended can still read what is typed.
    type_line(page, r"printf '\e[?1049l'; clear; echo fr''ee")
    wait_for(page, rf"^free\n.*{PROMPT}")
    run_block(page, "echo typed-$((40+2))")
    wait_for(page, "^typed-42")
    expect(said).to_be_hidden()


OLD_BROWSER = """() => {
    const Current = WebSocket;
    window.WebSocket = class extends Current {
        constructor(address) {
            if (window.broken || !address.startsWith("ws:")) throw new SyntaxError(address);
            super(address);
        }
    };
}"""


def test_a_browser_that_wants_whole_addresses_gets_a_terminal_also_after_one_that_failed(
    site, open_page
):
    page = open_page(site, LESSON)
    page.evaluate(OLD_BROWSER)
    page.evaluate("window.broken = true")
    run_block(page, "echo first")
    said = page.locator("#terminal-said")
    expect(said).to_contain_text("No terminal can be opened", timeout=PATIENCE)
    page.evaluate("window.broken = false")
    run_block(page, "echo typed-$((40+2))")
    wait_for(page, "^typed-42")


def test_a_lab_that_is_started_anew_has_a_new_shell(tmp_path, open_page):
    site = serving(tmp_path)
    page = open_page(site, LESSON)
    open_terminal(page)
    number = session(page)
    shutil.rmtree(site.instance / "workspaces/1a2b3c4d")
    start_lab(site.root, site.instance, "5e6f7a8b")
    load(page, page.url)
    open_terminal(page)
    assert session(page) != number
    type_line(page, "clear; pwd")
    wait_for(page, "5e6f7a8b/work$")
    assert eventually(lambda: ended(number))
    page.close()
    site.stop()


def test_nothing_of_it_is_loaded_until_it_is_opened(site, open_page):
    page = open_page(site, LESSON)
    sizes = weights(page)
    load(page, page.url)
    page.wait_for_load_state("networkidle")
    assert any("terminal.js" in address for address in sizes)
    assert not [address for address in sizes if "xterm" in address]
    open_terminal(page)
    assert len([address for address in sizes if "xterm" in address]) == 3
    assert sum(sizes.values()) < MOST


def test_the_shell_is_told_the_size_of_the_screen(page):
    known = []

    def told():
        type_line(page, "clear; echo size-$(stty size)-")
        rows, columns = wait_for(page, r"^size-(\d+) (\d+)-$")[1:]
        return columns not in known and int(rows) == len(page.evaluate(ROWS)) and columns

    for width in (1600, 390):
        page.set_viewport_size({"width": width, "height": 900})
        columns = eventually(told, 60)
        assert columns, known
        known.append(columns)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_lines_that_have_gone_by_are_shown_again_by_keyboard(page):
    type_line(page, "clear; seq -f line-%.0f 300")
    wait_for(page, "^line-300")
    assert not re.search("^line-1$", shown(page), re.M)
    for _ in range(300 // (len(page.evaluate(ROWS)) - 1) + 1):
        page.keyboard.press("Shift+PageUp")
    wait_for(page, "^line-1$")


def test_of_a_long_output_all_is_there_that_can_be_scrolled_to(page):
    type_line(page, "clear; seq 300000")
    wait_for(page, rf"^300000\n.*{PROMPT}")
    rows = len(page.evaluate(ROWS))
    page.get_by_label("Terminal input").evaluate(PAGE_UP, SCROLLBACK // (rows - 1) + 1)
    first = 300_000 - SCROLLBACK - rows + 2  # the prompt has the last row
    wait_for(page, rf"^{first}\n{first + 1}\n")
    assert shown(page).splitlines()[0] == str(first)


def test_a_page_that_is_loaded_again_finds_its_shell(page):
    number = session(page)
    load(page, page.url)
    wait_for(page, f"^number-{number}-")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    assert session(page) == number


@pytest.mark.long
def test_each_tab_has_a_shell_of_its_own_which_ends_with_all_its_children_when_it_is_closed(page):
    second = page.context.new_page()
    load(second, page.url)
    open_terminal(second)
    number = session(second)
    assert session(page) != number
    type_line(second, "sleep 1000 & nohup sleep 1000 &")
    assert eventually(lambda: len(members(number)) == 3)
    second.close()
    assert eventually(lambda: ended(number))


def test_a_closed_terminal_ends_its_shell_at_once(page):
    number = session(page)
    close_terminal(page)
    assert eventually(lambda: ended(number))
    expect(page.get_by_role("button", name="Open terminal")).to_be_focused()
    assert page.locator(".xterm").count() == 0
    assert page.evaluate("document.adoptedStyleSheets.length") == 0
    open_terminal(page)
    assert session(page) != number


def test_a_shell_that_ends_says_so_and_offers_a_new_one(page):
    number = session(page)
    type_line(page, "exit 3")
    said = "The shell has ended, with exit code 3."
    expect(page.locator("#announce")).to_have_text(said)
    expect(page.locator("#terminal-said")).to_have_text(said)
    page.keyboard.press("F6")
    expect(page.get_by_role("button", name="Open a new shell")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Terminal input")).to_be_focused()
    wait_for(page, PROMPT)
    assert session(page) != number


def test_the_keyboard_gets_in_and_out(page):
    close_terminal(page)
    page.get_by_role("button", name="Open terminal").focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Terminal input")
    expect(field).to_be_focused()
    wait_for(page, PROMPT)
    expect(field).to_have_accessible_description(re.compile("F6 leaves the terminal"))
    page.keyboard.press("Tab")
    expect(field).to_be_focused()
    page.keyboard.press("F6")
    expect(page.get_by_role("button", name="Close terminal")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Screen reader mode")).to_be_focused()


def test_the_screen_reader_mode_is_remembered(page):
    close_terminal(page)
    page.get_by_label("Screen reader mode").check()
    open_terminal(page)
    page.keyboard.type("echo for-$((40+2))-ears\n")
    told = page.locator(".xterm-accessibility-tree")
    expect(told).to_contain_text("for-42-ears")
    load(page, page.url)
    expect(page.get_by_label("Screen reader mode")).to_be_checked()
    expect(told).to_contain_text("for-42-ears")
    page.get_by_label("Screen reader mode").uncheck()
    expect(told).to_have_count(0)


CONTRAST = """() => {
    const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(each => each / 255)
            .map(each => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = light(getComputedStyle(document.getElementById("terminal-screen"))
        .backgroundColor);
    return [...document.querySelectorAll(".xterm-rows span")]
        .filter(each => each.textContent.includes("coloured"))
        .map(each => light(getComputedStyle(each).color))
        .map(ink => (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05));
}"""


def test_all_colours_can_be_read_in_light_and_dark(page):
    type_line(page, "for n in 3{0..7} 9{0..7}; do printf \"\\e[${n}m%s\\e[0m\\n\" col''oured; done")
    wait_for(page, r"(coloured\s+){16}")
    for choice in ("Light", "Dark"):
        page.get_by_label(choice).check()
        assert eventually(lambda: min(page.evaluate(CONTRAST)) >= 4.5, 60), choice
        assert len(page.evaluate(CONTRAST)) == 16


def test_styles_that_xterm_writes_as_attributes_are_in_force(page):
    type_line(page, "printf '\\e[38;2;120;40;10m%s\\e[0m\\n' tr''ue")
    wait_for(page, "^true")
    colour = "getComputedStyle([...document.querySelectorAll('.xterm-rows span')]"
    colour += ".find(each => each.textContent === 'true')).color"
    assert page.evaluate(colour) == "rgb(120, 40, 10)"
    page.locator(".xterm-screen").dblclick(position={"x": 20, "y": 8})  # selects a word
    expect(page.locator(".xterm-selection div")).not_to_have_count(0)


def accessible_in_reader_mode(page):
    """Out of it, it is looked at in `test_accessibility.py`."""
    page.get_by_label("Screen reader mode").check()
    assert violations(page) == []
    page.get_by_label("Screen reader mode").uncheck()


def test_the_open_terminal_is_accessible_on_a_wide_light_page(page):
    accessible_in_reader_mode(page)


def test_the_open_terminal_is_all_in_sight_and_accessible_on_a_narrow_dark_page(site, open_page):
    page = open_page(site, LESSON, **NARROW, **DARK)
    run_block(page, "true")
    expect(page.locator("#announce")).to_have_text("The commands run in the terminal.")
    close_terminal(page)
    open_terminal(page)
    expect(page.locator("#terminal-screen")).to_be_in_viewport(ratio=0.99)
    accessible_in_reader_mode(page)


def test_bytes_that_are_no_text_are_no_complaint_of_the_page(page):
    type_line(page, r"printf '\1\x7f\xff\xfe\x80\xc3'; clear; printf '%s\n' 'aä€😀'")
    wait_for(page, "^aä€😀$")


def test_an_endless_output_leaves_the_page_alive(page):
    come = Counter()

    def count(socket):
        socket.on("framereceived", lambda frame: come.update(bytes=len(frame)))

    page.on("websocket", count)
    load(page, page.url)  # its websocket is another one then
    page.get_by_label("Terminal input").focus()
    wait_for(page, PROMPT)
    type_line(page, "yes")
    wait_for(page, "(y\n){5}")
    while come["bytes"] < MUCH:
        page.wait_for_timeout(50)
    page.keyboard.press("Control+c")
    type_line(page, "echo af''ter")
    wait_for(page, "^after")


def test_more_than_can_be_pasted_is_refused_on_the_page(page):
    page.evaluate("navigator.clipboard.writeText('x'.repeat(70_000))")
    page.keyboard.press("Control+v")
    page.keyboard.press("Control+Shift+v")
    expect(page.locator("#terminal-said")).to_contain_text("too long to paste")


def test_without_javascript_there_is_one_line(site, open_page):
    page = open_page(site, LESSON, java_script_enabled=False)
    place = page.locator("#terminal")
    expect(place).to_have_text(
        re.compile(r"Terminal\s+The terminal in the page needs JavaScript. Use your own."),
        use_inner_text=True,
    )


def test_commands_are_run_in_a_shell_that_tells_nothing_of_its_prompt(tmp_path, open_page):
    site = serving(tmp_path, SHELL="/bin/sh")
    page = open_page(site, LESSON)
    run_block(page, "echo typed-$((40+2))")
    wait_for(page, "^typed-42")
    page.close()
    site.stop()


def test_a_server_that_is_gone_is_told(tmp_path, chromium):
    site = serving(tmp_path)
    context = chromium.new_context()  # its console rightly complains
    page = context.new_page()
    page.clock.install()
    load(page, f"{site.url}{LESSON}?token={site.token}")
    open_terminal(page)
    site.stop()
    page.clock.fast_forward(GONE)
    said = page.locator("#terminal-said")
    expect(said).to_contain_text("The connection to the shell was lost", timeout=PATIENCE)
    page.get_by_role("button", name="Open a new shell").click()
    expect(said).to_contain_text("the server does not answer", timeout=PATIENCE)
    context.close()
