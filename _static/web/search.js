// Search in the theme's dialog: pagefind is loaded when the dialog first opens, one index a language.
// Every Chinese character is a word of the index (see tools/search_index.py).

const PAGES = 10; // shown at once; a button brings as many more
const SECTIONS = 3; // of each of the first pages; of the others one
const WITH_SECTIONS = 3;

/**
 * The query as the index has it. pagefind indexes the words of a code name, so that a part of a name is found
 * by its words; and a quotation mark is its sign for words side by side.
 */
function wordsOf(query) {
  const apart = query.replace(/(?<=\p{Script=Han})(?=\p{Script=Han})/gu, " ");
  return apart.replace(/[_/"\s]+/g, " ").trim();
}

const HAN_WORD = /^\p{Script=Han}{2,}$/u;
const GLUE = /[的了和与在是及或]/u;

/**
 * The Chinese words of a query that have more than one character. A word that the browser does not know comes
 * from it in single characters: what stands between two that it knows is taken for one.
 */
function chineseWords(query) {
  const words = [""];
  for (const { segment } of new Intl.Segmenter("zh", { granularity: "word" }).segment(query)) {
    if (/^\p{Script=Han}$/u.test(segment) && !GLUE.test(segment)) words.push(words.pop() + segment);
    else words.push(segment, "");
  }
  return words.filter((word) => HAN_WORD.test(word));
}

/** Pages that hold the words side by side, best first, then those that hold them anywhere. */
async function ranked(pagefind, words) {
  if (!words.includes(" ")) return (await pagefind.search(words)).results;
  const [phrase, anywhere] = await Promise.all([pagefind.search(`"${words}"`), pagefind.search(words)]);
  const ids = new Set(phrase.results.map((result) => result.id)); // all of one score
  const first = anywhere.results.filter((result) => ids.has(result.id));
  return [...first, ...anywhere.results.filter((result) => !ids.has(result.id))];
}

/**
 * Without the pages that hold the characters of a Chinese word apart, those with the whole query first. The index
 * knows the characters only, and its phrases miss some places: the text of every page is looked at.
 */
async function withWords(found, query) {
  const words = chineseWords(query);
  if (!words.length) return found;
  const pages = await Promise.all(found.map((one) => one.data()));
  return found
    .map((one, at) => ({ one, text: pages[at].content }))
    .filter(({ text }) => words.every((word) => holds(text, word)))
    .sort((a, b) => holds(b.text, query) - holds(a.text, query))
    .map(({ one }) => one);
}

/** The letters that a word shares with its other forms, as the index has them: `paging` is found as `page`. */
function root(word) {
  return word.replace(/(?<=..)(?:ing|ed|es|s)$/, "").slice(0, 4);
}

/** Whether a text holds the root of every Latin word. */
function holdsRoots(text, words) {
  const lower = plain(text).toLowerCase();
  return (words.toLowerCase().match(/[a-z0-9]+/g) ?? []).every((word) => lower.includes(root(word)));
}

/**
 * Without the pages that pagefind found by a letter or two: of a word that stands nowhere it cuts the end off until
 * something begins so. If the best page holds more, the words were found as they are.
 */
async function genuine(found, words) {
  if (!found.length || holdsRoots((await found[0].data()).content, words)) return found;
  const pages = await Promise.all(found.map((one) => one.data()));
  return found.filter((_, at) => holdsRoots(pages[at].content, words));
}

function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
}

/** pagefind's text without the signs that separate Chinese words in the index. */
function plain(text) {
  return text.replaceAll("\u200b", "");
}

/** An escaped excerpt without its heading, which pagefind puts before the text, marks among its letters. */
function withoutHeading(marked, title) {
  const escaped = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  const letters = [...plain(title).replace(/^[\d.]+\s+/, "")].map(
    (one) => escaped[one] ?? one.replace(/[.*+?^${}()|[\]\\]/, "\\$&"),
  );
  return marked.replace(new RegExp(`^(?:[\\d.]+ )?(?:<mark>)?${letters.join("(?:</?mark>)*")}(?:</mark>)?\\.(?:</mark>)? `), "");
}

/** What stands around the words; a Chinese sign of a longer query is no match by itself. */
function excerpt(of, query, parent) {
  let marked = plain(of.excerpt).replaceAll("</mark><mark>", ""); // pagefind escapes the rest
  marked = withoutHeading(marked, of.title ?? of.meta.title);
  if (/\p{Script=Han}.*\p{Script=Han}/u.test(query)) {
    marked = marked.replace(/<mark>(\p{Script=Han}\P{Script=Han}*?)<\/mark>/gu, "$1");
  }
  element("span", "search-excerpt", parent).innerHTML = marked;
}

/** Whether a text holds the query as it was typed. */
function holds(text, query) {
  return Number(plain(text).toLowerCase().includes(query.trim().toLowerCase()));
}

/** The parts of a page that match best: its sections, or alone what stands before them. */
function bestParts(page, query, most) {
  const score = (part) => part.weighted_locations.reduce((sum, at) => sum + at.balanced_score, 0);
  const parts = page.sub_results.filter((part) => part.anchor).sort((a, b) => score(b) - score(a));
  const exact = parts.filter((part) => holds(part.plain_excerpt, query));
  const best = exact.length ? exact : parts;
  const sections = best.filter((part) => part.title !== page.meta.title);
  return sections.length ? { sections: sections.slice(0, most) } : { sections, head: best[0] ?? page };
}

/** One page of results: its title, then the sections that hold the words. */
function show(page, query, list) {
  const most = list.children.length < WITH_SECTIONS ? SECTIONS : 1;
  const item = element("li", "search-page", list);
  const title = element("a", "search-title", item);
  title.href = page.url;
  title.textContent = plain(page.meta.title);
  const { sections, head } = bestParts(page, query, most);
  for (const section of sections) {
    const link = element("a", "search-section", item);
    link.href = section.url;
    element("span", "search-heading", link).textContent = plain(section.title);
    excerpt(section, query, link);
  }
  if (head) excerpt(head, query, item);
}

class Search {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input");
    this.status = document.getElementById("book-search-status");
    this.list = document.getElementById("book-search-results");
    this.more = document.getElementById("book-search-more");
    this.more.addEventListener("click", () => this.showMore(this.turn, true));
    this.turn = 0;
    this.input.addEventListener("focus", () => this.load(), { once: true });
    this.input.addEventListener("input", () => this.soon());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.list.querySelector("a")?.click();
    });
    const dialog = form.closest("dialog");
    dialog.addEventListener("keydown", (event) => this.move(event));
    this.list.addEventListener("click", (event) => {
      if (event.target.closest("a")) dialog.close(); // the result may be on this very page
    });
  }

  load() {
    const chinese = document.documentElement.lang.startsWith("zh"); // each character is a word of the index
    this.pagefind ??= import(new URL(this.form.dataset.index, document.baseURI).href)
      .then(async (pagefind) => {
        await pagefind.options({ excerptLength: chinese ? 60 : 24 });
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
    this.timer = setTimeout(() => this.run(), 80);
  }

  async run() {
    const turn = ++this.turn;
    const query = this.input.value;
    const words = wordsOf(query);
    const pagefind = words && (await this.load());
    const found = pagefind ? await genuine(await withWords(await ranked(pagefind, words), query), words) : [];
    if (turn !== this.turn) return; // a newer query is on its way
    this.left = found;
    await this.showMore(turn);
    if (turn !== this.turn) return;
    const { results, result, nothing } = this.form.dataset;
    if (pagefind) this.status.textContent = found.length > 1 ? results.replace("{n}", found.length) : found.length ? result : nothing;
    else if (!words) this.status.textContent = "";
    this.list.dataset.query = query; // what the list answers
  }

  // The next pages of the list; whoever asks for more goes on from the first of them.
  async showMore(turn, asked) {
    const next = this.left.slice(0, PAGES);
    const pages = await Promise.all(next.map((result) => result.data()));
    if (turn !== this.turn) return;
    const query = this.input.value;
    if (!asked) this.list.replaceChildren();
    const before = this.list.children.length;
    pages.sort((a, b) => holds(b.content, query) - holds(a.content, query));
    pages.forEach((page) => show(page, query, this.list));
    this.left = this.left.slice(PAGES);
    this.more.hidden = !this.left.length;
    if (asked) this.list.children[before]?.querySelector("a").focus();
  }

  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const stops = [this.input, ...this.list.querySelectorAll("a")];
    if (!this.more.hidden) stops.push(this.more);
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}

const form = document.querySelector("#pst-search-dialog form");
if (form) new Search(form);
