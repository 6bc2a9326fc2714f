// The pane with registry and terminal: opened and closed, beside the text or below it, and its
// width, by mouse and keyboard.

import { keep } from "./keep.js";

const NARROWEST = 18; // rem, as in pane.css
const BESIDE = 40; // rem for the outline and the text, as in pane.css
const STEP = 2; // rem for an arrow key

const root = document.documentElement;
const pane = document.getElementById("pane");
const grip = document.getElementById("grip");

function choose(name, value) {
  root.dataset[name] = value;
  keep(name, value);
  tell();
}

const rem = () => parseFloat(getComputedStyle(root).fontSize);
const width = () => Math.round(pane.offsetWidth / rem());
const widest = () => Math.max(NARROWEST, Math.floor(root.clientWidth / rem()) - BESIDE);

function widen(to) {
  const chosen = Math.min(Math.max(to, NARROWEST), widest()).toFixed(1);
  root.style.setProperty("--pane", `${chosen}rem`);
  keep("width", chosen);
  tell();
}

function tell() {
  grip.setAttribute("aria-valuemax", widest());
  grip.setAttribute("aria-valuenow", width());
}

document.getElementById("pane-fold").addEventListener("click", () => {
  choose("pane", root.dataset.pane === "folded" ? "open" : "folded");
});

document.getElementById("pane-place").addEventListener("click", () => {
  choose("place", root.dataset.place === "below" ? "beside" : "below");
});

grip.addEventListener("keydown", (event) => {
  const to = {
    ArrowLeft: width() + STEP,
    ArrowRight: width() - STEP,
    Home: NARROWEST,
    End: widest(),
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  widen(to);
});

grip.addEventListener("pointerdown", (event) => {
  event.preventDefault(); // else the text would be selected
  grip.setPointerCapture(event.pointerId);
});

grip.addEventListener("pointermove", (event) => {
  if (grip.hasPointerCapture(event.pointerId)) widen((root.clientWidth - event.clientX) / rem());
});

addEventListener("resize", tell);
tell();
