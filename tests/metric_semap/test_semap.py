"""The evaluate module: how it loads, what it takes, what it gives."""

import ast
import json
import math
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest

from metric_semap.errors import EncoderError, OptionError, RecordError, SemapError
from metric_semap.semap import SemAP

pytestmark = pytest.mark.filterwarnings("ignore::metric_semap.errors.SemapWarning")

Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def pictures(anomaly: Make) -> tuple[list[Any], list[Any]]:
    """Four pictures, two anomalies each, and predictions of the first three that say the same in other words."""
    true = [
        [
            anomaly("A blue cup hovers above the table.", "Nothing holds the cup up.", 10),
            anomaly("The clock has 13 hours.", "A dial has 12."),
        ],
        [
            anomaly("The man has three arms.", "People have two arms.", 5),
            anomaly("The mirror shows another room.", "Mirrors reflect."),
        ],
        [
            anomaly("The chair is larger than the house.", "Chairs fit into houses.", 30),
            anomaly("The dog has a beak.", "Dogs have snouts."),
        ],
        [
            anomaly("Water flows up the stairs.", "Water flows down.", 0),
            anomaly("The shadow points to the lamp.", "Shadows point away."),
        ],
    ]
    said = [
        [anomaly("The blue cup floats over the table.", "The cup is not supported.", 20)],
        [
            anomaly("A mirror shows a different room.", "A mirror reflects its own room.", None),
            anomaly("The man has three arms.", "People have two arms.", 5),
        ],
        [
            anomaly("The chair is bigger than the house.", "A chair fits into a house.", 35),
            anomaly("The grass is too green.", "Grass varies.", 70),
        ],
        [],
    ]
    return said, true


@pytest.fixture(scope="module")
def scores(pictures: tuple[list[Any], list[Any]]) -> dict[str, Any]:
    """Everything `compute` gives for them."""
    return SemAP().compute(
        predictions=pictures[0], references=pictures[1], encoder="minilm", bootstrap=200, details=True
    )


FRESH = """
import json, sys, time
import evaluate
for name in sys.argv[1:]:
    start = time.perf_counter()
    semap = evaluate.load(name)
    seconds = time.perf_counter() - start
    cup = {"name": "cup", "phenomenon": "A cup hovers.", "reasoning": "It should fall.", "severity": 10}
    scores = semap.compute(predictions=[[cup], []], references=[[cup], [cup]], encoder="minilm", bootstrap=50)
    print(json.dumps([semap.name, scores["SemAP_Full"], scores["signature"], type(semap).__module__, seconds]))
"""


