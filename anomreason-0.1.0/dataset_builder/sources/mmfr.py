"""The MMFR-Dataset of FakeReasoning (arXiv:2503.21210): pictures with what a model says for and against their being real.

Read off https://github.com/PRIS-CV/FakeReasoning: what writes the files, `mmfr_generation/output_to_reasoning.py` and
`output_control.py` at commit 9b84b4dbe2b67357140100f8edba9f25ff3e92b1; what reads them, `LLaVA/forgery_eval/eval.py` at commit
44248aa681abbad85ca5eff96379c36a781cddd6; and the folders, `README.md` at commit 85e5e565464780c9383a6e8ce1f6f689eee72950.

    {diffusiondb,laion,evaluation_sets/GENERATOR}/NAME_reasoning.json
        {"gigagan/1_fake/0001.png": {"Semantic Irrationality": str or null, … five attributes}, …}

The five attributes are of a generated picture or of a real one, which is its label. Of a generated picture an attribute becomes
the name and its text the phenomenon; of a real one the texts, in the order in which the publishers' reader joins them, become the
caption. There is neither a severity nor a place, and the text does not part what is seen from why it is wrong, so reasoning,
severity and box are null. Most attributes are about style and noise, not about sense. Lost is `forgery_reasoning_cot.json`,
which says the same in sentences. Generators use the same file names: build one folder of `evaluation_sets` at a time.
"""

from typing import Any

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_object, as_text
from dataset_builder.files.tree import File, Tree, read_json
from dataset_builder.schema import Anomaly, Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.imported import Item, to_rows
from dataset_builder.sources.lists import read_whole
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import Row, Split

__all__ = ["is_mmfr", "read_mmfr"]

_FAKE = {
    "Inconsistent Lighting and Shadows",
    "Irregular Image Edges",
    "Anomalous Image Texture",
    "Low Image Quality",
    "Semantic Irrationality",
}
_REAL = {
    "Consistent Lighting and Shadows",
    "Smooth and Natural Image Edges",
    "Natural and Consistent Image Texture",
    "High Image Quality",
    "Semantic Rationality",
}
_END = "_reasoning.json"
_TRAINED = ("diffusiondb", "laion")


def is_mmfr(tree: Tree) -> bool:
    """Whether a source has a `NAME_reasoning.json` whose first picture has the attributes."""
    for file in _annotation_files(tree):
        try:
            first = next(iter(read_json(file).values()))
            return bool(first) and first.keys() <= _FAKE | _REAL
        except (InputError, AttributeError, StopIteration):
            return False
    return False


def read_mmfr(tree: Tree) -> tuple[list[Row], list[Finding]]:
    """The rows of the whole dataset, or of one folder of it."""
    findings: list[Finding] = []
    pictures = picture_files(tree, findings)
    items = [item for file in _annotation_files(tree) for item in _items(file, findings)]
    return to_rows(items, pictures, None, "MMFR's annotations", findings), findings


def _annotation_files(tree: Tree) -> list[File]:
    return [file for file in tree.files if file.name.endswith(_END)]


def _items(file: File, findings: list[Finding]) -> list[Item]:
    source = file.name.removesuffix(_END)
    split: Split | None = None
    if "evaluation_sets" in file.path.split("/"):
        split = "test"
    elif source in _TRAINED:
        split = "train"
    content = read_whole(file, findings, lambda value, place: as_object(value, place, "an object of pictures"))
    items = []
    for image, said in (content or {}).items():
        place = Place(file.path, image)
        try:
            texts = _texts(said, place)
            label: Label = "fake" if said.keys() <= _FAKE else "real"
            anomalies = [Anomaly(name=name, phenomenon=text) for name, text in texts.items()]
            items.append(
                Item(
                    image,
                    place,
                    label=label,
                    anomalies=anomalies if label == "fake" else None,
                    split=split,
                    generator=source if label == "fake" and source not in _TRAINED else None,
                    caption=" ".join(texts.values()) or None if label == "real" else None,
                )
            )
        except InputError as error:
            findings.append(Finding.of(error, image.rsplit("/", 1)[-1]))
    return items


def _texts(said: Any, place: Place) -> dict[str, str]:
    """The attributes that are not null, in alphabetical order, all of a generated picture or all of a real one."""
    attributes = as_object(said, place, "an object of attributes")
    if not attributes or not (attributes.keys() <= _FAKE or attributes.keys() <= _REAL):
        raise place.error(
            "are not the attributes of a generated picture or of a real one; correct them", value=sorted(attributes)
        )
    told = {name: attributes[name] for name in sorted(attributes) if attributes[name] is not None}
    return {name: as_text(text, place, name, empty=False).strip() for name, text in told.items()}
