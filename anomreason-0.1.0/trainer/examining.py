"""What a model on this machine says of picture files."""

from collections.abc import Iterable
from pathlib import Path

from dataset_builder.pictures import check_shape, open_picture
from dataset_builder.predictions import Prediction

__all__ = ["examine_files"]


def examine_files(paths: list[Path], model: str | None, adapter: str | None) -> tuple[bool, Iterable[Prediction]]:
    """The predictions for picture files, one after the other, and whether the model is the tiny one, whose verdicts say nothing.

    Raises:
        PictureError: for a file that cannot be read, or that no model takes, before a model is loaded.
        UnavailableError: if the model or adapter is out of reach.
    """
    opened = [(str(path), open_picture(path)) for path in paths]
    for name, picture in opened:
        check_shape(picture.size, name)
    from trainer.loading import is_tiny, load
    from trainer.predict import predict

    loaded, processor = load(model, adapter)
    tiny = is_tiny(loaded)
    return tiny, predict(opened, loaded, processor, "anomalies" if tiny else "both")
