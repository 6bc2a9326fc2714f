// Asks again for a script or a style sheet that was lost on the way: Chromium drops what it loads
// when a container's network comes or goes. It stands before all others, and is no module.

{
  const MOST = 5; // times
  const PAUSE = 500; // milliseconds

  const ask = ({ target }) => {
    const times = Number(target.dataset?.again ?? 0);
    if (times === MOST || !target.matches?.("script, link[rel=stylesheet]")) return;
    const again = document.createElement(target.localName);
    for (const { name, value } of target.attributes) again.setAttribute(name, value);
    again.dataset.again = times + 1;
    setTimeout(() => target.replaceWith(again), PAUSE);
  };
  addEventListener("error", ask, true); // such an error does not bubble
}
