// Search in the theme's dialog: pagefind is loaded when the dialog first opens, one index a language.
// pagefind splits Chinese queries into words by itself when the page's language is Chinese.

const PAGES = 10;
const SECTIONS = 3;

/** Code names are indexed in parts too (see tools/search_index.py): ask for the parts. */
export function asTyped(query) {
  return query.trim().replace(/[_/]+/g, " ").replace(/\s+/g, " ");
}

function element(tag, className, parent) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  parent.append(made);
  return made;
}

/** One page of results: its title, then the sections that hold the words. */
function show(page, list) {
  const item = element("li", "search-page", list);
  const title = element("a", "search-title", item);
  title.href = page.url;
  title.textContent = page.meta.title;
  const sections = page.sub_results.filter((one) => one.url.includes("#")).slice(0, SECTIONS);
  for (const section of sections.length ? sections : [page]) {
    const link = element("a", "search-section", item);
    link.href = section.url;
    if (section !== page) element("span", "search-heading", link).textContent = section.title;
    element("span", "search-excerpt", link).innerHTML = section.excerpt; // pagefind escapes it
  }
}

export class Search {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input");
    this.status = document.getElementById("book-search-status");
    this.list = document.getElementById("book-search-results");
    this.turn = 0;
    this.input.addEventListener("focus", () => this.load(), { once: true });
    this.input.addEventListener("input", () => this.soon());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.list.querySelector("a")?.click();
    });
    form.parentElement.addEventListener("keydown", (event) => this.move(event));
  }

  load() {
    this.pagefind ??= import(new URL(this.form.dataset.index, document.baseURI).href)
      .then(async (pagefind) => {
        await pagefind.options({ excerptLength: 24 });
        await pagefind.init();
        return pagefind;
      })
      .catch(() => {
        this.status.textContent = this.form.dataset.unavailable;
      });
    return this.pagefind;
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), 120);
  }

  async run() {
    const turn = ++this.turn;
    const query = asTyped(this.input.value);
    const pagefind = query && (await this.load());
    const found = pagefind ? await pagefind.search(query) : null;
    const pages = found ? await Promise.all(found.results.slice(0, PAGES).map((r) => r.data())) : [];
    if (turn !== this.turn) return; // a newer query is on its way
    this.list.replaceChildren();
    pages.forEach((page) => show(page, this.list));
    if (!found) {
      if (!query) this.status.textContent = "";
      return;
    }
    const { results, nothing } = this.form.dataset;
    this.status.textContent = pages.length ? results.replace("{n}", found.results.length) : nothing;
  }

  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const stops = [this.input, ...this.list.querySelectorAll("a")];
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}

const form = document.querySelector("#pst-search-dialog form");
if (form) new Search(form);
