"""Into a Ray cluster that runs already, and without Ray's own habits; none is ever started here."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket

from renderer.errors import ResourceError, UsageError

AUTO = "auto"
ANSWER_SECONDS = 5.0


def require_ray() -> None:
    """Raises: UsageError where Ray isn't installed."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            "rendering on a cluster needs `ray`", help="pip install 'renderer[ray]', there and on every node"
        )


def connect(address: str) -> None:
    """Join a cluster; `auto` is the one that `RAY_ADDRESS` names, else the one that runs on this machine.

    Raises: UsageError without Ray, ResourceError where no cluster answers.
    """
    require_ray()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray  # noqa: PLC0415 - an extra, and imported only in processes that speak to it

    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS") or AUTO
    try:
        if address != AUTO:
            # Ray itself would try for minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        # Logs stay on their nodes: what a worker says at its end comes with the news of it.
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise ResourceError(
            f"no Ray cluster answers at `{address}`",
            why=(str(error).strip().splitlines() or ["no word"])[0],
            help="start one with `ray start --head`, join it from here with `ray start --address=…`",
        ) from error
