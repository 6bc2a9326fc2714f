// The terminal in the page: a shell of the learner, over a websocket. xterm.js is loaded when it
// is opened. What goes over the websocket is told in labrunner/web/views/terminal.py.

import { keep, recall } from "./keep.js";

const RETRY = 500; // milliseconds between attempts to reach the shell again
const PATIENCE = 10_000; // milliseconds for which a shell waits for its page
const RETURN = 2_000; // milliseconds in which a page that is loaded again must find its shell
const PROMPT = 3_000; // milliseconds to wait for a shell's prompt
const PASTE = 64 * 1024; // bytes that can be pasted at once
const CHUNK = 16 * 1024; // bytes of a message
const BRACKETED = 2004; // the mode in which pasted lines go in as one: a prompt is waiting
const STATUS = 133; // the code of the mark by which a shell tells how its commands end: `D;0`
const MOST_LINES = 60; // of a command's output that are looked at for an error
const TOO_MUCH = 1009;
const TAKEN = 4001;

const announce = document.getElementById("announce");
const place = document.getElementById("terminal-screen");
const tools = document.getElementById("terminal-tools");
const words = tools.dataset;
const opener = document.getElementById("terminal-open");
const closer = document.getElementById("terminal-close");
const reader = document.getElementById("terminal-reader");
const said = document.getElementById("terminal-said");
const toOpen = opener.textContent;
const memory = `terminal ${tools.dataset.workspace}`;

let view = null; // what screen.js built, while the terminal is open
let output = null; // what is on its way to its screen
let address = null; // of the shell's websocket, until the shell has ended
let socket = null;
let typing = false; // whether what is typed goes to the shell
let opening = null; // the promise of an opening that is under way
let entered = null; // marks the line where a command was entered, until its prompt is back
let statuses = []; // with which that command has ended, or each of its parts, if the shell tells it
let prompts = false; // whether this shell tells when its prompt waits: an old bash does not

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function say(text) {
  said.textContent = text;
  said.hidden = !text;
  announce.textContent = text;
}

// Opening and closing

function open() {
  if (address && view) return Promise.resolve(true);
  opening ??= begin().finally(() => (opening = null));
  return opening;
}

async function begin() {
  let told;
  try {
    told = await ask().catch(() => pause(RETRY).then(ask));
  } catch {
    told = { error: words.noAnswer };
  }
  if (!told.socket) {
    say(`${told.error} ${told.next ?? ""}`.trim());
    return false;
  }
  return reach(told.socket, PATIENCE, lost);
}

// A request is lost where a network of the machine comes or goes, as with `docker network create`.
async function ask() {
  const answer = await fetch(tools.action, {
    method: "POST",
    body: new FormData(tools),
    headers: { Accept: "application/json" },
  });
  return answer.json();
}

// Show the screen and connect it to the shell at this address.
async function reach(to, patience, gone) {
  try {
    await show();
  } catch {
    place.hidden = true;
    say(words.notLoaded);
    return false;
  }
  address = new URL(to, location.href.replace(/^http/, "ws")).href;
  prompts = false;
  connect(performance.now() + patience, gone);
  return true;
}

async function show() {
  place.hidden = false;
  if (!view) {
    const [{ build }, { Output }] = await Promise.all([
      import("./screen.js"), // these two with the terminal: few open it
      import("./output.js"),
    ]);
    view = await build(place, reader.checked);
    output = new Output(view.screen);
    import(document.getElementById("terminal-meaning").dataset.script);
    view.screen.textarea.setAttribute("aria-describedby", "terminal-help");
    view.screen.onData((text) => {
      if (text.includes("\r") && atPrompt()) enter();
      type(new TextEncoder().encode(text));
    });
    view.screen.onBinary((text) => type(Uint8Array.from(text, (each) => each.charCodeAt(0))));
    view.screen.onResize(tellSize);
    view.screen.attachCustomKeyEventHandler(leave);
    view.screen.parser.registerOscHandler(STATUS, (mark) => {
      const [kind, status] = mark.split(";");
      if (kind === "D" && status) statuses.push(status);
      return true;
    });
    view.screen.parser.registerCsiHandler({ prefix: "?", final: "h" }, (modes) => {
      if (modes.includes(BRACKETED)) {
        prompts = true;
        if (entered) tellOutput();
      }
      return false; // it is for the screen
    });
  }
  opener.hidden = true;
  closer.hidden = false;
  say("");
}

function close() {
  tell({ end: true });
  end("");
  view?.dispose();
  view = entered = null;
  place.hidden = closer.hidden = true;
  opener.textContent = toOpen;
}

// The shell is no more; what it printed stays until another one is opened.
function end(text) {
  address = null;
  typing = false;
  socket?.close();
  opener.textContent = words.anew;
  opener.hidden = false;
  say(text);
}

// The connection

