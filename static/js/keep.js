// Keeps a choice in this browser. Where it keeps nothing, the choice holds for this page.

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    return;
  }
}
