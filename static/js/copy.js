// Gives each block of commands a button that copies them.

const announce = document.getElementById("announce");

for (const block of document.querySelectorAll(".commands")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent);
    } catch {
      said = "Not allowed";
    }
    button.textContent = said;
    announce.textContent = `${said}.`;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  block.append(button);
}
