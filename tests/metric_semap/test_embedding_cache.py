"""References' embeddings on disk: the same numbers, half the work, and nothing that can go wrong with a file matters."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metric_semap import comparing
from metric_semap.anomalies import Anomaly
from metric_semap.embedding_cache import EmbeddingCache, embedding_cache
from metric_semap.encoder import resolve_encoder
from metric_semap.encoding import Encoded
from metric_semap.evaluation import score_files
from metric_semap.similarity import BertScoreSimilarity

TRUTH = [
    [Anomaly("", "A cup hovers over the table.", "Cups fall."), Anomaly("", "The spoon is bent.", "Steel is stiff.")],
    [Anomaly("", "The man has three arms.", "People have two arms.")],
]
SAID = [[Anomaly("", "The cup floats.", "Gravity pulls.")], [Anomaly("", "There is an extra arm.", "Two are normal.")]]


@pytest.fixture
def encoded_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that go through an encoder, in order."""
    texts: list[str] = []
    encode = comparing.encode

    def noted(files: Any, device: str, dtype: str, wanted: Any) -> Any:
        texts.extend(wanted)
        return encode(files, device, dtype, wanted)

    monkeypatch.setattr(comparing, "encode", noted)
    return texts


def cached(directory: Path, limit: int = 1 << 30) -> EmbeddingCache:
    return EmbeddingCache(directory, "an encoder", limit)


def embeddings(seed: int, texts: int = 3) -> list[Encoded]:
    rng = np.random.default_rng(seed)
    return [
        Encoded(rng.random((k + 2, 8), dtype=np.float32), np.arange(k + 2) > 0, rng.random(8, dtype=np.float32))
        for k in range(texts)
    ]


def test_a_second_model_has_only_its_own_texts_encoded(tmp_path: Path, encoded_texts: list[str]) -> None:
    """The numbers are the same to the last bit, with the truth from disk or not."""
    cache = cached(tmp_path)
    plain = BertScoreSimilarity("minilm").compare(SAID, TRUTH, [[(0, 0), (1, 1)]])
    expected = [matrices for _, matrices in plain]
    for expected_texts in (10, 4):
        encoded_texts.clear()
        similarity = BertScoreSimilarity("minilm", cache=cache)
        found = [matrices for _, matrices in similarity.compare(SAID, TRUTH, [[(0, 0), (1, 1)]])]
        assert len(encoded_texts) == expected_texts
        for one, other in zip(found, expected, strict=True):
            assert one.keys() == other.keys()
            for key, matrix in one.items():
                np.testing.assert_allclose(matrix, other[key], atol=2e-6)


def test_what_was_put_is_had_again_and_only_under_its_key(tmp_path: Path) -> None:
    """Another text, another order, another encoder: nothing."""
    cache = cached(tmp_path)
    cache.put(["setting", "a", "b"], embeddings(1, 2))
    found = cached(tmp_path).get(["setting", "a", "b"])
    assert found is not None
    for one, other in zip(found, embeddings(1, 2), strict=True):
        for array, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, expected)
    for key in (["setting", "a", "c"], ["setting", "b", "a"], ["other", "a", "b"], ["setting", "a"]):
        assert cache.get(key) is None
    assert EmbeddingCache(tmp_path, "another encoder").get(["setting", "a", "b"]) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "text", "pickle", "directory"])
def test_a_damaged_file_is_the_same_as_none(damage: str, tmp_path: Path) -> None:
    """Whatever became of a file, it is read as missing and written again."""
    cache = cached(tmp_path)
    cache.put(["k"], embeddings(2))
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage == "pickle":
        np.save(path.open("wb"), np.array([{}], dtype=object), allow_pickle=True)
    else:
        path.write_bytes({"cut": data[:-30], "flipped": data, "emptied": b"", "text": b"hello"}[damage])
    assert cache.get(["k"]) is None
    cache.put(["k"], embeddings(2))
    assert damage == "directory" or cache.get(["k"]) is not None


def test_whatever_byte_is_changed_nothing_wrong_is_read(tmp_path: Path) -> None:
    """A changed file gives what was put, or nothing; never other numbers and never an error."""
    cache = cached(tmp_path)
    cache.put(["k"], embeddings(2))
    (path,) = tmp_path.iterdir()
    data, expected = path.read_bytes(), embeddings(2)
    for at in range(0, len(data), 5):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        found = cache.get(["k"])
        assert found is None or all(
            (a == b).all() for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
        )
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.write_bytes(path.with_suffix(".npy").read_bytes())
    assert cache.get(["k"]) is None


def test_the_size_is_bounded_and_what_is_used_stays(tmp_path: Path) -> None:
    """The oldest go first; a run never removes what it uses itself, nor what is not of the cache."""
    foreign = tmp_path / "notes.txt"
    foreign.write_text("mine")
    first = cached(tmp_path)
    first.put(["old"], embeddings(1))
    size = next(tmp_path.glob("*.npz")).stat().st_size
    second = cached(tmp_path, 3 * size + size // 2)
    for k in range(6):
        second.put([f"new {k}"], embeddings(k))
        assert sum(path.stat().st_size for path in tmp_path.glob("*.npz")) <= 3 * size + size // 2
    assert [second.get([f"new {k}"]) is not None for k in range(6)] == [True] * 3 + [False] * 3
    assert first.get(["old"]) is None
    assert foreign.read_text() == "mine"


def test_a_directory_that_cannot_be_written_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place to keep them, embeddings are not kept."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEMAP_CACHE", str(tmp_path / "file" / "below"))
    with embedding_cache(resolve_encoder("minilm"), lasting=True) as cache:
        assert cache is None


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.metric_semap.test_embedding_cache import cached, embeddings
cache = cached(Path(sys.argv[2]), 200_000)
for k in range(60):
    cache.put([str(k % 20)], embeddings(k % 20))
    found = cache.get([str((k + 7) % 20)])
    assert found is None or (found[0].vectors == embeddings((k + 7) % 20)[0].vectors).all()
"""


def test_two_processes_share_a_directory(tmp_path: Path) -> None:
    """Both write and read the same files; neither ever sees half of one."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WRITER, str(root), str(tmp_path)]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    assert all(path.name.endswith(".npz") for path in tmp_path.iterdir())


def _records(pictures: list[list[Anomaly]]) -> dict[str, Any]:
    return {
        f"{k}.jpg": [
            {"name": "n", "phenomenon": one.phenomenon, "reasoning": one.reasoning, "severity": 5} for one in anomalies
        ]
        for k, anomalies in enumerate(pictures)
    }


@pytest.mark.parametrize("cache", [True, False])
def test_score_has_the_truth_encoded_once(
    cache: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded_texts: list[str]
) -> None:
    """Of several predictors in one call each has only its own texts encoded; without a cache nothing stays on disk."""
    place = tmp_path / "cache"
    monkeypatch.setenv("SEMAP_CACHE", str(place))
    other = [[Anomaly("", f"{one.phenomenon} Indeed.", one.reasoning) for one in anomalies] for anomalies in SAID]
    for name, pictures in (("a", SAID), ("b", other), ("truth", TRUTH)):
        (tmp_path / f"{name}.json").write_text(json.dumps(_records(pictures)))
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    score_files(files, tmp_path / "truth.json", encoder="minilm", bootstrap=0, cache=cache)
    true = {text for anomalies in TRUTH for one in anomalies for text in (one.phenomenon, one.reasoning)}
    assert all(encoded_texts.count(text) == 1 for text in true)
    assert place.exists() is cache
