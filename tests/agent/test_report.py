"""The report of a run: what it shows, what it must never do, and how large it may get."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent import report as reporting
from agent.report import write_report
from agent.run import Endpoint, annotate
from agent.simulated import serve
from agent.timeline import lanes
from dataset_builder.errors import InputError

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b[2J\u202e{{ 7*7 }}"


@pytest.fixture(scope="module")
def run(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over sixteen pictures with bad, hostile and refused answers."""
    from agent.plans import Settings

    out = tmp_path_factory.mktemp("runs") / "run"
    with serve(scenes, miss=0.1, hallucinate=0.2, malformed=0.05, refused=0.02, hostile=0.1) as base_url:
        annotate(str(scenes / "images"), out, Endpoint("simulated", base_url), Settings(), limit=16)
    write_report(out)
    return out


@pytest.fixture(scope="module")
def unreadable(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over a folder whose one picture is empty."""
    from agent.plans import Settings

    place = tmp_path_factory.mktemp("unreadable")
    (place / "photos").mkdir()
    (place / "photos" / "empty.png").write_bytes(b"")
    with serve(scenes) as base_url:
        annotate(str(place / "photos"), place / "run", Endpoint("simulated", base_url), Settings())
    return place / "run"


_DECODED = "picture => { picture.loading = 'eager'; return picture.decode().then(() => picture.naturalWidth) }"


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "annotations.jsonl").read_text().splitlines()]


def copied(run: Path, to: Path, /, **changed: str) -> Path:
    """A copy of a run with some of its files' content replaced."""
    to.mkdir()
    for name in ("run.json", "summary.json", "annotations.jsonl"):
        (to / name).write_text(changed.get(name.split(".")[0], (run / name).read_text()))
    source, copy = sqlite3.connect(run / "journal.sqlite"), sqlite3.connect(to / "journal.sqlite")
    source.backup(copy)
    source.close()
    copy.close()
    return to


@pytest.mark.browser
def test_shows_every_picture_with_its_status_boxes_and_calls(run: Path, browser: Any) -> None:
    """Each row is a card with a decoded picture, a box an anomaly that has one, and the calls that the journal holds. Those with
    anomalies come first, the most severe first; clean ones are small, at the end."""
    page = browser.new_page()
    page.goto((run / "report.html").as_uri())
    page.locator("text=Pictures with anomalies come first, the most severe first").wait_for()
    of = {row["image_id"]: row for row in rows(run)}
    ordered = [of[name] for name in page.locator("article h3").all_text_contents()]
    assert len(ordered) == len(of)
    worst = [min((one["severity"] for one in row["anomalies"]), default=101) for row in ordered]
    assert worst == sorted(worst)
    clean = [row["status"] == "none" for row in ordered]
    assert clean == sorted(clean)
    assert page.locator(".clean article").count() == sum(clean) > 0
    assert page.locator(".clean article").first.bounding_box()["height"] < 160
    for number, row in enumerate(ordered):
        card = page.locator(f"#picture-{number}")
        assert row["status"] in card.get_attribute("class")
        assert card.locator("h3").text_content() == row["image_id"]
        assert card.locator(".box").count() == sum(one["bbox"] is not None for one in row["anomalies"])
        assert card.locator(".anomaly").count() == len(row["anomalies"])
        assert card.locator("img").evaluate(_DECODED) > 0
    asked = sqlite3.connect(run / "journal.sqlite").execute("SELECT count(*) FROM calls").fetchone()[0]
    assert page.locator(".call").count() == asked
    page.locator("details.calls > summary").first.click()
    page.locator("details.call > summary").first.click()
    assert "Task: " in page.locator("details.call pre").first.inner_text()
    page.close()


@pytest.mark.browser
def test_filters_by_status_without_a_script(run: Path, browser: Any) -> None:
    """A click on a status leaves its cards alone, in a browser that runs no scripts."""
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((run / "report.html").as_uri())
    listed = [row["status"] for row in rows(run)]
    assert {"anomalies", "none", "partial"} <= set(listed)
    for status in ("anomalies", "none", "partial", "failed"):
        page.locator(f"label:has(#show-{status})").click()
        assert page.locator("article").locator("visible=true").locator("h3").count() == listed.count(status)
    page.locator("label:has(#show-all)").click()
    assert page.locator("article h3").locator("visible=true").count() == len(listed)
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_telephone_in_light_and_dark(run: Path, browser: Any, scheme: Any) -> None:
    """At 390 pixels nothing sticks out sideways, with all calls opened, and text stands out from its ground."""
    page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme).new_page()
    page.goto((run / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    channels = "getComputedStyle(document.body).{}.match(/\\d+/g).map(Number)"
    ink, ground = page.evaluate(channels.format("color")), page.evaluate(channels.format("backgroundColor"))
    assert abs(sum(ink) - sum(ground)) > 450
    assert (sum(ground) < 200) == (scheme == "dark")
    page.close()


@pytest.mark.browser
def test_hostile_texts_stay_texts(run: Path, tmp_path: Path, browser: Any) -> None:
    """Markup, template code and control characters in names, fields, reasons, prompts and answers are shown and not obeyed."""
    first = next(row for row in rows(run) if row["anomalies"])
    first["image_id"] = "<b onmouseover=alert(1)>.png"
    for field in ("name", "phenomenon", "reasoning", "object", "stage"):
        first["anomalies"][0][field] = HOSTILE
    first["failures"] = [{"stage": HOSTILE, "object": HOSTILE, "sample": 1, "reason": HOSTILE}]
    about = json.loads((run / "run.json").read_text()) | {"model": HOSTILE}
    copy = copied(run, tmp_path / "copy", annotations=json.dumps(first) + "\n", run=json.dumps(about))
    with sqlite3.connect(copy / "journal.sqlite") as db:
        db.execute(
            "UPDATE calls SET image_id = ?, object = ?, request = ?, answer = ?, problem = ?, finish_reason = ?",
            (first["image_id"], *(HOSTILE,) * 5),
        )
    written = write_report(copy).read_text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", written)
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((copy / "report.html").as_uri())
    assert page.title().startswith("AnomAgent")
    assert page.locator("script, img:not(.frame img), article [onmouseover]").count() == 0
    assert "{{ 7*7 }}" in page.locator(".anomaly").first.inner_text()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()


def test_is_one_file_that_loads_nothing(run: Path) -> None:
    """No address but data URLs, no script, and a policy that forbids both."""
    written = (run / "report.html").read_text()
    assert "default-src 'none'" in written
    assert "<script" not in re.sub(r"&lt;script", "", written)
    assert all(source.startswith("data:image/jpeg") for source in re.findall(r'(?:src|href)="([^"]*)"', written))


def test_says_that_answers_were_simulated(run: Path, tmp_path: Path) -> None:
    """A simulated run says so at its top; another does not."""
    assert "nothing about any model" in (run / "report.html").read_text()
    about = json.loads((run / "run.json").read_text()) | {"simulated": False, "model": "gpt-4o"}
    copy = copied(run, tmp_path / "copy", run=json.dumps(about))
    assert "nothing about any model" not in write_report(copy).read_text()


def test_stays_small_and_says_what_it_left_out(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above its limits, clean pictures go first, then texts, and both are told."""
    monkeypatch.setattr(reporting, "PICTURES", 9)
    monkeypatch.setattr(reporting, "TEXT_BYTES", 40_000)
    monkeypatch.setattr(reporting, "TEXT", 300)
    all_rows = rows(run)
    copy = copied(run, tmp_path / "copy")
    written = write_report(copy).read_text()
    shown = re.findall(r"<h3>(.*?)</h3>", written)
    clean = {row["image_id"] for row in all_rows if row["status"] == "none"}
    told = [row["image_id"] for row in all_rows if row["image_id"] not in clean]
    assert len(shown) == 9
    assert set(told) <= set(shown) if len(told) <= 9 else not clean & set(shown)
    assert "7 of 16 finished pictures are left out" in written
    assert "are shown without prompts and answers" in written
    assert re.search(r"… [\d,]+ characters more in the journal", written)
    assert len(written) < len((run / "report.html").read_text()) / 2


def test_pictures_that_moved_or_broke_do_not_stop_it(run: Path, tmp_path: Path) -> None:
    """Pictures in subfolders are found; those that are gone or damaged leave a note in their place."""
    images = tmp_path / "images" / "below"
    images.mkdir(parents=True)
    names = [row["image_id"] for row in rows(run)]
    origin = Path(json.loads((run / "run.json").read_text())["images"])
    (images / names[0]).write_bytes((origin / names[0]).read_bytes())
    (images / names[1]).write_bytes(b"")
    about = json.loads((run / "run.json").read_text()) | {"images": str(images.parent)}
    written = write_report(copied(run, tmp_path / "copy", run=json.dumps(about))).read_text()
    assert written.count("<img ") == 1
    assert written.count("cannot be shown") == len(names) - 1


def test_a_run_without_a_single_call_has_a_report(unreadable: Path, tmp_path: Path) -> None:
    """A folder of which no picture could be read ends in a page all the same; a folder that is no run in an error."""
    written = write_report(unreadable).read_text()
    assert "no call was made" in written
    assert "empty.png: is empty" in written
    with pytest.raises(InputError, match=r"run\.json"):
        write_report(tmp_path)


def test_timelines_leave_idle_time_out() -> None:
    """Two calls an hour apart stand side by side; calls at once stand above each other; what failed is marked."""
    call = {"stage": "scan", "seconds": 1.0, "problem": None, "prompt_tokens": 3, "completion_tokens": 1}
    calls = [
        call | {"created": 1.0},
        call | {"created": 3601.0},
        call | {"created": 3601.0, "stage": "format", "problem": "bad"},
    ]
    scan, final = lanes(calls)
    assert [(bar.left, bar.width) for bar in scan.bars] == [(0, 50), (50, 50)]
    assert [(bar.left, bar.problem) for bar in final.bars] == [(50, True)]
    assert (scan.tokens, scan.seconds) == (8, 2.0)