def test_it_loads_from_its_file_by_plain_name_and_as_a_space(metric_folder: Path, tmp_path: Path) -> None:
    """In a fresh process and an empty directory a path, the name that `anomreason install` sets, and a Space score alike."""
    home = tmp_path / "hf"
    shim = home / "modules/evaluate_modules/metrics/evaluate-metric--semap" / ("0" * 64) / "semap.py"
    shim.parent.mkdir(parents=True)
    shim.write_text('from metric_semap.semap import SemAP\n\n__all__ = ["SemAP"]\n')
    space = tmp_path / "space" / "semap"
    shutil.copytree(metric_folder, space, ignore=shutil.ignore_patterns("__pycache__"))
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SEMAP_ENCODER")}
    environment |= {"HF_HOME": str(home), "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    names = [str(metric_folder / "semap.py"), "semap", str(space)]
    command = [sys.executable, "-W", "ignore", "-c", FRESH, *names]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    loaded = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(loaded) == 3
    for name, semap, signature, _, _ in loaded:
        assert (name, semap, signature) == ("semap", pytest.approx(0.5), loaded[0][2])
    by_path, by_name, as_space = (module for _, _, _, module, _ in loaded)
    assert by_path.startswith("evaluate_modules.")
    assert as_space.startswith("evaluate_modules.")
    assert by_name == "metric_semap.semap"


def test_every_module_that_it_needs_is_named_in_its_file(metric_folder: Path) -> None:
    """evaluate copies the modules that `semap.py` itself imports by `from .x import`, and none that those import."""

    def imported(name: str) -> set[str]:
        tree = ast.parse((metric_folder / f"{name}.py").read_text(encoding="utf-8"))
        return {
            node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level and node.module
        }

    named = imported("semap")
    assert set().union(*map(imported, named)) <= named


def test_importing_the_package_is_cheap() -> None:
    """`import metric_semap` loads neither torch nor evaluate; its public names are the ones meant."""
    heavy = "any(m in sys.modules for m in ('torch', 'evaluate', 'numpy'))"
    code = f"import sys, metric_semap; print({heavy}); print(metric_semap.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = ["BertScoreSimilarity", "SemAP", "SemapError", "SentenceSimilarity"]
    names += ["greedy_match", "optimal_match", "score_matrices"]
    assert done.stdout.split("\n")[:2] == ["False", str(names)]


def test_every_public_name_is_there() -> None:
    """What `__all__` promises can be had, and nothing else."""
    import metric_semap

    assert all(getattr(metric_semap, name).__name__ == name for name in metric_semap.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = metric_semap.nonsense


def test_compute_gives_flat_keys(scores: dict[str, Any]) -> None:
    """Beside `details` there are only numbers, texts and one list of warnings; what cannot be said of these pictures is null."""
    flat = {key: value for key, value in scores.items() if key != "details"}
    assert all(isinstance(v, (int, float, str)) for k, v in flat.items() if k != "warnings" and v is not None)
    undefined = [key for key, value in flat.items() if value is None]
    assert undefined == ["localisation", "false_alarm_rate", "pictures_needed"]
    for view in ("Phe", "Rea", "Full"):
        assert 0 <= flat[f"chance_SemAP_{view}"] < flat[f"SemAP_{view}"] <= 1
        assert flat[f"lift_SemF1_{view}"] == pytest.approx(flat[f"SemF1_{view}"] - flat[f"chance_SemF1_{view}"])
        assert flat[f"TP_{view}@0.7"] + flat[f"FP_{view}@0.7"] == flat["predictions"] == 5
        assert flat[f"TP_{view}@0.7"] + flat[f"FN_{view}@0.7"] == flat["references"] == 8
        assert 0 <= flat[f"SemAP_ranked_{view}"] <= 1
    fields = dict(part.split(":", 1) for part in flat["signature"].split("|"))
    assert fields.items() >= {"semap": "2.0", "conf": "default", "alpha": ".5", "tau": ".7,.8,.9", "n": "4"}.items()
    assert fields["enc"].startswith("all-MiniLM-L6-v2_L5@")
    assert flat["bert_score_hash"].startswith("all-MiniLM-L6-v2_L5_no-idf_version=")


def test_details_hold_every_match_and_what_stayed_alone(scores: dict[str, Any]) -> None:
    """Each picture lists its pairs with the similarities of all views, and the unmatched of both sides."""
    images, curves = scores["details"]["images"], scores["details"]["curves"]
    assert [picture["index"] for picture in images] == [0, 1, 2, 3]
    pairs = {(m["prediction"], m["reference"]): m for m in images[1]["matches"]}
    assert set(pairs) == {(1, 0), (0, 1)}
    assert pairs[1, 0]["Full"] == pytest.approx(1, abs=1e-5)
    assert images[0]["unmatched_references"] == [1]
    assert images[3]["unmatched_references"] == [0, 1]
    assert curves["thresholds"][0] == 0.5
    assert curves["thresholds"][-1] == 0.95
    assert curves["F1_Full"] == sorted(curves["F1_Full"], reverse=True)
    assert len(curves["chance_F1_Full"]) == 10


def test_severity_error_is_over_matched_pairs_with_two_severities(scores: dict[str, Any]) -> None:
    """Of five predictions three matched ones have a severity: 20 against 10, 5 against 5, 35 against 30."""
    assert scores["severity_pairs"] == 3
    assert scores["severity_error"] == pytest.approx(5)
    assert scores["severity_bias"] == pytest.approx(5)


def test_full_is_the_weighted_mean_of_the_views(pictures: tuple[list[Any], list[Any]]) -> None:
    """alpha 1 is the phenomenon alone, alpha 0 the reasoning."""
    for alpha, view in ((1.0, "Phe"), (0.0, "Rea")):
        numbers = SemAP().compute(
            predictions=pictures[0], references=pictures[1], encoder="minilm", alpha=alpha, bootstrap=0
        )
        for score in ("SemAP", "SemF1", "chance_SemAP"):
            assert numbers[f"{score}_Full"] == numbers[f"{score}_{view}"]


def test_the_order_of_pictures_and_entries_changes_nothing(
    pictures: tuple[list[Any], list[Any]], scores: dict[str, Any]
) -> None:
    """Chance and intervals included: they are drawn from the content, not from the order."""
    order = [2, 0, 3, 1]
    said, true = [pictures[0][i][::-1] for i in order], [pictures[1][i][::-1] for i in order]
    moved = SemAP().compute(predictions=said, references=true, encoder="minilm", bootstrap=200)
    for key, value in moved.items():
        if isinstance(value, float) and not math.isnan(value):
            assert value == pytest.approx(scores[key], abs=1e-9), key


def test_clean_pictures_are_zero_with_a_warning_or_skipped(
    pictures: tuple[list[Any], list[Any]], anomaly: Make
) -> None:
    """The official code scores a rightly empty answer 0; `skip` leaves it out; false alarms are counted either way."""
    said, true = [*pictures[0], [], [anomaly("The wall is grey.")]], [*pictures[1], [], []]
    with pytest.warns(UserWarning, match=r"2 of 6 pictures have no references and score 0"):
        zero = SemAP().compute(predictions=said, references=true, encoder="minilm", bootstrap=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*no references.*")
        skip = SemAP().compute(predictions=said, references=true, encoder="minilm", bootstrap=0, empty="skip")
    assert zero["SemAP_Full"] == pytest.approx(skip["SemAP_Full"] * 4 / 6)
    for numbers, scored in ((zero, 6), (skip, 4)):
        assert numbers["false_alarm_rate"] == 0.5
        assert (numbers["false_alarms"], numbers["clean_images"], numbers["scored_images"]) == (1, 2, scored)
        assert numbers["signature"].endswith(f"|n:{scored}")


def test_undefined_numbers_are_null_in_json_too(anomaly: Make, tmp_path: Path) -> None:
    """A single picture has no other to be dealt to; a mean over no picture is undefined; what evaluate saves is strict JSON."""
    record = [anomaly("A cup hovers.")]
    one = SemAP().compute(predictions=[record], references=[record], encoder="minilm")
    assert one["SemAP_Full"] == 1
    assert one["chance_SemAP_Full"] is None
    assert one["false_alarm_rate"] is None
    none = SemAP().compute(predictions=[record], references=[[]], encoder="minilm", empty="skip")
    assert none["SemAP_Full"] is None
    assert none["false_alarm_rate"] == 1

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    more = SemAP().compute(predictions=[record], references=[[]], encoder="minilm", empty="skip", details=True)
    for numbers in (one, none, more):
        saved = evaluate.save(tmp_path / "scores.json", **numbers)
        assert json.loads(saved.read_text(), parse_constant=refuse)["signature"] == numbers["signature"]


def test_saturated_thresholds_are_called_so(anomaly: Make) -> None:
    """Where every matched pair reaches a threshold, a warning says that only the lengths of the lists count."""
    records = [[anomaly("The man has three arms.")], [anomaly("The cup hovers above the table.")]]
    with pytest.warns(UserWarning, match=r"saturated thresholds: 0\.7 \(Phe, Rea, Full\)"):
        SemAP().compute(predictions=records, references=records, encoder="minilm", bootstrap=0)


def test_two_processes_give_the_numbers_of_one(
    pictures: tuple[list[Any], list[Any]], scores: dict[str, Any], tmp_path: Path
) -> None:
    """evaluate's distributed compute gathers what each process added."""
    code = """
import sys, json
sys.modules["transformers"] = None  # what only adds scores nothing; evaluate would import it, which takes most of the time
from metric_semap.semap import SemAP
said, true = json.load(open(sys.argv[1]))
metric = SemAP(num_process=2, process_id=1, cache_dir=sys.argv[2], experiment_id="two")
metric.add_batch(predictions=said[2:], references=true[2:])
print(metric.compute(encoder="minilm"))
"""
    data, cache = tmp_path / "pictures.json", str(tmp_path / "cache")
    data.write_text(json.dumps(pictures))
    command = [sys.executable, "-W", "ignore", "-c", code, str(data), cache]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        metric = SemAP(num_process=2, process_id=0, cache_dir=cache, experiment_id="two", timeout=300)
        metric.add_batch(predictions=pictures[0][:2], references=pictures[1][:2])
        together = metric.compute(encoder="minilm", bootstrap=200)
        assert other.communicate(timeout=300)[0].splitlines()[-1] == "None"
    for key, value in together.items():
        if isinstance(value, float) and not math.isnan(value):
            assert value == pytest.approx(scores[key], abs=1e-9), key
    assert together["signature"] == scores["signature"]


def test_it_combines_with_itself_under_its_own_name(anomaly: Make) -> None:
    """`evaluate.combine` prefixes with the name `semap`."""
    record = [[anomaly("A cup hovers.")], [anomaly("A man has three arms.")]]
    both = evaluate.combine([SemAP(), SemAP()])
    result = both.compute(predictions=record, references=record, encoder="minilm", bootstrap=0)
    assert result["semap_0_SemAP_Full"] == result["semap_1_SemAP_Full"] == 1


def test_a_failed_compute_leaves_the_metric_usable(anomaly: Make) -> None:
    """After an error the same object scores what comes next, and only that."""
    record = [[anomaly("A cup hovers.")]]
    metric = SemAP()
    with pytest.raises(OptionError):
        metric.compute(predictions=record, references=record, encoder="minilm", alpha=2)
    assert metric.compute(predictions=record, references=record, encoder="minilm", bootstrap=0)["images"] == 1


GOOD = {"name": "n", "phenomenon": "A cup hovers.", "reasoning": "It should fall.", "severity": 10}


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([[{**GOOD, "phenomenon": 3}]], [[GOOD]], r"predictions\[0\]\[0\]: phenomenon: 3 is not a text"),
        (
            [[{k: v for k, v in GOOD.items() if k != "reasoning"}]],
            [[GOOD]],
            r"predictions\[0\]\[0\]: reasoning is missing",
        ),
        (
            [[GOOD], [GOOD]],
            [[GOOD], [{**GOOD, "severity": 110}]],
            r"references\[1\]\[0\]: severity: 110 is outside 0\.\.100",
        ),
        ([[{**GOOD, "severity": 12.5}]], [[GOOD]], r"predictions\[0\]\[0\]: severity: 12\.5 is not a severity"),
        ([[{**GOOD, "severity": float("nan")}]], [[GOOD]], r"severity: nan is not a severity"),
        ([[{**GOOD, "severity": True}]], [[GOOD]], r"severity: True is not a severity"),
        ([[{**GOOD, "severity": "10"}]], [[GOOD]], r"severity: '10' is not a severity"),
        ([[{**GOOD, "score": 2}]], [[GOOD]], r"score: 2 is not a confidence"),
        ([[{**GOOD, "name": None}]], [[GOOD]], r"name: None is not a text"),
        ([["a cup"]], [[GOOD]], r"predictions\[0\]\[0\]: 'a cup' is not an anomaly"),
        (["a cup"], [[GOOD]], r"predictions\[0\]: 'a cup' is not a list of anomalies"),
        ([None], [[GOOD]], r"predictions\[0\]: None is not a list"),
        ([GOOD], [[GOOD]], r"predictions\[0\]: .+ is not a list"),
        ("cup", [[GOOD]], r"predictions: 'cup' is not a list"),
        (None, [[GOOD]], r"predictions: None is not a list"),
        ([[GOOD]], None, r"references: None is not a list"),
        ([[GOOD]], [[GOOD], []], r"predictions: 1 pictures, but references: 2"),
        ([[GOOD]], [[{**GOOD, "reasoning": "  "}]], r"references\[0\]\[0\]: reasoning: '  ' is empty"),
        (
            [[{**GOOD, "phenomenon": "x" * 10_000_000}]],
            [[GOOD]],
            r"is 10,000,000 characters long; the limit is 100,000",
        ),
        ([[{**GOOD, "phenomenon": "\ud800"}]], [[GOOD]], r"half a surrogate pair"),
        ([], [], r"no pictures"),
    ],
)
def test_malformed_input_is_named(predictions: Any, references: Any, message: str) -> None:
    """Argument, picture, entry, field, value and mend are in the message; nothing is cast or dropped."""
    with pytest.raises(SemapError, match=message) as caught:
        SemAP().compute(predictions=predictions, references=references, encoder="minilm")
    assert len(str(caught.value)) < 400


def test_calling_without_pictures_is_an_error() -> None:
    """Neither arguments nor added batches: there is nothing to score."""
    with pytest.raises(SemapError, match="pass predictions and references"):
        SemAP().compute(encoder="minilm")


def test_batches_count_their_pictures_on(anomaly: Make) -> None:
    """An error in a later batch names the picture's number over all batches."""
    metric = SemAP()
    metric.add_batch(predictions=[[GOOD], []], references=[[GOOD], [GOOD]])
    with pytest.raises(RecordError, match=r"predictions\[2\]\[0\]: severity: -1 is outside"):
        metric.add(prediction=[{**GOOD, "severity": -1}], reference=[GOOD])
    assert metric.compute(encoder="minilm", bootstrap=0)["images"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "alpha: 1.5 is outside 0..1"),
        ({"thresholds": [2]}, "thresholds"),
        ({"thresholds": 0.7}, "thresholds"),
        ({"matching": "best"}, "matching: 'best'"),
        ({"empty": "ignore"}, "empty: 'ignore'"),
        ({"bootstrap": -1}, "bootstrap: -1"),
        ({"seed": "x"}, "seed: 'x'"),
        ({"encoder": "minilm", "model_type": "roberta-large"}, "two names of one option"),
    ],
)
def test_impossible_options_are_named(options: dict[str, Any], message: str) -> None:
    """The option, its value and the choices are in the message."""
    with pytest.raises(OptionError, match=message):
        SemAP().compute(predictions=[[GOOD]], references=[[GOOD]], **{"encoder": "minilm", **options})


