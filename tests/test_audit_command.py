"""`anomreason audit` as a person types it: from files, from pictures with the tiny model, stopped and resumed, refused."""

import json
import random
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agent.simulated import serve
from dataset_builder.contestants import Contestant, Limits
from dataset_builder.errors import AnomReasonError
from dataset_builder.predictions import read_predictions
from dataset_builder.scenes import pair, read_scenes, write_scenes
from dataset_builder.stored import StoredPictures
from dataset_builder.terminal import Steps
from metric_semap.errors import SemapError
from tests.commands import run_command
from trainer.evaluation.audit_answers import Shown, local_reviewer, review
from trainer.evaluation.audit_plan import read_plan
from trainer.loading import TINY

COMMAND = [str(Path(sys.executable).with_name("anomreason")), "audit"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_command("audit", *arguments)


def answers(rate: float, severity: int, seed: int, pictures: int = 200) -> dict[str, list[dict[str, Any]]]:
    """A generator's annotations: 0 or more anomalies a picture, of about this severity."""
    rng = random.Random(seed)
    return {
        f"{k:04}.png": [
            {
                "name": rng.choice(["Third arm", "floating <cup>"]),
                "phenomenon": "It has three arms.",
                "reasoning": "People have two.",
                "severity": max(0, min(100, severity + rng.randint(-5, 5))),
            }
            for _ in range(sum(rng.random() < rate / 4 for _ in range(4)))
        ]
        for k in range(pictures)
    }


def write_plan(directory: Path, generators: dict[str, Any], **more: Any) -> Path:
    """A plan whose annotations, given as dicts, become files beside it."""
    entries = {}
    for name, content in generators.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
        entries[name] = {"annotations": f"{name}.json"}
    path = directory / "generators.yaml"
    path.write_text(json.dumps({"generators": entries, **more}))  # JSON is YAML
    return path


def test_fifteen_generators_of_200_pictures_are_ranked(tmp_path: Path) -> None:
    """Generators with other rates are ranked by them; equal ones share a tier; every file is written."""
    said = {f"g{k:02}": answers(0.5 if k < 5 else 1.5 if k < 10 else 3.0, 30, k) for k in range(15)}
    clean = {f"c{k}.png": answers(4, 30, 1, 1)["0000.png"] if k < 3 else [] for k in range(50)}
    (tmp_path / "clean.json").write_text(json.dumps(clean))
    done = run(write_plan(tmp_path, said, clean="clean.json"), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert [sorted(tier) for tier in audit["ranking"]] == [
        [f"g{k:02}" for k in range(start, start + 5)] for start in (0, 5, 10)
    ]
    for row in audit["generators"]:
        assert row["CAP"]["low"] <= row["CAP"]["value"] <= row["CAP"]["high"]
        assert row["CAP"]["value"] == pytest.approx(row["AF"]["value"] * row["MAI"]["value"])
    assert audit["clean"]["false_alarms"] == 3
    assert audit["clean"]["pictures"] == 50
    assert [one["name"] for one in audit["commonest"]["g00"]] != []
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "floating &lt;cup&gt;" in page
    assert "<cup>" not in page + (tmp_path / "out" / "audit.md").read_text()


def test_two_reviewers_and_people_are_compared(tmp_path: Path) -> None:
    """Each other reviewer's ranking and its agreement stand in the result; people's verdicts are a reviewer of their own."""
    entries: dict[str, Any] = {}
    for k, name in enumerate(("a", "b", "c")):
        first, second = answers(1.0 + k, 30, k, 60), answers(3.0 - k, 30, 10 + k, 60)
        rows = [
            {
                "image_id": image_id,
                "status": "anomalies" if found else "none",
                "anomalies": [{**one, "verdict": "accept"} for one in found],
            }
            for image_id, found in first.items()
        ]
        (tmp_path / f"{name}1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / f"{name}2.json").write_text(json.dumps(second))
        entries[name] = {"annotations": {"first": f"{name}1.jsonl", "second": f"{name}2.json"}}
    plan = tmp_path / "plan.yaml"
    plan.write_text(json.dumps({"generators": entries}))
    done = run(plan, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    tau = {(one["first"], one["second"]): one["kendall_tau"] for one in audit["agreement"]}
    assert tau == {("first", "human verdicts"): 1, ("first", "second"): -1, ("human verdicts", "second"): -1}
    assert audit["clean"] == "not measured"
    assert "not measured" in (tmp_path / "out" / "audit.md").read_text()


def picture_plan(directory: Path) -> Path:
    """Three odd scenes and a broken file, and their three clean twins."""
    for name, side in (("odd", 0), ("clean", 1)):
        (directory / name).mkdir()
        for k in range(3):
            (directory / name / f"{k}.png").write_bytes(pair(0, k)[side].png())
    (directory / "odd" / "broken.png").write_bytes(b"no picture")
    plan = directory / "plan.yaml"
    plan.write_text("generators:\n  odd: {images: odd}\n  even: {images: clean}\nclean: clean\n")
    return plan


def test_pictures_are_shown_to_the_tiny_model(tmp_path: Path) -> None:
    """Pictures in directories are reviewed; a broken one is a loss that is told, with exit code 3."""
    done = run(picture_plan(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {row["name"]: (row["pictures"], row["failed"]) for row in audit["generators"]} == {
        "odd": (3, 1),
        "even": (3, 0),
    }
    assert audit["clean"]["pictures"] == 3
    assert "data:image/jpeg;base64," in (tmp_path / "out" / "audit.html").read_text()


def test_pictures_of_a_kind_that_the_reviewer_does_not_know_are_left_out(tmp_path: Path) -> None:
    """They are not clean; how many there are is told, apart from those without a readable answer, with exit code 3."""
    plan = picture_plan(tmp_path)
    for k in range(2):
        Image.effect_noise((168, 168), 90).convert("RGB").save(tmp_path / "odd" / f"noise{k}.png")
    done = run(plan, "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    odd = next(row for row in audit["generators"] if row["name"] == "odd")
    assert (odd["pictures"], odd["failed"], odd["unknown"]) == (3, 1, 2)
    assert "odd: 2 pictures are of a kind that the reviewer does not know; they are left out" in audit["warnings"]


class Killed(BaseException):
    """What ends a process anywhere."""


def test_an_audit_that_was_stopped_shows_nothing_again(tmp_path: Path) -> None:
    """Answers are kept as they come; only pictures without one are shown to the model again, a torn row's among them."""
    names, shown = [f"{k:02}.png" for k in range(20)], []

    def content(image_id: str) -> bytes:
        shown.append(image_id)
        if len(shown) == 18:
            raise Killed
        return pair(0, int(image_id[:2]))[0].png()

    source = Shown("odd", StoredPictures(names, content), tmp_path / "odd.json", Limits())
    with pytest.raises(Killed):
        local_reviewer(Contestant(model="tiny"), Steps(1))(source)
    with (tmp_path / "odd.jsonl").open("a") as rows:
        rows.write('{"image_id": "19.p')  # as a crash leaves it
    local_reviewer(Contestant(model="tiny"), Steps(1))(source)
    assert shown == names[:18] + names[16:]
    assert list(read_predictions(tmp_path / "odd.jsonl")) == names


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, sorted into two generators, `odd` and `even`, and a file that is no picture."""
    root = tmp_path_factory.mktemp("pictures")
    write_scenes(root / "scenes", 24, seed=3)
    for row in read_scenes(root / "scenes"):
        place = root / ("odd" if row.anomalies else "even")
        place.mkdir(exist_ok=True)
        (place / row.image_id).hardlink_to(root / "scenes" / "images" / row.image_id)
    (root / "odd" / "broken.png").write_bytes(b"no picture")
    return root


def test_the_agent_is_the_reviewer(pictures: Path, tmp_path: Path) -> None:
    """Killed by kill -9 while it asks and run again, no answer is asked for twice; it ranks, and says who looked."""
    path = tmp_path / "generators.yaml"
    with serve(pictures / "scenes", miss=0.1, hallucinate=0.1, latency=0.05) as base_url:
        reviewer = {"model": "simulated", "base_url": base_url, "plan": "efficient"}
        sources = {name: {"images": str(pictures / name)} for name in ("odd", "even")}
        path.write_text(json.dumps({"generators": sources, "reviewer": reviewer, "clean": str(pictures / "even")}))
        assert run(path, "--out", tmp_path / "whole").returncode == 3  # the broken file
        calls = asked(base_url)
        rows = tmp_path / "out" / "predictions" / "odd.jsonl"
        process = subprocess.Popen([*COMMAND, path, "--out", tmp_path / "out"], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 900
        while not rows.is_file() or rows.read_bytes().count(b"\n") < 2:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert run(path, "--out", tmp_path / "out").returncode == 3
        # What was on its way when the process died is asked for again, as many as are in flight.
        assert asked(base_url) <= 2 * calls + 16
    for name in ("audit.json", "audit.md"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "whole" / name).read_text()
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert [row["name"] for row in audit["generators"]] == ["even", "odd"]
    assert audit["generators"][1]["failed"] == 1
    assert audit["clean"]["pictures"] == 12
    assert audit["warnings"][:2] == [
        "pictures without annotations were shown to simulated, plan efficient",
        "simulated, no model",
    ]


def asked(base_url: str) -> int:
    """The requests that the simulated model was sent so far."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats", timeout=30) as answer:
        return int(json.load(answer)["calls"])


def test_a_budget_stops_the_audit_before_it_is_spent(pictures: Path, tmp_path: Path) -> None:
    """What is left goes from source to source; then nothing is ranked, and the exit code is 3. With more, the audit goes on."""
    path = tmp_path / "generators.yaml"
    with serve(pictures / "scenes") as base_url:
        plan: dict[str, Any] = {
            "generators": {name: {"images": str(pictures / name)} for name in ("even", "odd")},
            "reviewer": {"model": "simulated", "base_url": base_url},
            "budget_calls": 15,
        }
        path.write_text(json.dumps(plan))
        done = run(path, "--out", tmp_path / "out")
        assert (done.returncode, asked(base_url)) == (3, 15), done.stderr
        assert "not ranked: odd: the budget is used up; raise it and re-run" in done.stderr
        assert not (tmp_path / "out" / "audit.json").exists()
        path.write_text(json.dumps(plan | {"budget_calls": 24}))
        assert run(path, "--out", tmp_path / "out").returncode == 3
        assert asked(base_url) == 24
    assert (tmp_path / "out" / "audit.json").exists()


def test_rows_of_a_dataset_are_generators(dataset: Path, tmp_path: Path) -> None:
    """`where` chooses the rows of each, of labels by their names; the answers of another reviewer are refused."""
    import datasets

    labels = datasets.load_dataset(str(dataset), split="test")["label"]
    counts = {name: labels.count(k) for k, name in enumerate(("real", "fake"))}
    plan: dict[str, Any] = {
        "generators": {name: {"dataset": str(dataset), "where": {"label": name}} for name in counts},
        "reviewer": {"model": "tiny"},
    }
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(plan))
    done = run(path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {row["name"]: row["pictures"] for row in audit["generators"]} == counts
    assert audit["ranking"][0][0] == "real"
    path.write_text(json.dumps(plan | {"reviewer": {"model": str(TINY)}}))
    done = run(path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "answers of another model" in done.stderr


def read_and_review(path: Path) -> None:
    plan = read_plan(path)
    review(plan, path.parent / "out", local_reviewer(plan.reviewer, Steps(1)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("generators: [", "line 1"),
        ("generators: {}", "generators"),
        ("models: {}", "has no generators"),
        ("generators:\n  a: {annotations: a.json}\n  a: {images: b}\n", "line 3, column 3"),
        ("generators: {a: {}}", "generators.a: says neither annotations, images nor dataset"),
        ("generators: {a: {images: x, dataset: y}}", "generators.a: says images and dataset"),
        ("generators: {a: {image: x}}", "generators.a.image: is not known here"),
        ("generators: {a: {annotations: {x: [1]}}}", "generators.a.annotations.x: [1]: is not a text"),
        ("generators: {a: 3}", "generators.a: 3: is not a mapping"),
        ("generators: {a: {annotations: missing.json}}", "missing.json"),
        ("generators: {a: {images: missing}}", "missing: is not a directory"),
        ("generators: {a: {images: x}}\nreviewer: {plan: hasty}", "reviewer.plan: \"hasty\": input should be 'direct'"),
        ("generators: {a: {images: x}}\nreviewer: {plan: paper}", "reviewer: an endpoint needs model"),
        ("generators: {a: {images: x}}\nreviewer: {predictions: p.json}", "give them as annotations of each generator"),
        ("generators: {a: {images: x}}\nbudget_usd: 3", "budget_usd needs prices"),
    ],
)
def test_a_bad_plan_is_one_line_that_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    """Exit code 2, one sentence: line and column of broken YAML, the entry of a wrong one."""
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises((AnomReasonError, SemapError)) as error:
        read_and_review(tmp_path / "plan.yaml")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
