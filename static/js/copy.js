// Gives each block of commands a button that copies them, and one that runs them in the terminal of
// the page, where there is one.

const announce = document.getElementById("announce");
const words = document.getElementById("copy").dataset;
const terminal = document.getElementById("terminal-tools");

function add(block, name, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = name;
  const tell = (said) => {
    button.textContent = said;
    setTimeout(() => (button.textContent = name), 2000);
  };
  button.addEventListener("click", () => act(block.querySelector("pre").textContent, tell));
  block.append(button);
}

async function copy(code, tell) {
  let said = words.copied;
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    said = words.refused;
  }
  tell(said);
  announce.textContent = `${said}.`;
}

function run(code, tell) {
  const detail = { code, sent: () => tell(words.sent) };
  document.dispatchEvent(new CustomEvent("lab:run", { detail }));
}

for (const block of document.querySelectorAll(".commands")) {
  if (terminal) add(block, words.run, run);
  add(block, words.copy, copy);
}
