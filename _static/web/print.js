// Paper is white, and nothing can be unfolded on it: light colors and open boxes while the browser prints.
(() => {
  "use strict";

  let theme, folded;
  addEventListener("beforeprint", () => {
    if (folded) return;
    const root = document.documentElement;
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    folded = [...document.querySelectorAll("article details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    if (!folded) return;
    document.documentElement.dataset.theme = theme;
    for (const one of folded) one.open = false;
    folded = undefined;
  });
})();
