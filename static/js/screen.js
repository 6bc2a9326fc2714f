// The screen of the terminal: xterm.js under the page's strict policy, in the page's colours.
//
// The policy allows no <style> element and no style attribute, which xterm.js 6.0.0 writes both.
// It does allow what a script sets through the CSSOM. So while xterm.js builds its elements, each
// <style> that it asks for is one that hands its text to a constructed style sheet; and the style
// attributes of its spans, with which it draws selections and 24-bit colours, are set as CSSOM.

const HUES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

// Builds the screen in this element. Its `sheets` go with it when it is disposed of.
export async function build(place, readerMode) {
  const [{ Terminal }, { FitAddon }] = await Promise.all([
    import(place.dataset.xterm),
    import(place.dataset.fit),
    style(place.dataset.style),
  ]);
  HTMLSpanElement.prototype.setAttribute = setAttribute;
  const screen = new Terminal({
    scrollback: 5000,
    fontFamily: getComputedStyle(place).fontFamily,
    fontSize: 13,
    logLevel: "off", // else it complains of each odd byte in the output
    minimumContrastRatio: 4.5,
    screenReaderMode: readerMode,
    theme: theme(place),
  });
  const fit = new FitAddon();
  screen.loadAddon(fit);
  const sheets = openWithSheets(screen, place);

  const sizes = new ResizeObserver(() => place.clientWidth && fit.fit());
  sizes.observe(place);
  const recolour = () => (screen.options.theme = theme(place));
  const chosen = new MutationObserver(recolour);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", recolour);

  const dispose = () => {
    sizes.disconnect();
    chosen.disconnect();
    system.removeEventListener("change", recolour);
    screen.dispose();
    const left = document.adoptedStyleSheets.filter((sheet) => !sheets.includes(sheet));
    document.adoptedStyleSheets = left;
  };
  return { screen, dispose };
}

function style(address) {
  if (document.querySelector(`link[href="${address}"]`)) return null;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = address;
  const loaded = new Promise((done, failed) => {
    link.onload = done;
    link.onerror = failed;
  });
  document.head.append(link);
  return loaded;
}

function openWithSheets(screen, place) {
  const sheets = [];
  const create = document.createElement;
  document.createElement = (name, ...rest) => {
    if (name !== "style") return create.call(document, name, ...rest);
    const sheet = new CSSStyleSheet();
    sheets.push(sheet);
    const stand = create.call(document, "template");
    Object.defineProperty(stand, "textContent", { set: (text) => sheet.replaceSync(text) });
    return stand;
  };
  try {
    screen.open(place);
  } finally {
    delete document.createElement; // the one of all documents again
  }
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, ...sheets];
  return sheets;
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

// The colours that terminal.css gives, as they are now; xterm.js wants them without `var()`.
function theme(place) {
  const probe = document.createElement("span");
  probe.hidden = true;
  place.append(probe);
  const resolved = (colour) => {
    probe.style.color = colour;
    return getComputedStyle(probe).color;
  };
  const found = {
    background: resolved("var(--panel)"),
    foreground: resolved("var(--text)"),
    cursor: resolved("var(--text)"),
    cursorAccent: resolved("var(--panel)"),
    selectionBackground: resolved("var(--selection)"),
  };
  for (const hue of HUES) {
    const bright = `bright${hue[0].toUpperCase()}${hue.slice(1)}`;
    found[hue] = resolved(`var(--ansi-${hue})`);
    found[bright] = resolved(`var(--ansi-bright-${hue})`);
  }
  probe.remove();
  return found;
}
