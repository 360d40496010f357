// Share a page, report an error in the section one reads, load the comments when asked for.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector(".page-links");
  if (!box) return;

  // Addresses are made when they are needed: the section in the address may have changed by then.
  for (const link of box.querySelectorAll("[data-share]")) {
    const aim = () => {
      const filled = { url: location.href, title: document.title };
      link.href = link.dataset.share.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(filled[name]));
    };
    aim();
    for (const kind of ["pointerdown", "focus"]) link.addEventListener(kind, aim);
  }
  const copy = box.querySelector(".share-copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href);
    const words = copy.textContent;
    copy.textContent = copy.dataset.done;
    setTimeout(() => (copy.textContent = words), 2000);
  });
  const more = box.querySelector(".share-more");
  if (navigator.share) {
    more.hidden = false;
    more.addEventListener("click", () => {
      navigator.share({ title: document.title, url: location.href }).catch(() => {}); // the reader may change their mind
    });
  }

  const report = box.querySelector(".page-report");
  for (const kind of ["pointerdown", "focus"]) {
    report?.addEventListener(kind, () => {
      const address = new URL(report.href);
      address.searchParams.set("page", address.searchParams.get("page").replace(/#.*/, "") + location.hash);
      report.href = address.href;
    });
  }

  const comments = document.querySelector(".page-comments");
  const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");
  comments?.querySelector("button").addEventListener("click", () => {
    const { giscusHost: host, ...told } = comments.dataset;
    const script = document.createElement("script");
    script.src = `${host}/client.js`;
    script.crossOrigin = "anonymous";
    for (const [name, value] of Object.entries(told)) {
      script.dataset[name.replace(/^giscus./, (start) => start.at(-1).toLowerCase())] = value;
    }
    script.dataset.theme = theme();
    comments.replaceChildren(script);
    new MutationObserver(() => {
      const frame = comments.querySelector("iframe");
      frame?.contentWindow.postMessage({ giscus: { setConfig: { theme: theme() } } }, host);
    }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  });
});
