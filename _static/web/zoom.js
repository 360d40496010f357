// A figure over the whole window: its button, a click or a tap on the drawing open it, Escape closes it.
// Inside, a click or tap and the keys + and - change the size; the rest is the browser's own scrolling.
(() => {
  "use strict";

  const STEPS = [1, 1.5, 2.25, 3.5, 5];

  function button(name, label, sign, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = `zoom-${name}`;
    made.setAttribute("aria-label", label);
    made.textContent = sign;
    made.addEventListener("click", act);
    return made;
  }

  class Zoom {
    constructor(opener) {
      const svg = opener.closest(".book-drawing").querySelector("svg");
      const words = opener.dataset;
      this.step = this.first = 0;
      this.dialog = document.createElement("dialog");
      this.dialog.className = "book-zoomed";
      this.dialog.setAttribute("aria-label", opener.getAttribute("aria-label"));
      this.stage = document.createElement("div");
      this.stage.className = "zoom-stage";
      this.stage.tabIndex = 0;
      this.svg = svg.cloneNode(true);
      this.svg.removeAttribute("style");
      this.stage.append(this.svg);
      const tools = document.createElement("div");
      tools.className = "zoom-tools";
      this.out = button("out", words.smaller, "−", () => this.scale(this.step - 1));
      this.in = button("in", words.larger, "+", () => this.scale(this.step + 1));
      const close = button("close", words.close, "×", () => this.dialog.close());
      tools.append(this.out, this.in, close);
      this.dialog.append(tools, this.stage);
      this.dialog.addEventListener("keydown", (event) => this.key(event));
      this.stage.addEventListener("click", (event) => this.click(event));
      this.dialog.addEventListener("close", () => {
        this.dialog.remove();
        opener.focus();
      });
      document.body.append(this.dialog);
      this.dialog.showModal();
      close.focus();
      this.scale(0);
      // On a phone a drawing may be wider in the page, where it scrolls, than the window.
      const wider = STEPS.findIndex((step) => this.fit * step >= svg.getBoundingClientRect().width);
      this.first = Math.max(0, wider);
      if (this.first) this.scale(this.first, 0);
    }

    // The point of the drawing at `x`, `y` of the stage stays where it is.
    scale(step, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
      const stage = this.stage;
      const before = this.svg.getBoundingClientRect().width;
      this.step = Math.max(0, Math.min(STEPS.length - 1, step));
      this.fit ??= before;
      this.svg.style.width = this.step ? `${this.fit * STEPS[this.step]}px` : "";
      stage.classList.toggle("zoom-large", this.step > 0);
      const grown = this.svg.getBoundingClientRect().width / before;
      stage.scrollLeft = (stage.scrollLeft + x) * grown - x;
      stage.scrollTop = (stage.scrollTop + y) * grown - y;
      this.out.disabled = this.step === 0;
      this.in.disabled = this.step === STEPS.length - 1;
    }

    click(event) {
      const at = this.stage.getBoundingClientRect();
      this.scale(this.step > this.first ? this.first : this.first + 2, event.clientX - at.left, event.clientY - at.top);
    }

    key(event) {
      const change = { "+": 1, "=": 1, "-": -1 }[event.key];
      if (!change || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.scale(this.step + change);
    }
  }

  document.addEventListener("click", (event) => {
    const drawing = event.target.closest?.(".book-drawing");
    if (!drawing || getSelection().toString()) return;
    new Zoom(drawing.querySelector(".figure-zoom"));
  });
})();
