"""Similarities are bert-score's, and defined where bert-score breaks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from metric_semap.encoder import load_encoder, resolve_encoder
from metric_semap.errors import EncoderError, OptionError
from metric_semap.similarity import BertScoreSimilarity

Make = Callable[..., dict[str, Any]]


def by_bert_score(directory: Path, layers: int, texts: list[str]) -> np.ndarray:
    """bert-score's own F1, a call a pair, so that no pair is padded to another's length."""
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=str(directory), num_layers=layers, device="cpu")
    return np.array([[float(scorer.score([a], [b])[2][0]) for b in texts] for a in texts])


def by_definition(directory: Path, layers: int, a: str, b: str, prefix: str = "", limit: int = 62) -> float:
    """BERTScore F1 of one pair, written down as it is defined."""
    if not a.strip() or not b.strip():
        return 0.0
    model, tokenizer = AutoModel.from_pretrained(directory).eval(), AutoTokenizer.from_pretrained(directory)
    sides = []
    for text in (a, b):
        ids = torch.tensor([tokenizer.encode(prefix + text.strip(), truncation=True, max_length=limit)])
        with torch.no_grad():
            vectors = model(ids, output_hidden_states=True).hidden_states[layers][0]
        counts = torch.tensor([i not in (tokenizer.cls_token_id, tokenizer.sep_token_id) for i in ids[0].tolist()])
        sides.append((vectors / vectors.norm(dim=1, keepdim=True), counts))
    (x, x_counts), (y, y_counts) = sides
    products = x @ y.T
    precision = products.max(dim=1).values[x_counts].mean()
    recall = products.max(dim=0).values[y_counts].mean()
    return float(2 * precision * recall / (precision + recall))


def ours(similarity: BertScoreSimilarity, texts: list[str], make: Make) -> np.ndarray:
    records = [make(text) for text in texts]
    return similarity.matrices([records], [records])[0]["phe"]


def test_minilm_equals_bert_score(minilm: Any, minilm_directory: Path, texts: list[str], anomaly: Make) -> None:
    """With the real encoder every pair has bert-score's F1, duplicates and other scripts included."""
    np.testing.assert_allclose(ours(minilm, texts, anomaly), by_bert_score(minilm_directory, 5, texts), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("DistilBert", {"dim": 32, "hidden_dim": 48, "n_layers": 3, "n_heads": 2, "vocab_size": 30522}),
        ("Albert", {"hidden_size": 32, "embedding_size": 16, "intermediate_size": 48, "num_hidden_layers": 3}),
        ("Bart", {"d_model": 32, "encoder_layers": 3, "decoder_layers": 3, "vocab_size": 30522, "encoder_ffn_dim": 48}),
    ],
)
def test_every_family_is_cut_as_bert_score_cuts_it(
    kind: str, sizes: dict[str, Any], tmp_path: Path, minilm_directory: Path, texts: list[str], anomaly: Make
) -> None:
    """Encoders of other families, whose layers have other names, are cut after the same layer."""
    import transformers

    if kind == "Albert":
        sizes = {**sizes, "num_attention_heads": 2, "vocab_size": 30522}
    if kind == "Bart":
        sizes = {
            **sizes,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 48,
            "pad_token_id": 0,
        }
    torch.manual_seed(3)
    config = getattr(transformers, f"{kind}Config")(**sizes)
    getattr(transformers, f"{kind}Model")(config).eval().save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(minilm_directory).save_pretrained(tmp_path)
    similarity = BertScoreSimilarity(str(tmp_path), 2, device="cpu")
    np.testing.assert_allclose(ours(similarity, texts[:4], anomaly), by_bert_score(tmp_path, 2, texts[:4]), atol=1e-5)


def test_a_tokenizer_without_a_limit_is_cut_to_the_encoders_positions(
    bert_directory: Path, texts: list[str], anomaly: Make
) -> None:
    """Where bert-score overflows, a text longer than the encoder is cut to it."""
    similarity = BertScoreSimilarity(str(bert_directory), 2)
    long = " ".join(texts) * 5
    with pytest.raises(OverflowError):
        by_bert_score_of_bert(bert_directory, texts)
    expected = by_definition(bert_directory, 2, long, texts[0], limit=96)
    assert ours(similarity, [long, texts[0]], anomaly)[0, 1] == pytest.approx(expected, abs=1e-5)


def by_bert_score_of_bert(directory: Path, texts: list[str]) -> None:
    """bert-score's tokenizing step, which does not depend on the weights."""
    from bert_score.utils import sent_encode

    sent_encode(AutoTokenizer.from_pretrained(directory), texts[0])


