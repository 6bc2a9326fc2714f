// Explains an error that a command in the terminal of the page has just failed with. The decoder runs
// on this machine, and keeps nothing.

import { keep, recall } from "./keep.js";

const announce = document.getElementById("announce");
const tools = document.getElementById("terminal-tools");
const place = document.getElementById("terminal-meaning");
const wanted = document.getElementById("terminal-explain");

let latest;

document.addEventListener("lab:printed", async ({ detail: { text } }) => {
  place.replaceChildren();
  latest = text;
  if (!wanted.checked || !text.trim()) return;
  const finding = await decode(text).catch(() => null);
  if (finding && latest === text) show(finding);
});

// Returns the explanation of the first error in a text, or null.
async function decode(text) {
  const body = new FormData(tools);
  body.append("text", text);
  const headers = { "HX-Request": "true" };
  const answer = await fetch(place.dataset.decoder, { method: "POST", body, headers });
  const fragment = document.createElement("template");
  if (answer.ok) fragment.innerHTML = await answer.text();
  return fragment.content.querySelector(".finding");
}

function show(finding) {
  const title = finding.querySelector("h2");
  const fold = document.createElement("details");
  const summary = document.createElement("summary");
  const said = (words) => words.replace("{title}", () => title.textContent);
  summary.textContent = said(place.dataset.means);
  title.remove();
  fold.append(summary, finding);
  place.replaceChildren(fold);
  announce.textContent = said(place.dataset.explained);
}

document.getElementById("terminal-explains").hidden = false;
wanted.checked = recall("terminal-explain") !== "off";
wanted.addEventListener("change", () => {
  keep("terminal-explain", wanted.checked ? "on" : "off");
  place.replaceChildren();
});
