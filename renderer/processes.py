"""Python processes of ours, started so that they import nothing from the folder a user happens to be in.

A song project is data. `python -m` and `python -c` look for modules in the folder they are started in first: a
`torch.py` beside the specs would be run in the library's place, and an innocent `queue.py` fail every take. So would
numba run what a `.numba_config.yaml` there names as its cache, the loader a library in an empty entry of
`LD_LIBRARY_PATH`, and the system a program in an empty entry of `PATH`.

Imports nothing that the interpreter hasn't imported before: `renderer.__main__` makes its own path safe by this.
"""

# ruff: noqa: PTH100, PTH117, PTH120 - pathlib isn't imported yet

import os
import sys

_LISTS = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
"""Variables that hold folders to look for code in; an empty or relative entry means the folder one is in."""
_FOLDERS = ("PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "NUMBA_CACHE_DIR")
"""Variables that hold one such folder."""
SAFE_FOLDER = sys.prefix
"""Where processes of ours are started: what lies there is trusted already."""


def python(*arguments: str) -> list[str]:
    """The command of a process of ours; `inherited` and `SAFE_FOLDER` belong to it, and only absolute paths into it."""
    return [sys.executable, "-P", *arguments]


def inherited() -> dict[str, str]:
    """This process's variables for one of ours: modules are found there as here, but never nearby."""
    lists = {name: kept for name in _LISTS if (kept := absolute_entries(os.environ.get(name, "")))}
    left = {
        name: value
        for name, value in os.environ.items()
        if name not in _LISTS and not (name in _FOLDERS and not os.path.isabs(value))
    }
    return left | lists | {"PYTHONPATH": os.pathsep.join(module_folders()), "PYTHONSAFEPATH": "1"}


def module_folders() -> list[str]:
    """The folders this process imports from, in their order, without those that are here only because we are.

    The renderer's own comes last: whoever runs it from a folder that it isn't installed in finds it all the same.
    """
    nearby = _nearby()
    kept = [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) not in nearby]
    folders = [*kept, _parent(_parent(os.path.abspath(__file__)))]
    # An entry that holds the separator would be read as two, the second of them relative.
    return [folder for folder in dict.fromkeys(folders) if os.pathsep not in folder]


def absolute_entries(value: str) -> str:
    """A list of folders as variables hold it, without empty and relative ones."""
    return os.pathsep.join(entry for entry in value.split(os.pathsep) if os.path.isabs(entry))


def _nearby() -> set[str]:
    """The folder we are in, the script's, and those that `PYTHONPATH` names from here, as they really lie."""
    relative = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if not os.path.isabs(entry)]
    script = getattr(sys.modules["__main__"], "__file__", None)
    folders = [os.curdir, *relative, *([_parent(os.path.abspath(script))] if script else [])]
    return {os.path.realpath(folder) for folder in folders}


def _parent(path: str) -> str:
    return os.path.dirname(path)
