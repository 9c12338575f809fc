"""How long rendering takes, against encoding the same pictures alone: `python benchmarks/scenes.py`."""

import time

from dataset_builder.scenes import pair

PAIRS = 500


def main() -> None:
    started = time.process_time()
    pictures = [picture for index in range(PAIRS) for picture in pair(0, index)]
    rendered = time.process_time()
    size = sum(len(picture.png()) for picture in pictures)
    encoded = time.process_time()
    draw, encode = rendered - started, encoded - rendered
    print(
        f"{len(pictures)} pictures of 168 × 168 on one core: drawing {draw:.2f} s, PNG {encode:.2f} s, {size / 1e6:.1f} MB"
    )
    print(f"the whole takes {(draw + encode) / encode:.1f} times the PNG encoding alone")


if __name__ == "__main__":
    main()