// Tries until that time, then says that it is gone. An attempt may take seconds: after some that
// failed, Chromium holds the next ones back.
function connect(until, gone) {
  const to = address;
  const limit = setTimeout(() => address === to && gone(), until - performance.now());
  socket = new WebSocket(to);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    clearTimeout(limit);
    if (address !== to) return;
    until = null;
    output.clear();
    view.screen.reset();
    tellSize(view.screen);
  });
  socket.addEventListener("message", ({ data }) => {
    if (address !== to) return;
    if (typeof data === "string") obey(data);
    else print(data);
  });
  socket.addEventListener("close", async ({ code }) => {
    if (address !== to) return;
    typing = false;
    if (code === TAKEN) return end(words.taken);
    if (code === TOO_MUCH) say(words.tooMuch);
    if (until === null) [until, gone] = [performance.now() + PATIENCE, lost];
    await pause(RETRY);
    clearTimeout(limit);
    if (address === to) connect(until, gone);
  });
}

function lost() {
  end(words.lost);
}

function obey(message) {
  const told = JSON.parse(message);
  if (told.ready) {
    // What the screen answers to the output of before is not for the shell.
    output.print(new Uint8Array(), () => (typing = address !== null));
  }
  if ("ended" in told) end(words.ended.replace("{code}", told.ended));
}

function print(data) {
  const from = socket;
  output.print(new Uint8Array(data), () => {
    if (from === socket) tell({ seen: data.byteLength });
  });
}

function tell(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function tellSize({ rows, cols }) {
  tell({ rows, columns: cols });
}

function type(bytes) {
  if (!typing) return;
  if (bytes.length > PASTE) return say(words.tooLong);
  for (let at = 0; at < bytes.length; at += CHUNK) socket.send(bytes.slice(at, at + CHUNK));
}

// Commands of the page

let running = Promise.resolve(); // one block after the other

async function run({ code, sent }) {
  unfold();
  if (!(await open())) return;
  while (address && !typing) await pause(50); // until it is connected, or said to be lost
  const limit = performance.now() + PROMPT;
  while (typing && !atPrompt() && performance.now() < limit) await pause(50);
  if (!typing) return;
  reveal();
  if (prompts && !atPrompt()) return say(words.busy);
  say("");
  view.screen.paste(code);
  view.screen.input("\r");
  sent();
  announce.textContent = words.running;
  await pause(200); // until the prompt is gone
}

function enter() {
  entered = view.screen.registerMarker(0);
  statuses = [];
}

// Tells the other parts of the page what the command has printed; of one that succeeded, nothing.
function tellOutput() {
  const succeeded = statuses.length && statuses.every((status) => status === "0");
  const { normal } = view.screen.buffer;
  const last = normal.baseY + normal.cursorY;
  let text = "";
  for (let at = Math.max(entered.line + 1, last - MOST_LINES); at <= last; at++) {
    const goesOn = normal.getLine(at + 1)?.isWrapped;
    text += normal.getLine(at).translateToString(!goesOn) + (goesOn ? "" : "\n");
  }
  entered.dispose();
  entered = null;
  if (succeeded) text = "";
  document.dispatchEvent(new CustomEvent("lab:printed", { detail: { text } }));
}

// A program that has the whole screen to itself may want pasted lines as one, too.
function atPrompt() {
  const { modes, buffer } = view.screen;
  return typing && modes.bracketedPasteMode && buffer.active.type === "normal";
}

function unfold() {
  const fold = document.getElementById("pane-fold");
  if (document.documentElement.dataset.pane === "folded") fold?.click();
}

// Brings the screen into sight where the pane scrolls by itself. The page stays where it is.
function reveal() {
  const pane = place.closest(".bench");
  const [outer, inner] = [pane, place].map((each) => each.getBoundingClientRect());
  const above = inner.top - outer.top;
  const below = inner.bottom - outer.bottom;
  pane.scrollTop += above < 0 ? above : Math.max(0, Math.min(above, below));
}

// Controls

function leave(event) {
  if (event.key !== "F6") return true;
  event.preventDefault();
  if (event.type === "keydown") (opener.hidden ? closer : opener).focus();
  return false;
}

tools.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!(await open())) return;
  place.scrollIntoView({ block: "nearest" });
  view.screen.focus();
});

closer.addEventListener("click", () => {
  close();
  opener.focus(); // it stands where the button was
});

reader.checked = recall("terminal-reader") === "on";
reader.addEventListener("change", () => {
  keep("terminal-reader", reader.checked ? "on" : "off");
  if (view) view.screen.options.screenReaderMode = reader.checked;
});

document.addEventListener("lab:run", ({ detail }) => {
  running = running.then(() => run(detail)).catch(() => end(words.noAnswer));
});

// A page that is loaded again finds its shell again. The address is kept only while the page is
// away, so that a second tab made from this one does not take it.

function takeKept() {
  try {
    const found = sessionStorage.getItem(memory);
    sessionStorage.removeItem(memory);
    return found;
  } catch {
    return null; // this browser keeps nothing
  }
}

addEventListener("pagehide", () => {
  if (address) sessionStorage.setItem(memory, address);
});

const kept = takeKept();
if (kept) {
  opening = reach(kept, RETURN, close).finally(() => (opening = null));
}
tools.hidden = false;
