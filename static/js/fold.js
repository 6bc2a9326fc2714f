// Opens "If it fails" in a step where it explains what the verdict has found, or what a command in
// the terminal has printed.

const ENOUGH = 12; // characters; shorter words can be in any sentence
const opened = new WeakSet(); // once; the learner can close them again

function open(step, text) {
  for (const fold of step.querySelectorAll("details.failure")) {
    const errors = [...fold.querySelectorAll("td:first-child code, pre code")];
    const words = errors.flatMap((error) => error.textContent.split("…"));
    if (opened.has(fold) || !words.some((each) => says(text, each.trim()))) continue;
    opened.add(fold);
    fold.open = true;
  }
}

function says(text, words) {
  return words.length >= ENOUGH && text.includes(words);
}

for (const verdict of document.querySelectorAll("[id^=verdict-]")) {
  const look = () => open(verdict.closest("section"), verdict.textContent);
  look();
  new MutationObserver(look).observe(verdict, { childList: true, subtree: true });
}

document.addEventListener("lab:printed", ({ detail: { text } }) => {
  const link = document.querySelector("#current-said a[href^='#']");
  const step = link && document.querySelector(link.hash)?.closest(".step");
  if (step) open(step, text);
});
