"""Every package that the program, its extras or its tests need is under a licence that fits an Apache-2.0 program."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
FITTING = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"),
        *("CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib"),
        *("MPL-2.0", "LGPL-2.1-or-later", "LGPL-2.1-only", "LGPL-3.0-or-later", "LGPL-3.0-only", "LLVM-exception"),
    }
)
"""By SPDX. MPL and LGPL ask for their own files' source only, and these packages are used as they come."""
OLDER_WORDS: Mapping[str, str] = {
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT Licence": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""What packages wrote before there were SPDX expressions."""
READ_BY_HAND: Mapping[str, str] = {
    "axe-playwright-python": "MIT",  # its LICENSE file; the metadata say nothing
}
OF_THE_GPU = ("nvidia-", "cuda-")
"""torch's wheels for CUDA bring its maker's own libraries, under its licence; nobody here needs or passes them on."""


def fits(licence: str) -> bool:
    """Whether an SPDX expression, or an older name, leaves one way that fits."""
    licence = OLDER_WORDS.get(licence, licence)
    if "(" in licence:
        # Rare, and no reason to parse: every part has to fit.
        return all(name in FITTING for name in re.findall(r"(?!AND|OR|WITH)[\w.+-]+", licence))
    return any(all(name in FITTING for name in re.split(r" AND | WITH ", way)) for way in licence.split(" OR "))


def licence_of(package: metadata.Distribution) -> str:
    told = package.metadata
    names = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier") or [] if c.startswith("License ::")]
    written = (told.get("License") or "").strip()
    short = written if "\n" not in written else ""
    by_hand = READ_BY_HAND.get(canonicalize_name(told["Name"]), "")
    return told.get("License-Expression") or by_hand or next(iter(names), "") or short


def needed(requirements: Iterable[str]) -> Iterator[metadata.Distribution]:
    """The packages installed for these requirements, and those they need in turn, each once."""
    seen: set[tuple[str, str]] = set()
    open_ = [(Requirement(text), "") for text in requirements]
    while open_:
        requirement, extra = open_.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for asked in ("", *requirement.extras):
            if (name, asked) in seen or name == PROJECT["name"]:
                continue
            seen.add((name, asked))
            package = metadata.distribution(name)
            open_ += [(Requirement(text), asked) for text in package.requires or ()]
            if not asked:
                yield package


def test_every_package_needed_is_under_a_licence_that_fits() -> None:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    found = {p.metadata["Name"]: licence_of(p) for p in needed([*PROJECT["dependencies"], *extras])}
    own = {name: licence for name, licence in found.items() if not name.lower().startswith(OF_THE_GPU)}

    assert {"numpy", "torch", "soundfile", "soxr"} <= {canonicalize_name(name) for name in own}
    assert {name: licence for name, licence in own.items() if not fits(licence)} == {}


@pytest.mark.parametrize(
    "licence",
    [
        *(
            "GPL-2.0-or-later",
            "GPLv3",
            "AGPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "CC-BY-NC-4.0",
            "SSPL-1.0",
            "",
            "UNKNOWN",
        ),
        *("GNU General Public License v2 or later (GPLv2+)", "LicenseRef-Proprietary", "(MIT OR ISC) AND GPL-2.0-only"),
    ],
)
def test_a_licence_that_asks_for_more_than_ours_gives_does_not_fit(licence: str) -> None:
    assert not fits(licence)


@pytest.mark.parametrize("licence", ["MIT", "GPL-2.0-only OR MIT", "Apache-2.0 WITH LLVM-exception AND BSD-2-Clause"])
def test_a_choice_with_one_fitting_way_fits(licence: str) -> None:
    assert fits(licence)