def test_byte_level_tokenizers_get_their_prefix_space(roberta_directory: Path, texts: list[str], anomaly: Make) -> None:
    """A RoBERTa sees every text as if a space stood before it, which bert-score asks for and transformers 5 ignores."""
    got = ours(BertScoreSimilarity(str(roberta_directory), 2), texts[:4], anomaly)
    expected = [[by_definition(roberta_directory, 2, a, b, prefix=" ") for b in texts[:4]] for a in texts[:4]]
    without = [[by_definition(roberta_directory, 2, a, b) for b in texts[:4]] for a in texts[:4]]
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(got - without).max() > 1e-3


def test_a_text_of_one_token_has_bert_scores_similarity_of_the_pair_alone(
    minilm: Any, minilm_directory: Path, anomaly: Make
) -> None:
    """In a call with a longer pair bert-score's own padding floors the maxima at 0; no pair here depends on its company."""
    from bert_score import BERTScorer

    dot, long = ".", "The scarf appears fused with the collar of the coat, and neither has an edge of its own there."
    alone = by_bert_score(minilm_directory, 5, [dot, long])
    np.testing.assert_allclose(ours(minilm, [dot, long, "xxxx"], anomaly)[:2, :2], alone, atol=1e-5)
    scorer = BERTScorer(model_type=str(minilm_directory), num_layers=5, device="cpu")
    together = scorer.score([long, long], [dot, long])[2].numpy()
    assert 0 <= together[0] - alone[1, 0] < 0.05
    assert together[1] == pytest.approx(alone[1, 1], abs=1e-5)


def test_a_text_is_exactly_like_itself(minilm: Any, texts: list[str], anomaly: Make) -> None:
    """Rounding does not put identical texts below a threshold of 1; nearly the same text stays below."""
    from metric_semap.anomalies import Anomaly
    from metric_semap.measurement import Options, measure

    matrix = ours(minilm, [*texts, "The man has 3 arms"], anomaly)
    assert (matrix.diagonal() == 1).all()
    assert (np.sort(matrix, axis=1)[:, :-2] < 1).all()
    said = [[Anomaly("n", text, f"{text} Why?")] for text in texts]
    for alpha in (0.5, 0.3):
        scores = measure(said, said, minilm, Options((1.0,), alpha, bootstrap=0)).scores
        assert scores.full.semap.value == scores.full.semf1.value == scores.full.ranked == 1


def test_texts_without_tokens_score_zero(minilm: Any, anomaly: Make) -> None:
    """An empty text, one of blanks, and one of a lone special token are like nothing, not even like themselves."""
    matrix = ours(minilm, ["", "  \n", "[SEP]", "a cup"], anomaly)
    assert matrix[:3].max() == 0
    assert matrix[:, :3].max() == 0
    assert matrix[3, 3] == pytest.approx(1, abs=1e-5)


def test_a_long_text_is_cut_as_bert_score_cuts_it(minilm: Any, minilm_directory: Path, anomaly: Make) -> None:
    """Beyond 512 tokens nothing is read."""
    long = "the cup hovers above the table and " * 100
    expected = by_bert_score(minilm_directory, 5, [long, "a cup"])
    np.testing.assert_allclose(ours(minilm, [long, "a cup"], anomaly), expected, atol=1e-5)


def test_pictures_do_not_depend_on_their_company(minilm: Any, texts: list[str], anomaly: Make) -> None:
    """A picture has the same similarities alone and among others; a side may be empty."""
    pictures = [[anomaly(t, t[::-1]) for t in texts[:2]], [], [anomaly(t) for t in texts[2:]]]
    others = [pictures[2], pictures[0], [], pictures[0]]
    together = minilm.matrices([*pictures, pictures[0]], others)
    assert [m["phe"].shape for m in together] == [(2, 6), (0, 2), (6, 0), (2, 2)]
    alone = minilm.matrices([pictures[0]], [pictures[2]])[0]
    for key in ("phe", "rea"):
        np.testing.assert_allclose(together[0][key], alone[key], atol=1e-6)


def test_the_encoder_is_loaded_once_and_late(minilm_directory: Path) -> None:
    """Making a similarity loads nothing; two of them share one encoder."""
    files = resolve_encoder("minilm")
    before = load_encoder.cache_info().misses
    first, second = BertScoreSimilarity("minilm"), BertScoreSimilarity("minilm")
    assert load_encoder.cache_info().misses == before
    assert load_encoder(first.files, "cpu", "float32")[0] is load_encoder(second.files, "cpu", "float32")[0]
    assert files.source == str(minilm_directory)


