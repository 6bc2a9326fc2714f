// Puts in force what the reader has chosen, before anything is painted. So this is no module: the
// page waits for it. The choices are made in theme.js, pane.js and keys.js.

{
  const root = document.documentElement;
  const chosen = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // this browser keeps nothing
    }
  };
  const roomy = matchMedia("(min-width: 43.75rem)").matches; // as in pane.css
  root.dataset.theme = chosen("theme") ?? "system";
  root.dataset.place = chosen("place") ?? "beside";
  root.dataset.pane = chosen("pane") ?? (roomy ? "open" : "folded");
  root.dataset.keys = chosen("keys") ?? "on";
  const width = Number(chosen("width"));
  if (width) root.style.setProperty("--pane", `${width}rem`);
}