def test_an_unknown_configuration_is_refused() -> None:
    """There are two."""
    with pytest.raises(OptionError, match="choose default or deepfake"):
        SemAP("fancy")


def test_the_default_encoder_is_the_official_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the Hub it is an error, never a silent fallback."""
    monkeypatch.delenv("SEMAP_ENCODER", raising=False)
    with pytest.raises(EncoderError, match="'distilbert-base-uncased' is out of reach"):
        SemAP().compute(predictions=[[GOOD]], references=[[GOOD]])


def test_deepfake_counts_explanations_only_of_right_verdicts(pictures: tuple[list[Any], list[Any]]) -> None:
    """CSemAP is over fake pictures; a wrong or absent verdict empties the picture's predictions."""
    said, true = pictures
    verdicts = ["fake", "real", None, "fake", "fake", "real"]
    actual = ["fake", "fake", "fake", "fake", "real", "real"]
    metric = SemAP("deepfake")
    got = metric.compute(
        predictions=[{"label": v, "anomalies": a} for v, a in zip(verdicts, [*said, [GOOD], []], strict=True)],
        references=[{"label": v, "anomalies": a} for v, a in zip(actual, [*true, [], []], strict=True)],
        encoder="minilm",
        bootstrap=100,
        details=True,
    )
    conditioned = SemAP().compute(
        predictions=[said[0], [], [], said[3]], references=true, encoder="minilm", bootstrap=0
    )
    for view in ("Phe", "Rea", "Full"):
        assert got[f"CSemAP_{view}"] == conditioned[f"SemAP_{view}"]
        assert got[f"CSemF1_{view}"] == conditioned[f"SemF1_{view}"]
        assert f"SemAP_{view}" not in got
    assert got["accuracy"] == pytest.approx(3 / 6)
    assert got["verdict_precision"] == pytest.approx(2 / 3)
    assert got["verdict_recall"] == pytest.approx(2 / 4)
    assert got["verdict_F1"] == pytest.approx(4 / 7)
    assert got["verdicts_missing"] == 1
    assert [picture["index"] for picture in got["details"]["images"]] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("prediction", "reference", "message"),
    [
        (
            {"label": "maybe", "anomalies": []},
            {"label": "fake", "anomalies": [GOOD]},
            r"predictions\[0\]: label: 'maybe' is neither",
        ),
        (
            {"label": "fake", "anomalies": []},
            {"label": None, "anomalies": [GOOD]},
            r"references\[0\]: label: None is neither",
        ),
        (
            {"label": "fake", "anomalies": [3]},
            {"label": "fake", "anomalies": [GOOD]},
            r"predictions\[0\]\.anomalies\[0\]: 3 is no",
        ),
        ([GOOD], {"label": "fake", "anomalies": [GOOD]}, r"predictions\[0\]: .+ is not a picture"),
        ({"label": "fake"}, {"label": "fake", "anomalies": [GOOD]}, r"predictions\[0\]: .+ is not a picture"),
        ({"label": "fake", "anomalies": []}, {"label": "real", "anomalies": [GOOD]}, r"label 'real' has 1 anomalies"),
        (
            {"label": "real", "anomalies": []},
            {"label": "real", "anomalies": []},
            "no picture among the references is fake",
        ),
    ],
)
def test_malformed_verdicts_are_named(prediction: Any, reference: Any, message: str) -> None:
    """Labels outside real and fake, absent ones in references, and contradictions are errors."""
    with pytest.raises(SemapError, match=message):
        SemAP("deepfake").compute(predictions=[prediction], references=[reference], encoder="minilm")


