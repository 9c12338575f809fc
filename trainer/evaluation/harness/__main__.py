"""Prints where the files for a harness are: `python -m trainer.evaluation.harness lmms-eval`, or one of the others in `PLACES`."""

import sys
from pathlib import Path

PLACES = {
    "lmms-eval": "lmms_eval_tasks",
    "inspect": "inspect_tasks.py",
    "vlmevalkit": "vlmeval_tasks.py",
    "hub-job": "hub_job.py",
}

if __name__ == "__main__":
    place = PLACES.get(" ".join(sys.argv[1:]))
    if place is None:
        sys.exit(f"python -m trainer.evaluation.harness: name one of {', '.join(PLACES)}")
    print(Path(__file__).resolve().parent / place)
