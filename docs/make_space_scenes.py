"""Makes the pictures in space/examples: `python docs/make_space_scenes.py`.

For each family the first scene of one seed that has it, whatever a model says of it, and one scene with nothing wrong. A scene
with two anomalies counts for the first. Beside them example.json, shown before there is a picture: what the tiny model says of the
first of them of which it says the right thing in the right places. It is made again whenever the scenes or the weights change
(`tests/space/test_site.py` holds that it is of the shipped scene).
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dataset_builder.boxes import iou  # noqa: E402
from dataset_builder.scenes import SceneAnomaly, family_of, pair  # noqa: E402
from dataset_builder.schema import Anomaly  # noqa: E402
from space.local import open_local  # noqa: E402
from space.sharing import card_of  # noqa: E402
from space.uploads import read_picture  # noqa: E402

SEED = 2510
PLACE = 0.5  # intersection over union from which a box is in the right place
FAMILIES = ("floating", "extra_arm", "mirror", "clock", "giant")


def main() -> None:
    wanted, index = {"clean", *FAMILIES}, 0
    out = ROOT / "space" / "examples"
    out.mkdir(exist_ok=True)
    model, _ = open_local("tiny", None, boxes=True)
    examples = []
    while wanted:
        for picture in pair(SEED, index):
            name = picture.row.anomalies[0].family if picture.row.anomalies else "clean"
            if name in wanted:
                wanted.remove(name)
                (out / f"{name}.png").write_bytes(picture.png())
                upload = read_picture(picture.png(), f"{name}.png")
                *_, found = model.examine(upload)
                if picture.row.anomalies and _right(found.anomalies, picture.row.anomalies):
                    examples.append(card_of(found, upload, model.name))
        index += 1
    (out / "example.json").write_text(examples[0].model_dump_json(indent=1) + "\n", encoding="utf-8")


def _right(found: list[Anomaly], truth: list[SceneAnomaly]) -> bool:
    """Whether the same anomalies are told of the same objects in the same places."""
    return len(found) == len(truth) and all(
        any(
            one.family == family_of(said.name) and one.object in said.phenomenon and iou(said.bbox, one.bbox) >= PLACE
            for one in truth
            if said.bbox is not None and one.bbox is not None
        )
        for said in found
    )


if __name__ == "__main__":
    main()
