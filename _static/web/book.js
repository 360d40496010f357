// What the theme leaves undone: drawers on a phone, and a language switch that keeps the section.
(() => {
  "use strict";

  // On a narrow screen the theme binds only its first sidebar button, which the book theme hides
  // (pydata-sphinx-theme 2451, sphinx-book-theme 988): open and close both drawers here.
  const drawers = [
    ["primary", ".primary-toggle", "pst-primary-sidebar"],
    ["secondary", ".secondary-toggle", "pst-secondary-sidebar"],
  ];
  const narrow = { primary: "(max-width: 959.98px)", secondary: "(max-width: 1199.98px)" };

  function bindDrawer([side, toggle, id]) {
    const dialog = document.getElementById(`${id}-modal`);
    const sidebar = document.getElementById(id);
    if (!dialog || !sidebar) return;
    const home = document.createComment(id);
    const close = () => {
      if (dialog.open) dialog.close();
    };
    dialog.addEventListener("close", () => home.isConnected && home.replaceWith(sidebar));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("a")) close();
    });
    for (const old of document.querySelectorAll(toggle)) {
      const button = old.cloneNode(true); // without the theme's listeners
      old.replaceWith(button);
      button.setAttribute("aria-label", button.title);
      button.setAttribute("aria-controls", id);
      button.addEventListener("click", (event) => {
        event.preventDefault();
        if (matchMedia(narrow[side]).matches) {
          sidebar.replaceWith(home);
          dialog.append(sidebar);
          dialog.showModal();
        } else if (side === "primary") {
          sidebar.classList.toggle("book-hidden");
        } else {
          sidebar.classList.toggle("book-hidden");
        }
      });
    }
  }

  // The switch leads to the same page; add the section that the reader is in, as it changes.
  function sectionInView() {
    const line = innerHeight / 3;
    let found = "";
    for (const section of document.querySelectorAll("article section[id]")) {
      if (section.getBoundingClientRect().top > line) break;
      found = section.id;
    }
    const first = document.querySelector("article section[id]");
    return first && first.id === found && scrollY < line ? "" : found;
  }

  function bindLanguages() {
    for (const link of document.querySelectorAll(".book-language")) {
      const page = link.getAttribute("href");
      const aim = () => {
        const id = sectionInView();
        link.setAttribute("href", id ? `${page}#${id}` : page);
      };
      for (const kind of ["pointerenter", "pointerdown", "focus", "click"]) {
        link.addEventListener(kind, aim, true);
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    drawers.forEach(bindDrawer);
    bindLanguages();
  });
})();
