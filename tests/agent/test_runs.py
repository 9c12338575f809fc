"""A run directory over its life: what another start asks, what it becomes as a dataset, and the agent as a library."""

import asyncio
import base64
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from agent import Annotation, AnomAgent, loops
from agent.plans import Settings
from agent.plans.vote import ROUND
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.building.build import build
from dataset_builder.errors import PictureError, UnavailableError
from dataset_builder.scenes import read_scenes
from tests.annotating import outputs, rows, stats
from tests.commands import run_command
from tests.processes import run_process
from tests.scripted_endpoint import Said, completion, serve_scripted, stage_of

LIMIT = 8
NOTHING = ROUND
"""Calls for a picture in which nobody finds anything."""


@pytest.fixture(scope="module")
def base_url(scenes: Path) -> Iterator[str]:
    with serve(scenes) as url:
        yield url


@pytest.fixture(scope="module")
def finished(scenes: Path, base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over copies of eight scenes, in `photos` beside it."""
    place = tmp_path_factory.mktemp("finished")
    (place / "photos").mkdir()
    for row in read_scenes(scenes)[:LIMIT]:
        shutil.copy(scenes / "images" / row.image_id, place / "photos")
    annotate(str(place / "photos"), place / "run", Endpoint("simulated", base_url), Settings())
    return place / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, with its pictures, unchanged to the second."""
    shutil.copytree(finished.parent, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def again(run: Path, base_url: str, **changed: Any) -> Counter[str]:
    """Start a run once more; the calls that it makes, by stage."""
    before = Counter(stats(base_url)["stages"])
    annotate(str(run.parent / "photos"), run, Endpoint("simulated", base_url), Settings(**changed))
    return Counter(stats(base_url)["stages"]) - before


def test_a_finished_run_asks_nothing(run: Path, base_url: str) -> None:
    """The same pictures and settings: no call, the same files; touched pictures too, whose bytes are what they were."""
    before = outputs(run)
    assert again(run, base_url) == {}
    for path in (run.parent / "photos").iterdir():
        os.utime(path)
    assert again(run, base_url) == {}
    assert outputs(run) == before


def test_only_a_picture_that_changed_is_asked_about(run: Path, base_url: str) -> None:
    """One picture's new content is one picture's calls; all others keep their rows."""
    photos, before = sorted((run.parent / "photos").iterdir()), rows(run)
    Image.open(photos[0]).convert("RGB").save(photos[0], "PNG", compress_level=1)
    asked = again(run, base_url)
    assert asked["look"] == ROUND
    assert rows(run)[1:] == before[1:]


def test_only_the_prompt_that_changed_is_asked_again(run: Path, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another prompt of one stage, that stage is asked again and all others are answered by the journal."""
    from agent import prompts

    changed = prompts._ASK["relations_verify"].replace("Take them one by one", "Look at one after the other")
    monkeypatch.setitem(prompts._ASK, "relations_verify", changed)
    odd = sum(row["status"] == "anomalies" for row in rows(run))
    assert again(run, base_url) == {"relations_verify": odd}
    monkeypatch.undo()
    assert again(run, base_url) == {}


def test_another_plan_takes_what_it_can_from_the_journal(run: Path, base_url: str) -> None:
    """Fewer drafts are a part of those that were made: nothing of them is asked again. Back at the first plan nothing is either."""
    assert again(run, base_url, plan="efficient")["discovery_draft"] == 3 * LIMIT
    assert again(run, base_url, plan="efficient", drafts=2)["discovery_draft"] == 0
    assert again(run, base_url, plan="efficient", drafts=4)["discovery_draft"] == LIMIT
    assert again(run, base_url) == {}


def test_another_model_is_asked_everything(tmp_path: Path) -> None:
    """What one model answered is no answer of another; back at the first, nothing is asked."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    nothing = completion('{"objects": [], "findings": [], "anomalies": []}')
    with serve_scripted(lambda asked, number: nothing) as endpoint:

        def calls(model: str) -> int:
            before = len(endpoint.asked)
            annotate(str(tmp_path / "a.png"), tmp_path / "run", Endpoint(model, endpoint.base_url), Settings())
            return len(endpoint.asked) - before

        assert calls("one") == NOTHING
        assert calls("two") == NOTHING
        assert calls("one") == calls("two") == 0


def test_a_picture_under_two_names_is_paid_for_once(scenes: Path, base_url: str, tmp_path: Path) -> None:
    """Copies of a picture get their rows from the same answers, though all are under way at once."""
    source = next((scenes / "images").iterdir())
    (tmp_path / "photos").mkdir()
    for number in range(5):
        shutil.copy(source, tmp_path / "photos" / f"{number}.png")
    before = stats(base_url)["calls"]
    annotate(str(tmp_path / "photos"), tmp_path / "run", Endpoint("simulated", base_url), Settings())
    once = stats(base_url)["calls"]
    annotate(str(tmp_path / "photos" / "0.png"), tmp_path / "one", Endpoint("simulated", base_url), Settings())
    assert once - before == stats(base_url)["calls"] - once
    ended = [row | {"image_id": ""} for row in rows(tmp_path / "run")]
    assert ended == [ended[0]] * 5


def test_what_was_lost_is_asked_for_by_the_next_start(scenes: Path, tmp_path: Path) -> None:
    """A look that never answers makes pictures partial; once it does, its calls alone are made, and none is lost."""
    broken = True

    def script(asked: Any, number: int) -> Said:
        if broken and asked.body["seed"] == 1:
            return completion("no")
        return completion('{"objects": [], "findings": [], "anomalies": []}')

    with serve_scripted(script) as endpoint:
        source, out = str(scenes / "images"), tmp_path / "run"
        summary = annotate(source, out, Endpoint("scripted", endpoint.base_url), Settings(), limit=3)
        assert (summary["partial"], summary["none"]) == (3, 0)
        assert {failure["stage"] for row in rows(out) for failure in row["failures"]} == {"look"}
        broken, before = False, len(endpoint.asked)
        summary = annotate(source, out, Endpoint("scripted", endpoint.base_url), Settings(), limit=3)
        assert (summary["partial"], summary["none"]) == (0, 3)
        assert [stage_of(asked) for asked in endpoint.asked[before:]] == ["look"] * 3


def test_a_server_that_refuses_keeps_what_was_paid_for(scenes: Path, tmp_path: Path) -> None:
    """A key that ends in the middle of a run stops it with the reason; the next start goes on behind what was answered."""

    def script(asked: Any, number: int) -> Said:
        if number >= 15 and expired:
            return Said(401, {"error": {"message": "expired"}})
        return completion('{"objects": [], "findings": [], "anomalies": []}')

    expired = True
    with serve_scripted(script) as endpoint:
        source, out = str(scenes / "images"), tmp_path / "run"
        with pytest.raises(UnavailableError, match='401: "expired"'):
            annotate(source, out, Endpoint("scripted", endpoint.base_url, 4), Settings(), limit=10)
        assert 15 < len(endpoint.asked) <= 19
        expired, before = False, len(endpoint.asked)
        summary = annotate(source, out, Endpoint("scripted", endpoint.base_url, 4), Settings(), limit=10)
    assert summary["none"] == 10
    assert len(endpoint.asked) - before == 10 * NOTHING - 15


def test_a_run_becomes_a_dataset(run: Path, base_url: str, dataset: Path, tmp_path: Path) -> None:
    """A run over a folder, over a list of files and over a built dataset: each builds, with its pictures and their anomalies."""
    photos = sorted((run.parent / "photos").iterdir())
    (tmp_path / "some.txt").write_text(f"{photos[0]}\n{photos[1]}\n")
    annotate(str(tmp_path / "some.txt"), tmp_path / "listed", Endpoint("simulated", base_url), Settings())
    annotate(str(dataset), tmp_path / "stored", Endpoint("simulated", base_url), Settings(), limit=3)
    annotate(str(run.parent / "photos"), tmp_path / "few", Endpoint("simulated", base_url), Settings(), limit=3)
    for name, place, count in (
        ("built1", run, LIMIT),
        ("built2", tmp_path / "listed", 2),
        ("built3", tmp_path / "stored", 3),
        ("built4", tmp_path / "few", 3),
    ):
        build(place, tmp_path / name)
        loaded = datasets.load_dataset(str(tmp_path / name), "default", cache_dir=str(tmp_path / "cache"))
        built = {row["image_id"]: row for split in loaded.values() for row in split}
        ended = {row["image_id"]: row for row in rows(place)}
        assert built.keys() == ended.keys()
        assert len(built) == count
        for image_id, row in built.items():
            assert [one["phenomenon"] for one in row["anomalies"]] == [
                one["phenomenon"] for one in ended[image_id]["anomalies"]
            ]


def test_runs_are_shown_and_pruned_by_command(run: Path) -> None:
    """`runs show` has a row a stage and the sum, `runs prune` says what it forgot; what is no run is an error."""
    shown = run_command("runs", "show", run, cwd=run)
    assert shown.returncode == 0, shown.stderr
    calls = json.loads((run / "summary.json").read_text())["calls"]
    assert f"all  {calls}" in " ".join(shown.stdout.split()).replace("all ", "all  ")
    assert "look" in shown.stdout
    assert run_process("runs", "prune", run, cwd=run).stdout.endswith("0 answers and results deleted\n")
    wrong = run_command("runs", "show", run.parent, cwd=run)
    assert wrong.returncode == 2
    assert "give a run directory" in wrong.stderr


def test_the_agent_answers_inside_a_running_loop(scenes: Path, base_url: str, tmp_path: Path) -> None:
    """As in a notebook: a path, bytes and a picture in memory, several at once; kept answers are not asked for again."""
    row = next(row for row in read_scenes(scenes) if row.anomalies)
    path = scenes / "images" / row.image_id

    async def cell() -> list[Annotation]:
        with AnomAgent(model="simulated", base_url=base_url, journal=tmp_path) as agent:
            one = agent.annotate(path)
            others = [agent.annotate(path.read_bytes(), "b.png"), agent.annotate(Image.open(path), "c.png")]
            threads = [asyncio.to_thread(agent.annotate, path, f"{number}.png") for number in range(3)]
            return [one, *others, *await asyncio.gather(*threads)]

    annotations = loops.run(cell())
    assert [one.image_id for one in annotations[:3]] == [row.image_id, "b.png", "c.png"]
    for one in annotations:
        assert one.status == "anomalies"
        assert {anomaly.object for anomaly in one.anomalies} == {anomaly.object for anomaly in row.anomalies}
    before = stats(base_url)["calls"]
    with AnomAgent(model="simulated", base_url=base_url, journal=tmp_path) as agent:
        assert agent.annotate(path) == annotations[0]
        with pytest.raises(PictureError, match="is empty"):
            agent.annotate(b"")
    assert stats(base_url)["calls"] == before
    with pytest.raises(RuntimeError, match="closed"):
        agent.annotate(path)
    with pytest.raises(ValueError, match="plan"):
        AnomAgent(model="simulated", base_url=base_url, plan="wrong")


def test_a_whole_run_starts_inside_a_running_loop(run: Path, base_url: str) -> None:
    """`agent.run.annotate` in a notebook's cell does what the command does."""
    before = outputs(run)

    async def cell() -> None:
        again(run, base_url)

    loops.run(cell())
    assert outputs(run) == before


def test_a_picture_is_sent_upright_and_encoded_once(tmp_path: Path) -> None:
    """A photograph that EXIF turns is turned before it is sent, in all calls with the same bytes; its boxes are upright too."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    buffer = io.BytesIO()
    Image.new("RGB", (400, 200), "red").save(buffer, "JPEG", exif=exif)
    texts = {"object": "cup", "name": "Cup", "phenomenon": "The cup hovers.", "reasoning": "Cups do not."}
    item = texts | {"sources": [], "severity": 20, "bbox": [0, 0, 1000, 500]}
    verdict = {"id": "1", "evidence": "seen", "holds": True, "severity": 20}
    answer = {"anomalies": [item], "verdicts": [verdict]}
    with serve_scripted(lambda asked, number: completion(json.dumps(answer))) as endpoint:
        with AnomAgent(model="scripted", base_url=endpoint.base_url) as agent:
            annotation = agent.annotate(buffer.getvalue(), "turned.jpg")
        urls = {asked.body["messages"][1]["content"][0]["image_url"]["url"] for asked in endpoint.asked}
    assert len(urls) == 1
    sent = Image.open(io.BytesIO(base64.b64decode(urls.pop().partition(",")[2])))
    assert sent.size == (200, 400)
    assert [anomaly.bbox for anomaly in annotation.anomalies] == [(0, 0, 200, 200)]
