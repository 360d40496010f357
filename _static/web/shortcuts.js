// Single keys, listed under `?`. A reader can turn them off there: speech input types letters, too.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("book-shortcuts");
  if (!dialog) return;
  const KEY = "book-single-keys";
  const kept = () => { try { return localStorage.getItem(KEY) !== "off"; } catch { return true; } };
  const box = dialog.querySelector("input");
  box.checked = kept();
  box.addEventListener("change", () => { try { localStorage.setItem(KEY, box.checked ? "on" : "off"); } catch { /* no storage */ } });
  const click = (selector) => document.querySelector(selector)?.click();
  const acts = {
    "?": () => dialog.showModal(),
    "/": () => {
      document.getElementById("pst-search-dialog").showModal();
      document.querySelector("#pst-search-dialog input").focus();
    },
    "[": () => click(".prev-next-area .left-prev"),
    "]": () => click(".prev-next-area .right-next"),
    c: () => click(".primary-toggle"),
    l: () => click(".book-language"),
    d: () => {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      click(`.theme-change-button[data-mode=${next}]`);
    },
  };
  for (const button of document.querySelectorAll(".shortcuts-open")) button.addEventListener("click", acts["?"]);
  document.addEventListener("keydown", (event) => {
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !box.checked) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog[open]")) return;
    event.preventDefault();
    act();
  });
});
