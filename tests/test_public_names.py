"""The public names are the ones meant, and importing a package stays cheap."""

import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A package's names, as users meet them; a change here is a change of the interface.
PUBLIC: dict[str, set[str]] = {
    "dataset_builder": {
        "PROMPTS", "AnomReason", "AnomReasonError", "Anomaly", "Candidate", "Dropped", "Example", "InputError", "OutputError",
        "Parsed", "PictureError",
        "Prediction", "PredictionWriter", "RecordError", "UnavailableError", "chat", "parse_answer",
        "read_annotations", "read_captions",
        "read_deepfake_list", "read_predictions", "read_split", "write_annotations", "write_answer",
        "write_official_text",
    },
    "dataset_builder.severity": {"BANDS", "colour", "find", "format_official", "intensity", "parse", "word"},
    "dataset_builder.atomic": {"beside", "cannot", "write", "write_parts"},
    "dataset_builder.prompts": {
        "ANOMALY_QUESTIONS", "CAPTION_PROMPT", "CREDIBILITY_QUESTIONS", "OFFICIAL_FORMAT", "PROMPTS", "TASKS", "Asked", "Task",
        "chat", "draw",
    },
    "dataset_builder.scenes": {
        "FAMILIES", "HELD_OUT", "SCENES_VERSION", "TRAINED", "Family", "Picture", "SceneAnomaly", "SceneRow", "clean",
        "family_of", "odd", "pair", "read_scenes", "write_scenes",
    },
    "agent": {"Annotation", "AnomAgent"},
    "metric_semap": {
        "BertScoreSimilarity", "SemAP", "SemapError", "SentenceSimilarity", "greedy_match", "optimal_match", "score_matrices",
    },
    "trainer.loading": {
        "processor_of", "read_config",
        "TINY", "base_of", "first_line", "is_tiny", "load", "load_processor", "load_split", "resolve", "tiny_edition",
        "unreachable",
    },
    "trainer.predict": {"Asked", "Progress", "Unanswered", "predict", "predict_dataset"},
    "trainer.sft": {"CONFIGS", "LORA_MODULES", "ScriptArguments", "Trainer", "build", "main", "parse", "prepare", "train"},
}  # fmt: skip

# Modules whose every public function and class must be documented.
CONTRACT = [
    "atomic", "command_line", "errors", "fields", "official", "owned", "predictions", "prompts", "schema", "severity", "templates",
    "files.hashing", "files.records", "files.strict_json",
    "textform.candidates", "textform.denials", "textform.labelled_lines", "textform.loose_json", "textform.markup",
    "textform.names", "textform.parsing", "textform.records", "textform.unwrapping", "textform.values", "textform.writing",
]  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_the_ones_meant(name: str) -> None:
    """`__all__` lists exactly the names meant, sorted as ruff sorts them, and each is there."""
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    assert all(hasattr(module, public) for public in module.__all__)


@pytest.mark.parametrize("name", CONTRACT)
def test_public_names_are_documented(name: str) -> None:
    """Every function and class in a module's `__all__` says what it does."""
    module = importlib.import_module(f"dataset_builder.{name}")
    assert module.__doc__
    defined = [getattr(module, public) for public in module.__all__]
    assert all(item.__doc__ for item in defined if getattr(item, "__module__", None) == module.__name__)


def test_the_reference_lists_them_all() -> None:
    """docs/api.md has the modules whose names are promised, and no others."""
    shown = re.findall(r"^\.\. automodule:: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(PUBLIC)


def test_the_version_is_the_distribution_s() -> None:
    """`anomreason.__version__` is what pip says; no module repeats it, and other names are still missing."""
    import anomreason

    assert anomreason.__version__ == version("anomreason")
    assert not hasattr(anomreason, "__author__")


def test_importing_dataset_builder_loads_nothing_heavy() -> None:
    """The data contract can be used where neither torch nor datasets should be loaded."""
    heavy = {"torch", "datasets", "transformers", "numpy", "PIL", "huggingface_hub"}
    code = f"import dataset_builder, sys; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
