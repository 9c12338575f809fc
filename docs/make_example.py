"""Makes docs/example.png from what `make demo` left: `python docs/make_example.py` (needs a Chromium).

The pictures are, of three families, the first test scenes that the tuned model names right, with its answers as they are in
demo/preds_tuned.jsonl. What it names wrong is in the demo's report.
"""

import sys
from pathlib import Path

import jinja2
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from chromium import LAUNCH, find_chromium  # noqa: E402

from dataset_builder import severity  # noqa: E402
from dataset_builder.data_url import data_url  # noqa: E402
from dataset_builder.predictions import read_predictions  # noqa: E402
from dataset_builder.scenes import family_of, read_scenes  # noqa: E402

FAMILIES = ("upside_down", "floating", "mirror")

_PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 24px; width: 1152px; font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; background: #fbfaf8;
  color: #1d1b20; display: grid; grid-template-columns: repeat(3, 1fr); gap: 24px; }
figure { margin: 0; background: #fff; border: 1px solid #e2ded8; border-radius: 12px; overflow: hidden; }
img { width: 100%; display: block; }
.text { padding: 14px 18px 18px; } b { display: block; font-size: 17px; }
i { font-style: normal; display: inline-block; color: #fff; border-radius: 12px; padding: 1px 10px; font-size: 13px;
  margin: 6px 0 8px; }
p { margin: 0 0 6px; } p + p { color: #5f5b66; }
</style>{% for source, anomalies in cards %}<figure><img src="{{ source }}"><div class="text">
{% for a in anomalies %}<b>{{ a.name }}</b>
<i style="background:{{ severity.colour(a.severity) }}">severity {{ a.severity }} · {{ severity.word(a.severity) }}</i>
<p>{{ a.phenomenon }}</p><p>{{ a.reasoning }}</p>{% else %}nothing wrong{% endfor %}</div></figure>{% endfor %}"""


def main(demo: Path = ROOT / "demo") -> None:
    predictions = read_predictions(demo / "preds_tuned.jsonl")
    cards = []
    for family in FAMILIES:
        row = next(
            row
            for row in read_scenes(demo / "scenes")
            if [anomaly.family for anomaly in row.anomalies] == [family]
            and row.image_id in predictions
            and [family_of(anomaly.name) for anomaly in predictions[row.image_id].anomalies] == [family]
        )
        picture = (demo / "scenes" / "images" / row.image_id).read_bytes()
        source = data_url(picture, "image/png")
        cards.append((source, predictions[row.image_id].anomalies))
    page = jinja2.Environment(autoescape=True).from_string(_PAGE).render(cards=cards, severity=severity)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        tab = browser.new_page(viewport={"width": 1200, "height": 100})
        tab.set_content(page)
        tab.screenshot(path=ROOT / "docs" / "example.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
