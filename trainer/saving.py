"""What a training leaves: the adapter as others should find it, here and, if asked for, on the Hub."""

import os
import sys
from pathlib import Path
from typing import Any

from dataset_builder import owned
from dataset_builder.errors import AnomReasonError, InputError
from dataset_builder.publishing.hub import check_repo_id, is_repo_id
from trainer.adapter_card import training_record, write_card
from trainer.checkpoints import name_base
from trainer.examples import DataArguments
from trainer.known import Known
from trainer.publish import publish_adapter

__all__ = ["check_push", "save_adapter", "take_push"]


def take_push(script: DataArguments, training: Any, base: str) -> bool:
    """Whether the adapter is to be pushed; TRL, which would push checkpoints and pickles, is told that it is not.

    Raises:
        InputError: if that could only fail when training is over.
    """
    check_push(script, training, base)
    push, training.push_to_hub = training.push_to_hub, False
    return bool(push)


def check_push(script: DataArguments, training: Any, base: str) -> None:
    """Raise an `InputError` if a push that is asked for could only fail when training is over."""
    if training.hub_token:
        raise InputError("hub_token: a token in a recipe or command line is seen by others; set HF_TOKEN instead")
    if training.push_to_hub:
        check_repo_id(str(training.hub_model_id or ""), "hub_model_id:")
        if script.base_id is not None:
            check_repo_id(script.base_id, "base_id:")
        elif not is_repo_id(base) or Path(base).is_dir():
            raise InputError(
                f"push_to_hub: true, but {base} is only on this machine, so nobody could load the adapter; "
                "give the base's Hub id as base_id, or train first and then `anomreason publish --with-base`"
            )
        if not os.environ.get("HF_TOKEN"):
            raise InputError("push_to_hub: true, but HF_TOKEN is not set; put a token with write access there")


def save_adapter(
    trainer: Any, script: DataArguments, processor: Any, base: str, push: bool, known: Known | None = None
) -> Path:
    """Save the adapter: no pickles, no path of this machine, a card of ours; then publish it, if it is to be pushed.

    Args:
        known (`Known`, *optional*): which pictures it knows.

    Returns:
        Its directory, `trainer.args.output_dir`; processes other than the first only return it.
    """
    out = Path(str(trainer.args.output_dir))
    if not trainer.is_world_process_zero():
        trainer.save_model(str(out))  # by all processes: shards are gathered, and the first writes them
        return out
    with owned.added(out, "train", overwrite=script.overwrite) as work:
        trainer.save_model(str(work))
        processor.save_pretrained(str(work))
        (work / "training_args.bin").unlink(missing_ok=True)
        name_base(work, base)
        if known is not None:
            known.write(work)
        write_card(work, training_record(trainer, script, base))
    if push:
        args = trainer.args
        try:
            (published,) = publish_adapter(
                out, args.hub_model_id, base_id=script.base_id, private=bool(args.hub_private_repo)
            )
        except AnomReasonError as error:
            raise type(error)(
                f"{error}. The adapter is in {out}: `anomreason publish {out} --repo-id {args.hub_model_id}` uploads it"
            ) from None
        print(published.url, file=sys.stderr)
    return out
