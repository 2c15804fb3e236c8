# SPDX-License-Identifier: MIT
"""Shows what a board knows, after a restart for example, without teaching it anything.

    mpremote connect PORT run device/tasks/show_task.py

Reads the same task.json as train_task.py, opens the task, and predicts the first samples of its test
file. The last line printed is `REPORT ` and a JSON object: {"classes", "samples", "predictions":
[[label, exit], ...], "fitted", "threshold", "notes"}.
"""

import json
import sys

from microt.settings import first
from microt.sources import npy

import microt

CONFIGS = ("task.json", "/rom/task.json")
PREDICTIONS = 40


def main():
    # scripts have arguments on the unix build alone
    _, config = first(getattr(sys, "argv", ())[1:2] or CONFIGS)
    net = microt.Backbone(config["backbone"])
    task = microt.Task(net, config["task"])
    print("%s: %d samples of %d classes" % (config["task"], len(task), len(task.classes)))
    for label, count in task.counts.items():
        print("  %-20s %d" % (label, count))
    if task.threshold is None:
        print("not calibrated: the last exit answers always")
    else:
        print("exit 0 answers from exit score %.3f on (exit ratio %.2f)" % (task.threshold, task.exit_ratio))
    predictions = []
    samples = npy.open(config["test"]["x"])
    if len(task.classes) > 1:
        for i in range(min(PREDICTIONS, len(samples))):
            result = task.predict(samples[i])
            predictions.append([result.label, result.exit])
            print("sample %d: %s (%.3f, exit %d)" % (i, result.label, result.confidence, result.exit))
    print(
        "REPORT "
        + json.dumps(
            {
                "classes": task.classes,
                "samples": len(task),
                "predictions": predictions,
                "fitted": task.fitted,
                "threshold": task.threshold,
                "notes": task.notes,
            }
        )
    )


main()
