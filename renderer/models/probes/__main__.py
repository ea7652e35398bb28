"""`python -m renderer.models.probes DEVICE`: the probes in a process of their own, which may crash; gives JSON."""

import json
import sys

from renderer.json_values import to_json
from renderer.models.device import MLX, exact_mlx
from renderer.models.probes.verdict import Speed, Verdict


def _verdict(device: str) -> Verdict:
    # Each library in a process of its own: MLX and Metal by torch in one have crashed.
    if device == MLX:
        exact_mlx()  # as the LM will
        from renderer.models.probes import mlx_cases  # noqa: PLC0415

        return Verdict(trials=tuple(mlx_cases.trials()), speed=Speed(float32=0.0, bfloat16=0.0))
    from renderer.models.probes import cases  # noqa: PLC0415

    return Verdict(trials=tuple(cases.trials(device)), speed=cases.speed(device))


if __name__ == "__main__":
    verdict = _verdict(sys.argv[1])
    print(json.dumps(to_json(verdict)))  # noqa: T201 - what the parent reads
