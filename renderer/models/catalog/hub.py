"""Published repositories on this disk: in folders the user named, in the hub's cache, or fetched now. No torch."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from renderer.errors import ModelError, ResourceError
from renderer.models.catalog.hub_answers import check_address, hub_error
from renderer.models.family import family
from renderer.store.disk import RealDisk, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FAMILY = "ace_step"  # whose models the hub holds
ASK_SECONDS = 30.0  # that a hub may take for its first answer
SPARE_BYTES = 1_000_000_000  # what a fetch leaves free
# Weights, their sizes, vocabularies, templates and encoded silence; never code, never pickled weights.
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "silence_latent.pt")
MARKERS = ("config.json", "model_index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFolder:
    """A folder of a Hugging Face repository at a revision."""

    repo: str
    folder: str = ""
    """Inside the repository; empty is its root."""
    revision: str = "main"
    """A commit, so that a name means the same weights tomorrow."""
    called: str = ""
    """The folder's name inside upstream's `checkpoints`, where it is another than the repository's."""
    files: tuple[str, ...] = WANTED
    """Patterns of what is needed of it."""

    @property
    def local_name(self) -> str:
        """What upstream calls the folder inside its `checkpoints`."""
        return self.called or self.folder or self.repo.rpartition("/")[2]


def find(source: HubFolder, suffices: Callable[[Path], bool] | None = None) -> Path | None:
    """The folder on this disk, complete or as far as `suffices`; None when it isn't. Asks no network.

    Folders that the user named come first, then the hub's cache (`HF_HOME` respected).
    """
    suffices = suffices or is_complete
    for checkpoints in known_folders():
        if suffices(checkpoints / source.local_name):
            return (checkpoints / source.local_name).resolve()
    return _in_cache(source, suffices)


def _in_cache(source: HubFolder, suffices: Callable[[Path], bool]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - 0.2 s that a help text needn't pay

    prefix = f"{source.folder}/" if source.folder else ""
    for marker in MARKERS:
        found = try_to_load_from_cache(source.repo, prefix + marker, revision=source.revision)
        if isinstance(found, str) and suffices(Path(found).parent):
            return Path(found).parent
    return None


def is_complete(folder: Path) -> bool:
    """Whether a component's folder (or a pipeline's) holds every file that it is read from."""
    try:
        return all(one.path.is_file() for one in family(FAMILY).files_in(folder))
    except (ModelError, OSError):
        return False


def known_folders() -> tuple[Path, ...]:
    """Folders laid out like upstream's `checkpoints`, as the user named them."""
    try:
        found = json.loads(_folders_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(Path(folder) for folder in found if isinstance(folder, str)) if isinstance(found, list) else ()


def remember_folder(folder: Path) -> None:
    """Look for models in this folder, too, from now on."""
    folders = [folder.resolve(), *(known for known in known_folders() if known != folder.resolve())]
    content = json.dumps([str(known) for known in folders], indent=2) + "\n"
    write_whole(RealDisk(), _folders_path(), content.encode())


def fetch(sources: Sequence[HubFolder], announce: Callable[[int, Path], None]) -> list[Path]:
    """Bring every source to the hub's cache, resuming what was begun; their folders, in order.

    `announce` is told the bytes that are missing and the cache's folder before any of them is asked for.

    Raises: ResourceError when the disk is too small, ModelError when the hub can't be reached or refuses.
    """
    from huggingface_hub import constants  # noqa: PLC0415 - 0.2 s

    if constants.HF_HUB_OFFLINE:
        raise ModelError("nothing is fetched in offline mode", why="HF_HUB_OFFLINE is set", help="unset it")
    check_address(constants.ENDPOINT)
    wanted = _by_repository(sources)
    try:
        for repository in {} if all(_in_cache(source, is_complete) for source in sources) else wanted:
            _ask(*repository)
        missing = _missing_bytes(wanted)
        announce(missing, Path(constants.HF_HUB_CACHE))
        bars = None if missing else _unseen()
        fetched = {
            repository: Path(_download(*repository, patterns, tqdm_class=bars))
            for repository, patterns in wanted.items()
        }
    except OSError as error:
        raise ModelError("fetching broke off", why=str(error), help="fetch again: it resumes") from error
    return [_fetched(source, fetched[source.repo, source.revision]) for source in sources]


def _by_repository(sources: Iterable[HubFolder]) -> dict[tuple[str, str], list[str]]:
    """Repository and revision -> patterns of the files wanted of it, so that each is asked once."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for source in sources:
        prefix = f"{source.folder}/" if source.folder else ""
        wanted.setdefault((source.repo, source.revision), []).extend(prefix + pattern for pattern in source.files)
    return wanted


def _missing_bytes(wanted: Mapping[tuple[str, str], list[str]]) -> int:
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415 - with the rest of it

    missing: int = sum(
        file.file_size
        for repository, patterns in wanted.items()
        for file in _download(*repository, patterns, dry_run=True, tqdm_class=_unseen())
        if file.will_download
    )
    cache = Path(HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if missing + SPARE_BYTES > free:
        raise ResourceError(
            f"{missing / 1e9:.1f} GB are to be fetched, {free / 1e9:.1f} GB are free",
            why=f"models are kept in `{cache}`",
            help="make room, or set HF_HOME to a larger disk",
        )
    return missing


def _unseen() -> Any:
    """A progress bar that nobody sees, for what takes a moment only."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]  # noqa: PLC0415 - 0.2 s

    class Unseen(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})  # type: ignore[no-untyped-call]  # their gap

    return Unseen


def _fetched(source: HubFolder, root: Path) -> Path:
    folder = root / source.folder
    if not is_complete(folder):
        raise ModelError(
            f"`{source.repo}` doesn't hold all of `{source.local_name}`",
            why=f"at revision {source.revision} its config or some of its weights are missing",
        )
    return folder


def _download(repo: str, revision: str, patterns: list[str], *, dry_run: bool = False, tqdm_class: Any = None) -> Any:
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415 - 0.2 s

    try:
        return snapshot_download(
            repo, revision=revision, allow_patterns=patterns, dry_run=dry_run, tqdm_class=tqdm_class
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the hub's
        raise hub_error(error, repo, revision, constants.ENDPOINT) from error


def _ask(repo: str, revision: str) -> None:
    """Ask for a repository once, without trying again and again.

    huggingface_hub itself would make do with what lies in its cache, however little that is.

    Raises: ModelError for any other answer than its description.
    """
    from huggingface_hub import HfApi, constants  # noqa: PLC0415 - 0.2 s

    try:
        HfApi().model_info(repo, revision=revision, timeout=ASK_SECONDS)
    except Exception as error:
        raise hub_error(error, repo, revision, constants.ENDPOINT) from error


def _folders_path() -> Path:
    return platformdirs.user_config_path("renderer") / "checkpoints.json"
