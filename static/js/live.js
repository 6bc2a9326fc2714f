// Shows verdicts as they come, without a press of the button, and tells the other parts of the page.

const AGAIN = 10_000; // milliseconds until a stream that was refused is asked for again
const SILENCE = 10_000; // milliseconds until one that is silent is; it has a beat every 2 seconds
const JUST_NOW = 10_000; // milliseconds

const line = document.getElementById("live");
const byButton = line.textContent;
const announce = document.getElementById("announce");
const waiting = new Map(); // by place: what comes there when the focus has left it
let stream, timer;
let announced = -Infinity; // when the stream last said something

function open() {
  close();
  if (document.hidden) return;
  stream = new EventSource(line.dataset.stream);
  hear("steps", (event) => show(event.data));
  hear("looked", () => document.dispatchEvent(new CustomEvent("lab:live")));
  hear("beat", () => {});
  for (const kind of ["found", "lost", "over"]) hear(kind, () => (line.textContent = line.dataset[kind]));
  stream.addEventListener("over", close);
  stream.addEventListener("error", () => {
    const refused = stream.readyState === EventSource.CLOSED;
    line.textContent = refused ? byButton : line.dataset.away;
    if (refused) again(AGAIN);
  });
  listen();
}

function hear(kind, act) {
  stream.addEventListener(kind, (event) => {
    listen();
    act(event);
  });
}

// A connection can be gone without a word, as after a sleep.
function listen() {
  again(SILENCE, () => (line.textContent = line.dataset.away));
}

function again(milliseconds, say = () => {}) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    say();
    open();
  }, milliseconds);
}

function close() {
  clearTimeout(timer);
  stream?.close();
}

// Puts the parts of a fragment in their places, as htmx does. A part that is as it was stays.
function show(html) {
  const fragment = document.createElement("template");
  fragment.innerHTML = html;
  const before = states();
  for (const part of fragment.content.querySelectorAll("[hx-swap-oob]")) {
    const place = document.getElementById(part.id);
    if (!place || place === announce) continue;
    if (place.querySelector("[hx-trigger]")) continue; // it asks for what comes there itself
    waiting.delete(place);
    if (place.innerHTML !== part.innerHTML) put(part, place);
  }
  if (states() !== before) {
    announce.textContent = fragment.content.getElementById("announce").textContent.trim();
    announced = performance.now();
  }
}

// The answer to a check may come after the stream has announced its verdict: once is enough.
document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
  const again = ({ target, fragment }) =>
    target === announce && fragment.textContent.trim() === announce.textContent;
  const place = tasks.findIndex(again);
  if (place >= 0 && performance.now() - announced < JUST_NOW) tasks.splice(place, 1);
});

function put(part, place) {
  if (!place.contains(document.activeElement)) {
    place.replaceChildren(...part.childNodes);
    return;
  }
  waiting.set(place, part);
  const later = () => waiting.get(place) === part && waiting.delete(place) && put(part, place);
  place.addEventListener("focusout", () => setTimeout(later), { once: true });
}

function states() {
  return Array.from(document.querySelectorAll(".state"), (state) => state.textContent).join();
}

// Whoever replaces a verdict, this or a press of the button, it is told.
const verdicts = new MutationObserver((changes) => {
  for (const place of new Set(changes.map((change) => change.target))) {
    waiting.delete(place);
    const step = place.id.slice("verdict-".length);
    document.dispatchEvent(new CustomEvent("lab:checked", { detail: { step } }));
  }
});
for (const place of document.querySelectorAll("[id^=verdict-]")) {
  verdicts.observe(place, { childList: true });
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
if (window.EventSource) open();
