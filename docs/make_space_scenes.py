"""Makes the pictures in space/examples: `python docs/make_space_scenes.py`.

For each family the first scene of one seed that has it, whatever a model says of it, and one scene with nothing wrong. A scene
with two anomalies counts for the first.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dataset_builder.scenes import pair  # noqa: E402

SEED = 2510
FAMILIES = ("floating", "extra_arm", "mirror", "clock", "giant")


def main() -> None:
    wanted, index = {"clean", *FAMILIES}, 0
    out = ROOT / "space" / "examples"
    out.mkdir(exist_ok=True)
    while wanted:
        scene, twin = pair(SEED, index)
        for picture in (scene, twin):
            name = picture.row.anomalies[0].family if picture.row.anomalies else "clean"
            if name in wanted:
                wanted.remove(name)
                (out / f"{name}.png").write_bytes(picture.png())
        index += 1


if __name__ == "__main__":
    main()
