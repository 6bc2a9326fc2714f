// Says beside the button when the server does not answer at all.

const PATIENCE = 3; // answers that a poll may lose: Chromium drops some when networks change

const announce = document.getElementById("announce");
const { said } = document.getElementById("trouble").dataset;

const lost = new WeakMap();

document.addEventListener("htmx:error", (event) => {
  const target = event.detail?.ctx?.target;
  if (!(target instanceof Element) || event.detail.ctx.response) return;
  const source = event.detail.ctx.sourceElement;
  const polls = target !== source && target.contains(source); // and goes on, left where it is
  lost.set(source, (lost.get(source) ?? 0) + 1);
  if (polls && lost.get(source) !== PATIENCE) return;
  const note = document.createElement("p");
  note.className = "said failed";
  note.textContent = said;
  if (polls) target.append(note);
  else if (target.textContent !== said) target.replaceChildren(note);
  announce.textContent = said;
});
