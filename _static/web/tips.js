// Definitions and references in a small box beside the link that needs them: on hover, on focus, on tap.
// Their text stands at the end of the page, put there by _ext/tips.py.
(() => {
  "use strict";

  const OPEN_AFTER = 250; // ms under the pointer, so that nothing flickers in passing
  const CLOSE_AFTER = 250; // ms to move the pointer from the link into the box
  const MARKED = "a[aria-describedby^='tip-']";
  let box, shown, timer, touching;

  function fill(link) {
    const source = document.getElementById(link.getAttribute("aria-describedby"));
    box.replaceChildren(...[...source.childNodes].map((one) => one.cloneNode(true)));
    if (!source.dataset.name) return;
    const name = document.createElement("strong");
    name.textContent = source.dataset.name;
    box.prepend(name);
  }

  // Under the link, or above it where there is no room; never over the window's sides.
  function place(link) {
    const at = link.getClientRects()[0];
    const from = box.offsetParent.getBoundingClientRect();
    const most = document.documentElement.clientWidth - box.offsetWidth - 12;
    const below = at.bottom + box.offsetHeight + 12 < innerHeight;
    const top = below ? at.bottom + 8 : at.top - box.offsetHeight - 8;
    box.style.left = `${Math.max(12, Math.min(at.left, most)) - from.left}px`;
    box.style.top = `${top - from.top}px`;
  }

  function show(link) {
    clearTimeout(timer);
    fill(link);
    box.hidden = false;
    place(link);
    shown = link;
  }

  function hide() {
    clearTimeout(timer);
    box.hidden = true;
    shown = undefined;
  }

  function later(what, after) {
    clearTimeout(timer);
    timer = setTimeout(what, after);
  }

  function onOver(event) {
    if (event.pointerType === "touch") return;
    const link = event.target.closest(MARKED);
    if (link && link !== shown) later(() => show(link), OPEN_AFTER);
    else if (link || event.target.closest(".book-tip")) clearTimeout(timer);
  }

  function onOut(event) {
    if (event.pointerType === "touch" || !event.target.closest(`${MARKED}, .book-tip`)) return;
    later(hide, CLOSE_AFTER);
  }

  // The first tap shows, the second follows.
  function onClick(event) {
    const link = event.target.closest(MARKED);
    if (link && touching && shown !== link) {
      event.preventDefault();
      show(link);
    } else if (!event.target.closest(".book-tip")) hide();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const article = document.querySelector("article");
    if (!article?.querySelector(MARKED)) return;
    box = document.createElement("div");
    box.className = "book-tip";
    box.setAttribute("role", "tooltip");
    box.hidden = true;
    article.append(box);
    article.addEventListener("pointerover", onOver);
    article.addEventListener("pointerout", onOut);
    article.addEventListener("focusin", (event) => {
      if (!touching && event.target.matches(`${MARKED}:focus-visible`)) show(event.target);
    });
    article.addEventListener("focusout", (event) => event.target === shown && hide());
    document.addEventListener("pointerdown", (event) => (touching = event.pointerType === "touch"), true);
    document.addEventListener("click", onClick);
    document.addEventListener("keydown", (event) => {
      touching = false;
      if (event.key === "Escape" && shown) hide();
    });
  });
})();
