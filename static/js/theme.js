// The switch between the system's colours, light and dark.

import { keep } from "./keep.js";

const root = document.documentElement;

for (const choice of document.querySelectorAll("input[name='theme']")) {
  choice.checked = choice.value === root.dataset.theme;
  choice.addEventListener("change", () => {
    root.dataset.theme = choice.value;
    keep("theme", choice.value);
  });
}
