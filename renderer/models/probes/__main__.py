"""`python -m renderer.models.probes DEVICE`: the probes in a process of their own, which may crash; gives JSON."""

import json
import sys

from renderer.json_values import to_json
from renderer.models.probes.cases import speed, trials
from renderer.models.probes.verdict import Verdict

if __name__ == "__main__":
    device = sys.argv[1]
    verdict = Verdict(trials=tuple(trials(device)), speed=speed(device))
    print(json.dumps(to_json(verdict)))  # noqa: T201 - what the parent reads
