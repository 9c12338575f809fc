"""The benchmark inside other people's harnesses: tasks for lmms-eval, Inspect and VLMEvalKit, a script for `hf jobs uv run`.

`scoring` is what they share, and is all that knows the metric. Each harness lives in an environment of its own, beside this package
with its extra `metric`; `docs/evaluating.md` has the commands. `python -m trainer.evaluation.harness` prints the places.
"""
