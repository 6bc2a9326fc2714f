// Single keys for whoever works without a mouse. `?` lists them, and there they are switched off.

import { keep } from "./keep.js";

const FIELDS = "input, textarea, select, [contenteditable]";

const help = document.getElementById("keys");
const on = document.getElementById("keys-on");
const steps = [...document.querySelectorAll(".step")];

// The step that has the focus, else the last one that begins in the window's upper half.
function current() {
  const focused = steps.indexOf(document.activeElement.closest(".step"));
  if (focused >= 0) return focused;
  return steps.findLastIndex((step) => step.getBoundingClientRect().top < innerHeight / 2);
}

function go(by) {
  const step = steps[Math.min(Math.max(current() + by, 0), steps.length - 1)];
  if (!step) return;
  step.querySelector("h2").focus({ preventScroll: true });
  step.scrollIntoView();
}

function check() {
  const form = steps[Math.max(current(), 0)]?.querySelector("form[action$='/check']");
  if (form) form.requestSubmit();
  else document.getElementById("lab")?.focus(); // where the lab is started
}

function terminal() {
  const place = document.getElementById("terminal");
  if (!place) return;
  if (document.documentElement.dataset.pane === "folded") {
    document.getElementById("pane-fold").click();
  }
  (place.querySelector("textarea") ?? place.querySelector("button"))?.focus();
}

function outline() {
  const outline = document.querySelector(".outline");
  outline.open = true;
  outline.querySelector("[aria-current]").focus();
}

const ACTS = {
  "?": () => help.showModal(),
  j: () => go(1),
  k: () => go(-1),
  c: check,
  t: terminal,
  o: outline,
};

document.addEventListener("keydown", (event) => {
  const act = ACTS[event.key];
  const combined = event.ctrlKey || event.altKey || event.metaKey || event.isComposing;
  if (!act || combined || event.defaultPrevented) return;
  if (!on.checked || help.open || event.target.closest(FIELDS)) return;
  event.preventDefault();
  act();
});

document.getElementById("keys-open").addEventListener("click", () => help.showModal());
on.checked = document.documentElement.dataset.keys !== "off";
on.addEventListener("change", () => keep("keys", on.checked ? "on" : "off"));