def test_baselines_are_bert_scores(texts: list[str]) -> None:
    """Rescaling uses bert-score's own file; an encoder without one is refused by name."""
    from bert_score import BERTScorer

    similarity = BertScoreSimilarity("distilbert-base-uncased", rescale_with_baseline=True)
    scorer = BERTScorer.__new__(BERTScorer)
    import bert_score

    scorer.baseline_path = str(Path(bert_score.__file__).parent / "rescale_baseline/en/distilbert-base-uncased.tsv")
    scorer._baseline_vals, scorer.all_layers, scorer._num_layers = None, False, 5
    assert similarity.baseline == pytest.approx(float(scorer.baseline_vals[2]))
    assert similarity.name == "distilbert-base-uncased_L5-rescaled"
    assert "distilbert-base-uncased_L5_no-idf" in similarity.hash_code
    with pytest.raises(EncoderError, match="no baseline for all-MiniLM-L6-v2"):
        BertScoreSimilarity("minilm", rescale_with_baseline=True)


def test_an_encoder_out_of_reach_is_named_with_the_offline_choice(texts: list[str], anomaly: Make) -> None:
    """Without the Hub the official encoder is an error that names it, the cause and what works offline."""
    with pytest.raises(EncoderError, match=r"'distilbert-base-uncased' is out of reach: .+ encoder=\"minilm\""):
        ours(BertScoreSimilarity("distilbert-base-uncased"), texts[:2], anomaly)


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("no-such-encoder", None, "nor in bert-score's layer table"),
        ("minilm", 9, "has 6 layers, not 9"),
        ("minilm", 0, "num_layers: 0 is not a layer"),
        ("", None, "is not a name"),
    ],
)
def test_wrong_encoders_are_refused(name: str, layers: int | None, message: str, anomaly: Make) -> None:
    """A name or a layer that cannot be is said to be so."""
    with pytest.raises(EncoderError, match=message):
        ours(BertScoreSimilarity(name, layers), ["a", "b"], anomaly)


def test_a_local_directory_needs_its_layer_and_is_named_by_its_weights(bert_directory: Path) -> None:
    """The signature of a local encoder holds no path: its folder's name and a hash of its weights."""
    with pytest.raises(EncoderError, match="needs num_layers"):
        BertScoreSimilarity(str(bert_directory))
    name = BertScoreSimilarity(str(bert_directory), 2).name
    assert name.startswith(f"{bert_directory.name}@")
    assert name.endswith("_L2")


def test_tampered_files_are_refused(minilm_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A MiniLM whose files are not the known ones is not loaded."""
    import shutil

    from metric_semap import encoder

    package = tmp_path / encoder.MINILM_PACKAGE
    shutil.copytree(minilm_directory, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('code of the package was run')")
    with (package / "model" / "tokenizer.json").open("a") as file:
        file.write(" ")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, encoder.MINILM_PACKAGE, raising=False)
    encoder._minilm_directory.cache_clear()
    try:
        with pytest.raises(EncoderError, match="is not all-MiniLM-L6-v2's file"):
            resolve_encoder("minilm")
    finally:
        encoder._minilm_directory.cache_clear()


def test_the_variable_sets_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SEMAP_ENCODER` is used where no encoder is named; the official one where neither is."""
    monkeypatch.delenv("SEMAP_ENCODER", raising=False)
    assert resolve_encoder().name == "distilbert-base-uncased"
    monkeypatch.setenv("SEMAP_ENCODER", "minilm")
    assert resolve_encoder().name == "all-MiniLM-L6-v2"


@pytest.mark.parametrize(
    ("dtype", "suffix", "limit"), [("bfloat16", "bf16", 2e-3), ("float16", "fp16", 5e-4)], ids=["bfloat16", "float16"]
)
def test_half_precision_is_opt_in_and_signed(
    dtype: str, suffix: str, limit: float, texts: list[str], anomaly: Make, minilm: Any
) -> None:
    """The halves move similarities by what the card says, and say so in the name."""
    reduced = BertScoreSimilarity("minilm", dtype=dtype)
    assert reduced.name == f"all-MiniLM-L6-v2_L5-{suffix}"
    found, exact = ours(reduced, texts[:3], anomaly), ours(minilm, texts[:3], anomaly)
    np.testing.assert_allclose(found, exact, atol=limit)
    assert np.abs(found - exact).max() > 0


def test_another_precision_is_refused() -> None:
    """Eight bits move scores by hundredths."""
    with pytest.raises(OptionError, match="dtype: 'int8' is unknown"):
        BertScoreSimilarity("minilm", dtype="int8")