def test_ranked_semap_rewards_a_good_order(anomaly: Make) -> None:
    """The same predictions score higher if the right ones are the surer ones; by severity where there is no score."""
    true = [[anomaly("The man has three arms.")], [anomaly("The cup hovers above the table.")]]
    right = [
        anomaly("The man has three arms.", score=0.9),
        anomaly("A paper bag is on the floor.", "It is torn.", score=0.1),
    ]
    wrong = [{**right[0], "score": 0.1}, {**right[1], "score": 0.9}]
    options: dict[str, Any] = {"references": true, "encoder": "minilm", "bootstrap": 0}
    high = SemAP().compute(predictions=[right, []], **options)
    low = SemAP().compute(predictions=[wrong, []], **options)
    assert high["SemAP_Full"] == low["SemAP_Full"]
    # One of two references found: recall 0 to 0.5 is 51 of 101 points, at precision 1 or 1/2.
    assert high["SemAP_ranked_Full"] == pytest.approx(51 / 101)
    assert low["SemAP_ranked_Full"] == pytest.approx(51 / 202)
    assert high["ranked_by"] == "score"
    severe_first = [
        [{k: v for k, v in r.items() if k != "score"} | {"severity": s} for r, s in zip(right, (5, 80), strict=True)],
        [],
    ]
    by_severity = SemAP().compute(predictions=severe_first, **options)
    assert by_severity["ranked_by"] == "severity"
    assert by_severity["SemAP_ranked_Full"] == pytest.approx(51 / 101)


def test_chance_is_the_score_of_the_wrong_pictures(anomaly: Make) -> None:
    """With two pictures the deal is their exchange, so chance can be computed by hand."""
    said = [[anomaly("The man has three arms.", "People have two.")], [anomaly("A cup hovers.", "Gravity pulls.")]]
    options: dict[str, Any] = {"encoder": "minilm", "bootstrap": 0, "thresholds": [0.5, 0.6, 0.7]}
    own = SemAP().compute(predictions=said, references=said, **options)
    exchanged = SemAP().compute(predictions=said[::-1], references=said, **options)
    for key in ("SemAP_Full", "SemF1_Phe", "SemAP_Rea"):
        assert own[f"chance_{key}"] == pytest.approx(exchanged[key])


def test_values_do_not_depend_on_numpys_global_seed(
    pictures: tuple[list[Any], list[Any]], scores: dict[str, Any]
) -> None:
    """Chance comes from `seed` alone."""
    np.random.seed(5)
    again = SemAP().compute(predictions=pictures[0], references=pictures[1], encoder="minilm", bootstrap=200)
    drawn = [key for key in again if key.startswith("chance")]
    assert [again[key] for key in drawn] == [scores[key] for key in drawn]
