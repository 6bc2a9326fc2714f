// Draws the registry anew when something may have changed there, at most once a second, while it
// can be seen. Each drawing asks the registry, which writes that into its log: so the pause doubles
// while they show nothing new. What is new in the picture is marked for a moment; open details stay
// open, and the focus stays where it is.

const EVERY = 1000; // milliseconds from one drawing to the next
const SELDOM = 15_000; // milliseconds, where something happens all the time, and nothing there
const MARKED = 3000; // milliseconds
const AGAIN = 3000; // milliseconds from a look that was lost to the next

const section = document.getElementById("registry");
const picture = document.getElementById("picture");
const link = document.getElementById("look");
const announce = document.getElementById("announce");

let stale = true;
let busy = false;
let seen = false;
let asked = false; // by hand, so that somebody waits for an answer
let last = -SELDOM;
let pause = EVERY;
let timer;
let shown = "";
let drawn; // what the last whole picture had, and incomplete ones since; none while it is down
const opened = new Set(); // ids of details

function want() {
  stale = true;
  if (busy) return;
  const past = performance.now() - last;
  if (past > SELDOM) pause = EVERY;
  clearTimeout(timer);
  timer = setTimeout(look, Math.max(0, pause - past));
}

function soon() {
  pause = EVERY;
  want();
}

async function look() {
  if (!seen || document.hidden) return;
  const awaited = asked; // who asks from now on waits for the next
  busy = true;
  asked = stale = false;
  last = performance.now();
  const before = shown;
  let said = section.dataset.noAnswer;
  try {
    const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
    said = section.dataset.notShown;
    if (answer.ok) {
      draw(await answer.text());
      said = document.getElementById("summary").textContent;
    }
  } catch {
    setTimeout(want, AGAIN); // the drawing stays as it was
  }
  pause = shown === before ? Math.min(2 * pause, SELDOM) : EVERY;
  if (awaited) announce.textContent = said;
  busy = false;
  if (stale) want();
}

function draw(html) {
  if (html === shown) return;
  const part = document.createElement("template");
  part.innerHTML = html;
  const focus = picture.contains(document.activeElement) ? document.activeElement : null;
  const held = focus?.closest("[id]").id;
  if (held && !part.content.getElementById(held)) {
    picture.addEventListener("focusout", soon, { once: true });
    return;
  }
  for (const each of picture.querySelectorAll("details")) {
    if (each.open) opened.add(each.id);
    else opened.delete(each.id);
  }
  for (const id of opened) part.content.getElementById(id)?.setAttribute("open", "");
  const boxes = [...part.content.querySelectorAll("[data-key]")];
  const marked = drawn ? boxes.filter((each) => !drawn.has(each.dataset.key)) : [];
  for (const each of marked) each.classList.add("new");
  const kept = part.content.querySelector("[data-incomplete]") ? (drawn ?? []) : [];
  if (boxes.length) drawn = new Set([...kept, ...boxes.map((each) => each.dataset.key)]);
  shown = html;
  picture.replaceChildren(part.content);
  if (held) again(held, focus).focus({ preventScroll: true });
  setTimeout(() => marked.forEach((each) => each.classList.remove("new")), MARKED);
}

function again(id, focus) {
  const place = document.getElementById(id);
  return place.querySelector(focus.localName) ?? place;
}

link.addEventListener("click", (event) => {
  event.preventDefault();
  asked = true;
  soon();
});

document.addEventListener("lab:checked", soon);
document.addEventListener("lab:live", want);
document.addEventListener("visibilitychange", () => stale && soon());
new IntersectionObserver((entries) => {
  seen = entries.at(-1).isIntersecting;
  if (seen && stale) soon();
}).observe(section);
