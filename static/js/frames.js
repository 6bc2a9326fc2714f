// Steps through pictures in order: by their buttons, and by the arrow keys while one of these has the
// focus.

const announce = document.getElementById("announce");
const { place: words } = document.getElementById("frames").dataset;

function stepThrough(group) {
  const frames = [...group.querySelector("ol").children];
  const [back, on] = group.querySelectorAll(":scope > p button");
  const place = group.querySelector(":scope > p span");
  let at = 0;

  function show(to) {
    if (to === at || !frames[to]) return;
    frames[at].classList.remove("shown");
    frames[to].classList.add("shown");
    at = to;
    back.setAttribute("aria-disabled", at === 0);
    on.setAttribute("aria-disabled", at === frames.length - 1);
    place.textContent = words.replace("{at}", at + 1).replace("{all}", frames.length);
    announce.textContent = `${place.textContent}. ${frames[at].textContent}`;
  }

  back.addEventListener("click", () => show(at - 1));
  on.addEventListener("click", () => show(at + 1));
  group.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: frames.length - 1 };
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    show(keys[event.key]);
  });
}

for (const group of document.querySelectorAll(".frames")) stepThrough(group);
