# SPDX-License-Identifier: MIT
"""How good and how dear learning on the device is: build/bench/learning.json and the tables of docs/learning.md.

    python -m microt.learning.bench --data ../shared/data [--episodes 2] [-o build/bench]

Every part is a module that runs on its own as well. Accuracies come from the device's own code on the unix build, costs
from the emulated board's instruction clock. The embeddings are the host engine's, the same bits as the board's. Fields
of learning.json:

    microt.learning.cost
      fit_instructions, fit_heap_bytes   logistic regression on 10 x 20 embeddings of 128 and of 256 values, both heads
      lda_fit_instructions               fit and calibrate of both default heads with the shipped backbone, 10 x 20
      lda_fit_heap_bytes                 the most heap while doing so, both heads' own included
      learn_instructions                 one sample of a fitted task, journal write included, backbone left out
      learn_full_instructions            [one that is kept, one that is not] of 40 more for a class that holds 20, means
      predict_overhead                   a prediction at the last exit over the backbone's own run to it, less 1
      training_energy_factor             instructions of running the backbone again every epoch, over those of the fit
      heads                              {head: {fit_instructions, calibrate_instructions, fit_heap_bytes, kept_bytes}}
    microt.learning.accuracy
      accuracy                           {head: {shots: [exit 0, exit 1]}}, mean over sets and episodes
      accuracy_pictures                  the same of the sets of pictures alone
      accuracy_by_set                    {set: [exit 0, exit 1]} of the default head at 20 shots
      reference, accuracy_gap            [exit 0, exit 1]: float64 discriminants with the full prior on four sets of
                                         colour pictures, 20 shots, and how much better they are than the default head
      fit_accuracy_gap                   scikit-learn's accuracy less the device's (logistic regression, 20 shots): the
                                         worst of those in fit_accuracy_gaps
      fit_accuracy_gaps                  {feature: mean over the sets of pictures}: both exits' as heads see them, and
                                         embeddings of 128 and 256 values without a transform
    microt.learning.exits
      ratio_got, ratio_error             {ratio asked: mean of the ratios got, |that - asked|}, episodes of 20 shots,
                                         test splits, tracking as the field application does
      ratio_got_fixed, ...               the same without tracking
      ratio_got_like_taught, ...         of samples of the train split, without tracking
      ..._per_class                      without tracking, with thresholds per class
      ratio_got_by_set, ..._fixed        {set: [ratio got for each asked]}
      staged_accuracy, ...               by ratio asked
      tracker_error                      |ratio held - asked| after 500 samples, the worst of shifted streams
      exit_scores                        {score: [AUROC of "exit 0 is right", staged accuracy at half]}
    microt.learning.rejection
      reject_auroc                       {exit: mean over the sets}, half of the classes taught
      reject_auroc_by_set, ..._pictures  {set: [exit 0, exit 1]}; [exit 0, exit 1] of the pictures alone
      reject_scores                      {score that was compared: [exit 0, exit 1]}, pictures
    microt.learning.keeping
      keeping                            {policy: {samples kept of a class: [exit 0, exit 1]}}
    microt.learning.power
      power_cuts_tried, power_cuts_lost  cuts at every pair of writes, and emulators killed
    microt.learning.endurance
      rounds, leaked_bytes, journal_bytes
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from microt.learning import accuracy, cost, endurance, exits, keeping, power, rejection
from microt.learning.episodes import ROOT, shared_folder

TABLES = (accuracy, cost, exits, rejection, keeping)


def bench(
    folder: str | Path,
    output: str | Path,
    *,
    episodes: int = 2,
    rounds: int = 10_000,
    log: Callable[[str], object] = print,
) -> dict:
    """Measures everything and writes learning.json and learning.md to `output`; returns the figures."""
    result = cost.measure(folder, log)
    for part in (accuracy, exits, rejection, keeping):
        result.update(part.measure(folder, log, episodes))
    tried, lost = (a + b for a, b in zip(power.cuts(log=log), power.kills(log=log), strict=True))
    result.update({"power_cuts_tried": tried, "power_cuts_lost": lost, **endurance.rounds(rounds, log=log)})
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "learning.json").write_text(json.dumps(result, indent=1) + "\n")
    (output / "learning.md").write_text(tables(result))
    return result


def tables(result: dict) -> str:
    """All tables in Markdown."""
    return "\n\n".join(part.table(result) for part in TABLES) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(shared_folder()))
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("-o", "--output", default=str(ROOT / "build" / "bench"))
    a = parser.parse_args()
    result = bench(a.data, a.output, episodes=a.episodes, rounds=a.rounds)
    print(json.dumps(result, indent=1))
    print(tables(result))


if __name__ == "__main__":
    main()
