// Keeps a choice in this browser. Where it keeps nothing, the choice holds for this page.

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    return;
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
