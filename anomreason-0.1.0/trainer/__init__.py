"""Fine-tuning and prediction with vision-language models; the names are its modules.

`trainer.sft` fine-tunes adapters, `trainer.loading` loads models, `trainer.predict` predicts, `trainer.quickstart` runs the
whole loop; `trainer.tiny` is the shipped model and how it was trained. Importing the package loads none of them.
"""

__all__ = ["loading", "predict", "quickstart", "sft"]
