"""What the metric's tests share: encoders (the real MiniLM, small random ones), texts, files, and a browser."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before any Hugging Face library is imported: nothing here reaches for the Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")


@pytest.fixture(scope="session")
def metric_folder() -> Path:
    """The folder that is the metric's repository."""
    return Path(__file__).resolve().parents[2] / "metric_semap"


@pytest.fixture(scope="session")
def anomaly() -> Callable[..., dict[str, Any]]:
    """Makes a record with a phenomenon of one's own."""

    def make(
        phenomenon: str, reasoning: str = "It breaks physics.", severity: int | None = 20, **more: Any
    ) -> dict[str, Any]:
        return {"name": "anomaly", "phenomenon": phenomenon, "reasoning": reasoning, "severity": severity, **more}

    return make


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Texts short and long, alike and different, one twice, one in another script."""
    return [
        "The cat hovers a hand's breadth above the sofa, and casts no shadow.",
        "A clock on the wall shows thirteen hours; its hands are bent.",
        "The man has three arms.",
        "The man has 3 arms — naïve, isn't it?",
        "glass",
        "Water flows up the stairs and gathers in a ball at the top, while the people beside it look elsewhere.",
        "The man has three arms.",
        "椅子没有腿。",
    ]


@pytest.fixture(scope="session")
def minilm() -> Any:
    """BERTScore with the real offline encoder."""
    from metric_semap.similarity import BertScoreSimilarity

    return BertScoreSimilarity("minilm")


@pytest.fixture(scope="session")
def minilm_directory() -> Path:
    """Where the offline encoder's files lie."""
    from metric_semap.encoder import resolve_encoder

    return Path(resolve_encoder("minilm").source)


def _save(directory: Path, kind: str, **sizes: Any) -> Path:
    """A small encoder with random weights, saved as `save_pretrained` does."""
    import torch
    import transformers

    torch.manual_seed(7)
    config = getattr(transformers, f"{kind}Config")(**sizes)
    getattr(transformers, f"{kind}Model")(config).eval().save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def bert_directory(tmp_path_factory: pytest.TempPathFactory, minilm_directory: Path) -> Path:
    """A random two-layer BERT whose tokenizer knows no length limit, in a directory whose name holds "t5"."""
    directory = _save(
        tmp_path_factory.mktemp("not-t5"),
        "Bert",
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=96,
    )
    shutil.copy(minilm_directory / "tokenizer.json", directory)
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    return directory


@pytest.fixture(scope="session")
def roberta_directory(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    """A random three-layer RoBERTa with 64 positions and a byte-level tokenizer of its own."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    directory = tmp_path_factory.mktemp("roberta")
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator([*texts, *(f" {text}" for text in texts)], vocab_size=420, special_tokens=special)
    bpe.save_model(str(directory))
    vocabulary, merges = str(directory / "vocab.json"), str(directory / "merges.txt")
    RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=62).save_pretrained(directory)
    return _save(
        directory,
        "Roberta",
        vocab_size=bpe.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )


# A directory with the authors' own pred.json and gt.json, where one is at hand, is tested like the files written here.
AT_HAND = [path for path in [os.environ.get("ANOMREASON_OFFICIAL_SAMPLE")] if path]


@pytest.fixture(scope="session", params=["written here", *AT_HAND])
def official_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Predictions and ground truth in the official layout: three pictures written for these tests."""
    if request.param in AT_HAND:
        return Path(request.param) / "pred.json", Path(request.param) / "gt.json"
    directory = tmp_path_factory.mktemp("official")
    truth = {
        "2025_04_18_02_29_58_1000000000000000001_flux.jpg": [
            _official(
                "Floating cup", "A blue cup hovers above the table.", "Nothing holds it up.", "10/100 (striking)."
            ),
            _official(
                "Bent spoon", "The spoon's handle ends in mid-air.", "Metal does not stop.", "35/100 (noticeable)."
            ),
        ],
        "2025_04_18_02_29_58_1000000000000000002.jpg": [
            _official("Third arm", "The man has three arms.", "People have two arms.", "5/100 (severe)."),
        ],
        "2025_04_18_02_29_58_1000000000000000003_sdv35.jpg": [
            _official("Clock", "The clock shows thirteen hours.", "A dial has twelve.", "40/100 (mild)."),
        ],
    }
    said = {
        "2025_04_18_02_29_58_1000000000000000001_flux.jpg": [
            _official(
                "@1. Name: Cup", "The blue cup floats over the table.", "Gravity would pull it down.", "20/100 (odd)."
            ),
        ],
        "2025_04_18_02_29_58_1000000000000000002.jpg": [
            _official("@1. Name: Arm", "There is an extra arm.", "Human bodies have two arms.", "10/100 (severe)."),
            _official("@2. Name: Sky", "The sky is green.", "Skies are blue.", "50/100 (mild)."),
        ],
        "2025_04_18_02_29_58_1000000000000000003_sdv35.jpg": [],
    }
    paths = directory / "pred.json", directory / "gt.json"
    for path, content in zip(paths, (said, truth), strict=True):
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return paths


def _official(name: str, phenomenon: str, reasoning: str, severity: str) -> dict[str, str]:
    return {"Name": name, "Observed Phenomenon": phenomenon, "Reasoning": reasoning, "Severity Score": severity}


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the embeddings that a user keeps."""
    monkeypatch.setenv("SEMAP_CACHE", str(tmp_path_factory.mktemp("embeddings")))
