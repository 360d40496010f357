// What the theme leaves undone: drawers that close, a language switch that keeps the section, and
// boxes that can be scrolled from the keyboard.
(() => {
  "use strict";

  // The theme opens its sidebars as dialogs at any width. Where there is room for a sidebar, its
  // button hides it instead; and a link in a drawer closes it.
  function bindDrawer(side, wide) {
    const dialog = document.getElementById(`pst-${side}-sidebar-modal`);
    const sidebar = document.getElementById(`pst-${side}-sidebar`);
    const button = document.querySelector(`.${side}-toggle`);
    if (!dialog || !sidebar || !button) return;
    const room = matchMedia(wide);
    const tell = () => {
      const open = room.matches ? !sidebar.classList.contains("book-hidden") : dialog.open;
      button.setAttribute("aria-expanded", String(open));
    };
    const toggle = (event) => {
      if (!room.matches) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // this listener comes before the theme's
      sidebar.classList.toggle("book-hidden");
      tell();
    };
    button.addEventListener("click", toggle, true);
    room.addEventListener("change", tell);
    new MutationObserver(tell).observe(dialog, { attributeFilter: ["open"] });
    tell();
    dialog.addEventListener("click", (event) => {
      if (event.target.closest("a")) dialog.close();
    });
  }

  // The section that stands under the header; "" for the page's beginning.
  function sectionInView() {
    const sections = [...document.querySelectorAll("article section[id]")];
    if (!sections.length) return "";
    const line = parseFloat(getComputedStyle(sections[0]).scrollMarginTop) + 16;
    // The last sections of a page cannot rise to its top: there, trust the address.
    const aimed = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const atEnd = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    if (atEnd && sections.includes(aimed) && aimed.getBoundingClientRect().top > 0) return aimed.id;
    const above = sections.filter((section) => section.getBoundingClientRect().top <= line);
    const found = above.at(-1);
    return !found || found === sections[0] ? "" : found.id;
  }

  // The link leads to the same page; just before it is followed it learns the section.
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

  // The menu stands under its button, at the page's end side.
  function bindThemeMenu() {
    const menu = document.getElementById("book-theme-menu");
    const button = document.querySelector(".theme-switch-button");
    if (!menu || !button) return;
    menu.addEventListener("beforetoggle", () => {
      const at = button.getBoundingClientRect();
      menu.style.top = `${at.bottom}px`;
      menu.style.right = `${document.documentElement.clientWidth - at.right}px`;
    });
    menu.addEventListener("click", (event) => {
      if (event.target.closest("button")) menu.hidePopover();
    });
  }

  function bindScrollers() {
    const boxes = ".math-scroll, .math-long, .book-figure, .table-box";
    // First look at all, then write: a change between two looks would make the browser lay the page out again.
    const watch = new ResizeObserver((entries) => {
      const wide = entries.map(({ target }) => target.scrollWidth > target.clientWidth + 1);
      entries.forEach(({ target }, at) => {
        if (wide[at] === target.hasAttribute("tabindex")) return;
        if (wide[at]) target.tabIndex = 0;
        else target.removeAttribute("tabindex");
      });
    });
    document.querySelectorAll(boxes).forEach((box) => watch.observe(box));
  }

  // Chromium gives a root the width of its largest sign: room behind it that nothing fills.
  function trimRoots() {
    const roots = [...document.querySelectorAll("article msqrt")];
    const room = roots.map((root) => root.getBoundingClientRect().right - root.lastElementChild.getBoundingClientRect().right);
    roots.forEach((root, at) => {
      if (room[at] > 1) root.style.marginInlineEnd = `${-room[at] / parseFloat(getComputedStyle(root).fontSize)}em`;
    });
  }

  addEventListener("load", () => document.fonts.ready.then(trimRoots)); // the math font has come by then
  document.addEventListener("DOMContentLoaded", () => {
    bindDrawer("primary", "(min-width: 960px)");
    bindDrawer("secondary", "(min-width: 1200px)");
    bindLanguages();
    bindThemeMenu();
    bindScrollers();
  });
})();
