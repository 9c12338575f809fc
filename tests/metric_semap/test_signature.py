"""The signature is the measurement's identity: what is measured otherwise has another one, and what is measured alike the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metric_semap.anomalies import Anomaly, Picture
from metric_semap.errors import RecordError
from metric_semap.evaluation import score_pictures, write_results
from metric_semap.measurement import Options, measure
from metric_semap.signature import content_of, differences
from metric_semap.signed_files import compare_files
from metric_semap.verdicts import judge
from tests.word_similarity import WordSimilarity

WORDS: Any = WordSimilarity()


def anomaly(text: str, severity: int | None = 20) -> list[Anomaly]:
    return [Anomaly("name", text, f"{text} should not be.", severity)]


TRUTH = [anomaly(f"thing {k} hovers") for k in range(8)]


def signed(truth: list[list[Anomaly]] = TRUTH, said: list[list[Anomaly]] | None = None, **options: Any) -> str:
    return measure(said or truth, truth, WORDS, Options(**options)).scores.signature


def test_equal_measurements_have_equal_signatures() -> None:
    """Whatever the predictions say, in whatever order pictures come; names do not enter, nor does the number of draws."""
    assert signed() == signed(said=TRUTH[::-1]) == signed(TRUTH[::-1]) == signed(bootstrap=0)
    assert signed() == signed([[replace(one, name="other") for one in anomalies] for anomalies in TRUTH])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"seed": 1}, "seed"),
        ({"alpha": 0.4}, "alpha"),
        ({"thresholds": (0.7, 0.8)}, "thresholds"),
        ({"thresholds": (0.7, 0.8, 0.9000001)}, "thresholds"),
        ({"matching": "optimal"}, "matching"),
        ({"missing": "ignore"}, "missing"),
        ({"empty": "skip"}, "empty"),
    ],
)
def test_each_option_that_moves_a_number_is_in_the_signature(options: dict[str, Any], field: str) -> None:
    """And the sentence of the difference names it."""
    (sentence,) = differences(signed(), signed(**options))
    assert field in sentence
    assert sentence.endswith("in the second.")


def test_other_references_have_another_signature() -> None:
    """Two disjoint subsets of one size, another text, another severity."""
    assert "references" in differences(signed(TRUTH[:4]), signed(TRUTH[4:]))[0]
    assert signed([*TRUTH[:7], anomaly("another")]) != signed()
    assert signed([*TRUTH[:7], [replace(TRUTH[7][0], severity=30)]]) != signed()
    assert len(differences(signed(TRUTH[:4]), signed())) == 2  # the number of pictures, too


def test_conditional_scores_have_another_signature() -> None:
    """CSemAP is not SemAP, also where every verdict is right; and labels are part of the references."""
    fakes = [Picture(anomalies, "fake") for anomalies in TRUTH]
    conditional = judge(fakes, fakes, WORDS, Options()).scores.signature
    assert "configuration" in differences(signed(), conditional)[0]
    more = [*fakes, Picture([], "real")]
    assert judge(more, more, WORDS, Options()).scores.signature != conditional
    assert content_of([[], []], ["real", "fake"]) != content_of([[], []], ["real", "real"])


def test_a_signature_is_one_unbroken_line_whatever_a_name_holds() -> None:
    """A separator or a blank in an encoder's name cannot make another field."""
    hostile: Any = WordSimilarity()
    hostile.identity = {**WORDS.identity, "enc": "a|n:9 b\n"}
    line = measure(TRUTH, TRUTH, hostile, Options()).scores.signature
    assert len(line.split()) == 1
    (sentence,) = differences(signed(), line)
    assert "a|n:9 b" in sentence


def test_an_encoder_is_known_by_its_content(tmp_path: Path, bert_directory: Path) -> None:
    """The same files under another path are the same encoder, whoever saved them; other weights or words are another, and so is
    another layer."""
    import torch
    from transformers import BertModel

    from metric_semap.similarity import BertScoreSimilarity

    def of(directory: Path, layers: int = 2) -> str:
        return BertScoreSimilarity(str(directory), layers, device="cpu").identity["enc"]

    def copied(name: str) -> Path:
        return Path(shutil.copytree(bert_directory, tmp_path / name / bert_directory.name))

    known = of(bert_directory)
    copy = copied("copy")
    told = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(told | {"transformers_version": "9.9"}))
    assert of(copy) == known
    assert of(bert_directory, 1) != known
    weights = copied("weights")
    model = BertModel.from_pretrained(weights)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[1000, 0] += 1e-3
    model.save_pretrained(weights)
    assert of(weights) != known
    words = copied("words")
    rules = json.loads((words / "tokenizer.json").read_text())
    (words / "tokenizer.json").write_text(json.dumps(rules | {"normalizer": None}))
    assert of(words).partition("@")[0] == known.partition("@")[0]
    assert of(words) != known


def test_weights_in_several_files_are_known_too(tmp_path: Path, bert_directory: Path) -> None:
    """All of them count."""
    from transformers import BertModel

    from metric_semap.encoder import fingerprint, resolve_encoder

    parts = Path(shutil.copytree(bert_directory, tmp_path / "parts"))
    (parts / "model.safetensors").unlink()
    BertModel.from_pretrained(bert_directory).save_pretrained(parts, max_shard_size="1MB")
    other = Path(shutil.copytree(parts, tmp_path / "other"))
    files = sorted(other.glob("model-*.safetensors"))
    assert len(files) > 1
    files[-1].write_bytes(files[0].read_bytes())
    known, its = (fingerprint(resolve_encoder(str(directory), 2)) for directory in (parts, other))
    assert known is not None
    assert its is not None
    assert known != its


def test_files_say_in_sentences_what_they_differ_in(tmp_path: Path) -> None:
    """`metrics.json` of two runs; what evaluate saved; and a file without a signature."""
    truth = {f"{k}.png": Picture(anomalies) for k, anomalies in enumerate(TRUTH)}
    for name, options in (("a", Options()), ("b", Options()), ("c", Options(alpha=0.25, seed=3))):
        write_results(score_pictures({"model": truth}, truth, WORDS, options), tmp_path / name)
    a, b, c = (tmp_path / name / "metrics.json" for name in "abc")
    assert compare_files(a, b) == []
    assert compare_files(a, c) == [
        "The weight of the phenomenon in the view Full (alpha) is .5 in the first and .25 in the second.",
        "The seed of chance and of the tests is 0 in the first and 3 in the second.",
    ]
    saved = tmp_path / "saved.json"
    saved.write_text(f'{{"SemAP_Full": 0.5, "signature": "{signed()}"}}')
    assert compare_files(a, saved) == []
    for content in ('{"SemAP_Full": 0.5}', '{"signature": "bleu:1"}', "[]"):
        saved.write_text(content)
        with pytest.raises(RecordError, match="signature"):
            compare_files(a, saved)
