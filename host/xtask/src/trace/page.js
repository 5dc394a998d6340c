"use strict";
const sections = [...document.querySelectorAll("section")];
const rows = [...document.querySelectorAll("#picture .step")];
const previous = document.getElementById("previous");
const next = document.getElementById("next");
const count = document.getElementById("count");
let now = 0;
function show(step, scroll) {
  now = Math.min(Math.max(step, 0), sections.length - 1);
  sections.forEach((section, place) => section.classList.toggle("now", place === now));
  rows.forEach((row, place) => row.classList.toggle("now", place === now));
  previous.disabled = now === 0;
  next.disabled = now === sections.length - 1;
  count.textContent = (now + 1) + " / " + sections.length;
  // Where the picture stands beside the steps, it follows them.
  if (scroll && matchMedia("(min-width: 1100px)").matches) {
    rows[now].scrollIntoView({ block: "nearest" });
  }
  history.replaceState(null, "", "#" + (now + 1));
}
previous.addEventListener("click", () => show(now - 1, true));
next.addEventListener("click", () => show(now + 1, true));
rows.forEach((row, place) => row.addEventListener("click", () => show(place, false)));
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const to = { ArrowLeft: now - 1, ArrowUp: now - 1, ArrowRight: now + 1, ArrowDown: now + 1, Home: 0,
    End: sections.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  show(to, true);
});
document.body.classList.add("js");
show((parseInt(location.hash.slice(1), 10) || 1) - 1, true);
