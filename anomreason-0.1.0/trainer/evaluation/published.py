"""Numbers that others published on AnomReason's test sets: reference data, never measured here.

Source: the AnomReason paper (ICLR 2026, arXiv 2510.10231) and, where a row says so, its follow-up SPARED (2026). These are all
the rows known to this project; a cell that is not known is left out.
"""

from typing import Any

__all__ = ["ANOMREASON", "DEEPFAKE", "INTERNVL3"]

PAPER, FOLLOW_UP = "AnomReason, ICLR 2026", "SPARED, 2026"

ANOMREASON: tuple[dict[str, Any], ...] = (
    {"name": "Qwen2.5-VL-72B", "SemAP_Full": 0.4568, "SemAP_Rea": 0.4353, "SemF1_Full": 0.4104, "SemF1_Rea": 0.3912},
    {"name": "GPT-4o", "SemAP_Full": 0.4727, "SemAP_Rea": 0.4562, "SemF1_Full": 0.5109, "SemF1_Rea": 0.4930},
    {"name": "AnomReasonor-7B", "SemAP_Full": 0.5162, "SemAP_Rea": 0.5130, "SemF1_Full": 0.5009, "SemF1_Rea": 0.4977},
)
"""The test set of 10,774 pictures, distilbert-base-uncased, thresholds 0.7, 0.8, 0.9; from the paper."""

DEEPFAKE: tuple[dict[str, Any], ...] = (
    {"name": "Qwen2.5-VL-72B", "accuracy": 0.7760, "CSemAP_Rea": 0.2337, "CSemF1_Rea": 0.2159, "source": PAPER},
    {"name": "GPT-4o", "accuracy": 0.8776, "CSemAP_Rea": 0.3487, "CSemF1_Rea": 0.3770, "source": PAPER},
    {"name": "AnomReasonor-7B", "accuracy": 0.8261, "CSemAP_Rea": 0.3574, "CSemF1_Rea": 0.3929, "source": PAPER},
    {"name": "SPARED-9B, zero-shot", "accuracy": 0.9218, "CSemAP_Full": 0.5207, "source": FOLLOW_UP},
    {"name": "GPT-4o", "CSemAP_Full": 0.3612, "source": FOLLOW_UP},
    {"name": "UniGenDet", "accuracy": 0.8859, "CSemAP_Full": 0.4234, "source": FOLLOW_UP},
    {"name": "AnomReasonor", "CSemAP_Full": 0.3613, "source": FOLLOW_UP},
)
"""AnomReason-Deepfake: accuracy of the verdict in 0..1, and explanations counted only where the verdict is right."""

INTERNVL3 = {"name": "InternVL3-8B", "Phe": 0.4552, "Rea": 0.3676}
"""From the paper's text: the phenomenon and the reasoning view of one score. Which score, SemAP or SemF1, our source does not
say."""
