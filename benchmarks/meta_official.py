"""Do the calibrated thresholds keep their chance rates on real annotations? On the six pictures that the authors published.

    ANOMREASON_OFFICIAL_SAMPLE=DIR python benchmarks/meta_official.py [--encoder minilm]

DIR has `gt.json` and `pred.json`. Each answer is compared with all anomalies of a picture and counts by the one that is most like
it, in the view Full. Prints a table in Markdown: the share of answers that reach each threshold, and the area under the curve that
tells answers about their own picture from the same answers dealt to the other pictures.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.meta_evaluation import table
from metric_semap.calibration import CHANCE_RATES, needed_calibration
from metric_semap.records import read_records
from metric_semap.sentence import calibrated_views
from metric_semap.similarity import BertScoreSimilarity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm")
    encoder = parser.parse_args().encoder
    folder = Path(os.environ["ANOMREASON_OFFICIAL_SAMPLE"])
    truth, said = (
        read_records(folder / f"{name}.json", role) for name, role in (("gt", "reference"), ("pred", "prediction"))
    )
    references = [picture.anomalies for picture in truth.values()]
    answers = {"the truth": references, "the model": [said[name].anomalies for name in truth]}
    similarity = BertScoreSimilarity(encoder)
    thresholds = needed_calibration(similarity.files).thresholds["Full"]
    shares = {}
    for name, given in answers.items():
        best: dict[bool, list[float]] = {True: [], False: []}
        everything = [(p, r) for p in range(len(given)) for r in range(len(references))]
        for (p, r), m in similarity.compare(given, references, [everything]):
            best[p == r] += calibrated_views(m["phe_c"], m["rea_c"])["Full"].max(axis=1).tolist()
        own, other = np.array(best[True]), np.array(best[False])
        for whose, reached in (("own picture", own), ("another picture", other)):
            shares[f"{name}, {whose}"] = {
                f"≥ {t:g} (chance {rate:.1%})": float((reached >= t).mean())
                for t, rate in zip(thresholds, CHANCE_RATES, strict=True)
            } | {"answers compared": float(len(reached))}
        above = (own[:, None] > other[None, :]).mean() + (own[:, None] == other[None, :]).mean() / 2
        shares[f"{name}, own picture"]["AUC"] = float(above)
    print(table({"six official pictures": shares}, "answers reaching"))


if __name__ == "__main__":
    main()
