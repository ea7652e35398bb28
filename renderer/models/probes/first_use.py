"""A device's probes before it is first rendered on: on Metal, whose tables hang on them, once by itself. No torch."""

from __future__ import annotations

import platform
from dataclasses import replace

from renderer.errors import ResourceError
from renderer.models import apple
from renderer.models import device as devices
from renderer.models.probes import verdict as verdicts
from renderer.models.probes.rules import DeviceRules, lm_on_mlx, rules_of
from renderer.models.probes.table import MLX_PROBES, PROBES


def mlx_rules(dtype: str) -> DeviceRules:
    """How the LM runs on MLX, by what its device's probes gave; on Metal they run now if they never did.

    Raises: UsageError for an unknown dtype, ResourceError where it gives wrong results there.
    """
    known = verdicts.remembered(devices.MLX)
    if known is not None or platform.system() != "Darwin":
        return lm_on_mlx(known, dtype)
    try:
        found = verdicts.run(devices.MLX)
    except ResourceError as error:
        told = f"{error.message} ({error.why}): `renderer doctor --probe --device mlx` tries again"
        return replace(lm_on_mlx(None, dtype), remarks=(told,))
    rules = lm_on_mlx(found, dtype)
    right = len(MLX_PROBES) - len(found.failed(MLX_PROBES))
    told = f"`mlx` was tried with this version, once: {right} of {len(MLX_PROBES)} operations are right"
    return replace(rules, remarks=(told, *rules.remarks))


def device_rules(device: str, dtype: str) -> DeviceRules:
    """How parts run on a picked device, by what its probes gave; on Metal they run now if they never did.

    Raises: UsageError for an unknown dtype, ResourceError for a torch or a dtype that is wrong there.
    """
    dtypes = devices.dtypes(device, dtype)
    if device == "mps" and (bad := apple.bad_torch(dtypes.lm)):
        raise ResourceError(
            f"torch {apple.torch_version()} gives wrong results on `mps`",
            why=bad.why,
            help="pip install 'torch>=2.14', or give --device cpu or --dtype float32",
        )
    if device == "cpu":
        return rules_of(None, device, dtype)
    known = verdicts.remembered(device)
    if known is not None or device != "mps":
        return rules_of(known, device, dtype)
    try:
        found = verdicts.run(device)
    except ResourceError as error:
        told = f"{error.message} ({error.why}): VAE tiles stay short; `renderer doctor --probe` tries again"
        return replace(rules_of(None, device, dtype), remarks=(told,))
    right = len(PROBES) - len(found.wrong)
    rules = rules_of(found, device, dtype)
    told = f"`{device}` was tried with this torch, once: {right} of {len(PROBES)} operations are right"
    return replace(rules, remarks=(told, *rules.remarks))
