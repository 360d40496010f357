"""`make measure-site`: the budgets bite, pages are sent as a host sends them, bad input is one line."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
import urllib.request

import pytest

from examples.cli import CommandError
from tools import measure_site, serve

GOOD = {
    "performance": 100,
    "accessibility": 100,
    "best-practices": 100,
    "seo": 100,
    "kB": 119,
    "largest script, kB": 42,
    "blocking, ms": 40,
    "layout shift": 0,
    "other hosts": 0,
}


@pytest.mark.parametrize("device", measure_site.DEVICES)
def test_a_good_page_has_no_fault_and_each_budget_bites(device):
    assert list(measure_site.faults(device, GOOD)) == []
    worse = dict.fromkeys(measure_site.CATEGORIES, 97) | {
        "kB": 251,
        "largest script, kB": 61,
        "blocking, ms": 101,
        "layout shift": 0.02,
        "other hosts": 1,
    }
    for name, value in worse.items():
        (fault,) = measure_site.faults(device, GOOD | {name: value})
        assert fault.startswith(name)


def test_a_phone_may_miss_two_points_a_desk_none():
    assert not list(measure_site.faults("mobile", GOOD | {"performance": 98}))
    assert list(measure_site.faults("desktop", GOOD | {"performance": 99}))


def test_the_budgets_are_read_from_a_report():
    def request(url, kind, sent, size):
        return {
            "url": url,
            "resourceType": kind,
            "transferSize": sent,
            "resourceSize": size,
        }

    items = [
        request("http://127.0.0.1:8/", "Document", 9_000, 40_000),
        request("http://127.0.0.1:8/a.js", "Script", 3_000, 12_000),
        request("https://elsewhere.example/b.js", "Script", 1_000, 2_000),
    ]
    timed = {"total-blocking-time": 31, "cumulative-layout-shift": 0.002}
    audits = {name: {"numericValue": value} for name, value in timed.items()}
    audits["largest-contentful-paint"] = {"numericValue": 1200}
    audits["network-requests"] = {"details": {"items": items}}
    categories = {name: {"score": 0.985} for name in measure_site.CATEGORIES}
    found = measure_site.figures({"audits": audits, "categories": categories})
    assert found["kB"] == 13 and found["largest script, kB"] == 12
    assert found["other hosts"] == 1 and found["blocking, ms"] == 31
    assert found["performance"] == 98 and found["requests"] == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "The page did not paint.\nStack"}, "did not paint"),
        (None, "no reason given"),
    ],
)
def test_a_score_that_is_missing_is_one_line(error, said):
    """A page that could not be opened has no scores; neither has one that Lighthouse gave up on."""
    categories = {name: {"score": None} for name in measure_site.CATEGORIES}
    audits = {"network-requests": {}}
    report = {"audits": audits, "categories": categories, "runtimeError": error}
    with pytest.raises(CommandError, match=said) as raised:
        measure_site.figures(report)
    assert "\n" not in str(raised.value) and "performance" in str(raised.value)


def test_the_heaviest_chapter_is_taken_and_the_appendix_is_not(tmp_path):
    for name, size in {"one/a": 10, "one/b": 90, "appendix/c": 900}.items():
        page = tmp_path / "chapters" / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("x" * size)
    assert measure_site.heaviest(tmp_path) == "chapters/one/b.html"
    assert "zh/chapters/one/b.html" in measure_site.pages(tmp_path)


def test_text_goes_out_compressed(tmp_path):
    (tmp_path / "index.html").write_text("word " * 1000)
    (tmp_path / "font.woff2").write_bytes(b"wOF2" * 100)
    handler = functools.partial(measure_site.Compressed, directory=str(tmp_path))
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{host.server_port}"
    with urllib.request.urlopen(f"{address}/") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.read()) == b"word " * 1000
    with urllib.request.urlopen(f"{address}/font.woff2") as answer:
        assert answer.headers["Content-Encoding"] is None
        assert answer.read() == b"wOF2" * 100
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{address}/missing.html")
    host.shutdown()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--runs", "0"], "at least 1"), (["--pages", "no.html"], "no page no.html")],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch):
    (tmp_path / "index.html").touch()
    monkeypatch.setattr(measure_site.serve, "SITE", tmp_path)
    monkeypatch.setattr(measure_site.shutil, "which", lambda _: "/usr/bin/chromium")
    with pytest.raises(CommandError, match=message):
        measure_site.main(arguments)


def test_without_a_site_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_site.serve, "SITE", tmp_path)
    with pytest.raises(CommandError, match="make book"):
        measure_site.main([])


def test_a_browser_that_goes_away_is_no_news_and_other_errors_are(capsys):
    server = serve.server(0)
    for error, said in ((ConnectionResetError(), False), (BrokenPipeError(), False), (ValueError("x"), True)):  # fmt: skip
        try:
            raise error
        except Exception:
            server.handle_error(None, ("127.0.0.1", 1))
        assert bool(capsys.readouterr().err) == said
    server.server_close()
