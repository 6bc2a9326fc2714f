// Says beside the button when the server does not answer at all.

const announce = document.getElementById("announce");
const said = "The server does not answer. Start it again in its terminal, then press once more.";

document.addEventListener("htmx:error", (event) => {
  const target = event.detail?.ctx?.target;
  if (!(target instanceof Element) || event.detail.ctx.response) return;
  const note = document.createElement("p");
  note.className = "said failed";
  note.textContent = said;
  if (target.textContent !== said) target.replaceChildren(note);
  announce.textContent = said;
});
