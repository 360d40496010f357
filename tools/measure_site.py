"""`make measure-site`: Lighthouse on the built site, against the budgets of a page.

    python -m tools.measure_site                 cover and heaviest chapter, both languages, 3 runs each
    python -m tools.measure_site --runs 1 --pages index.html

Pages are served with gzip on the loopback address, as a static host does, and opened cold in Debian's
Chromium. Scores are medians; a page's size is what went over the wire. Exit code 1 where a budget is
broken. Keep the machine quiet: a phone is simulated by slowing this machine's processor down.
"""

from __future__ import annotations

import functools
import gzip
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from examples import cli
from tools import LANGUAGES, ROOT, node_modules, serve

LOCKED = ROOT / "tools" / "lighthouse"
HOME = ROOT / "_build" / "lighthouse"
CHROME = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
DEVICES = ("mobile", "desktop")
TEXT = ("text/", "application/json", "image/svg+xml", "application/xml")
# What a page may cost: at least for scores, at most for the rest.
LEAST = {"performance": {"mobile": 98, "desktop": 100}} | {
    name: dict.fromkeys(DEVICES, 100) for name in CATEGORIES[1:]
}
MOST = {
    "kB": 250,
    "largest script, kB": 60,
    "blocking, ms": 100,
    "layout shift": 0.01,
    "other hosts": 0,
}


class Compressed(serve.Handler):
    """The site's files, text among them with gzip, as static hosts send it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)
        body, kind = path.read_bytes(), self.guess_type(str(path))
        packed = kind.startswith(TEXT) or kind in ("text/javascript",)
        body = gzip.compress(body, 6) if packed else body
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if packed else kind)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body)


def heaviest(site: Path) -> str:
    """The chapter's page with the most bytes."""
    pages = [*site.glob("chapters/*/*.html")]
    chosen = max(
        (page for page in pages if page.parent.name != "appendix"),
        key=lambda page: page.stat().st_size,
    )
    return chosen.relative_to(site).as_posix()


def pages(site: Path) -> list[str]:
    """The cover and the heaviest chapter of each edition."""
    chosen = ["index.html", heaviest(site)]
    folders = [language.folder for language in LANGUAGES.values()]
    return [f"{folder}/{page}".lstrip("/") for page in chosen for folder in folders]


def installed() -> Path:
    """Lighthouse's program, installed from its own lock at the first time."""
    marks = [LOCKED / name for name in ("package.json", "package-lock.json")]
    newest = max(mark.stat().st_mtime for mark in marks)
    done = HOME / "node_modules" / ".installed"
    if not done.exists() or done.stat().st_mtime < newest:
        print("measure-site: installing Lighthouse into _build", flush=True)
        HOME.mkdir(parents=True, exist_ok=True)
        for mark in marks:
            shutil.copy(mark, HOME)
        node_modules.install(HOME)
    return HOME / "node_modules" / "lighthouse" / "cli" / "index.js"


def audit(program: Path, url: str, device: str) -> dict:
    """One report of Lighthouse, opened cold."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [str(node_modules.NODE), str(program), url, "--quiet"]
        command += ["--output=json", f"--output-path={report}"]
        command += [f"--chrome-flags={CHROME}", "--max-wait-for-load=60000"]
        command += ["--preset=desktop"] if device == "desktop" else []
        chrome = shutil.which("chromium") or ""
        done = subprocess.run(
            command,
            env=node_modules.environment() | {"CHROME_PATH": chrome},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode or not report.exists():
            last = (done.stderr.strip() or "no word").splitlines()[-1]
            raise cli.CommandError(f"Lighthouse failed on {url}: {last}")
        return json.loads(report.read_text("utf-8"))


def figures(report: dict) -> dict[str, float]:
    """What the budgets are about, from a report."""
    audits, categories = report["audits"], report["categories"]
    if without := [name for name in CATEGORIES if categories[name]["score"] is None]:
        reason = (report.get("runtimeError") or {}).get("message", "no reason given")
        raise cli.CommandError(
            f"Lighthouse gave no score for {', '.join(without)}: {reason.splitlines()[0]}"
        )
    requests = audits["network-requests"]["details"]["items"]
    host = "http://127.0.0.1:"
    scripts = [r["resourceSize"] for r in requests if r.get("resourceType") == "Script"]
    return {name: round(100 * categories[name]["score"]) for name in CATEGORIES} | {
        "kB": sum(r.get("transferSize", 0) for r in requests) / 1e3,
        "requests": len(requests),
        "largest script, kB": max(scripts, default=0) / 1e3,
        "LCP, ms": audits["largest-contentful-paint"]["numericValue"],
        "blocking, ms": audits["total-blocking-time"]["numericValue"],
        "layout shift": audits["cumulative-layout-shift"]["numericValue"],
        "other hosts": sum(
            not r["url"].startswith((host, "data:", "blob:")) for r in requests
        ),
    }


def faults(device: str, found: dict[str, float]) -> Iterator[str]:
    """Which budgets a page breaks."""
    for name, least in LEAST.items():
        if found[name] < least[device]:
            yield f"{name} {found[name]:.0f}, at least {least[device]}"
    for name, most in MOST.items():
        if found[name] > most:
            yield f"{name} {found[name]:.4g}, at most {most}"


def complaints(report: dict) -> list[str]:
    """Audits of the categories that must be perfect which a page failed."""
    failed = []
    for name in CATEGORIES[1:]:
        for ref in report["categories"][name]["auditRefs"]:
            audit = report["audits"][ref["id"]]
            if ref["weight"] and audit["score"] is not None and audit["score"] < 1:
                failed.append(f"{name}: {audit['title']}")
    return failed


def measured(program: Path, url: str, device: str, runs: int) -> tuple[dict, list[str]]:
    """Medians over several reports, and what the last one complained of."""
    reports = [audit(program, url, device) for _ in range(runs)]
    each = [figures(report) for report in reports]
    medians = {name: statistics.median(one[name] for one in each) for name in each[0]}
    medians["all"] = [one["performance"] for one in each]
    return medians, complaints(reports[-1])


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m tools.measure_site",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--pages", nargs="+", help="pages of the site, as in index.html"
    )
    options = parser.parse_args(argv)
    if options.runs < 1:
        raise cli.CommandError("--runs: at least 1")
    if not (serve.SITE / "index.html").exists():
        raise cli.CommandError("there is no built site; run `make book` first")
    if not shutil.which("chromium"):
        raise cli.CommandError("no Chromium; `make test` installs Debian's")
    chosen = options.pages or pages(serve.SITE)
    for page in chosen:
        if not (serve.SITE / page).is_file():
            raise cli.CommandError(f"the site has no page {page}")
    program, broken = installed(), 0
    handler = functools.partial(Compressed, directory=str(serve.SITE))
    host = serve.Server(("127.0.0.1", 0), handler)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    for page in chosen:
        for device in DEVICES:
            url = (
                f"http://127.0.0.1:{host.server_port}/{page.removesuffix('index.html')}"
            )
            found, failed = measured(program, url, device, options.runs)
            runs = " ".join(str(score) for score in found.pop("all"))
            words = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
            print(f"{page} · {device} · performance {runs}\n    {words}", flush=True)
            wrong = [*faults(device, found), *failed]
            broken += len(wrong)
            for fault in wrong:
                print(f"    over budget: {fault}", flush=True)
    if broken:
        print(f"{broken} budgets broken")
        raise SystemExit(1)
    print("all within budget")


if __name__ == "__main__":
    cli.run(main)
