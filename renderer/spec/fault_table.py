"""What each error of a spec means, for `check --explain`: a sentence, and a spec with and one without it.

Errors of one key's value have no row: their codes are the key's name and what is wrong (`bpm-range`), and the schema
tells the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.spec.album_schema import AlbumFile, AlbumSongTable
from renderer.spec.ranges import range_words
from renderer.spec.schema import (
    DefaultsFile,
    EditTable,
    InferenceTable,
    LoraTable,
    LyricsTable,
    MetasTable,
    OutputTable,
    PickTable,
    SongFile,
    VariantTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

    from renderer.spec.schema import Table

_HEAD = 'caption = "slow blues"\n'
_SOUND = f"{_HEAD}instrumental = true\n"
_SUNG = f'{_HEAD}lyrics = "[verse]\\nrain on the roof\\n[chorus]\\nhome again"\n'
_FIX = '[edits.fix]\ntask = "repaint"\nsrc_audio = "s0"\nseeds = [1]\nat = [[2, 5]]\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error's code and what it means. `bad` has it, `good` doesn't; empty where it takes more than a file."""

    code: str
    finds: str
    bad: str = ""
    good: str = ""


FAULTS: tuple[Fault, ...] = (
    Fault(code="unreadable", finds="a file that can't be opened: its rights, a folder of its name, a disk that fails"),
    Fault(code="other-kind", finds="a link to a file of another kind: none of it is read, so that none of it is shown"),
    Fault(code="file-too-large", finds="a file far larger than any spec or lyrics: 64 KiB is the limit"),
    Fault(code="encoding", finds="a file that isn't UTF-8; save it as UTF-8"),
    Fault(
        code="toml-syntax",
        finds="a line that is no TOML",
        bad=f"{_HEAD}instrumental = True\n",
        good=_SOUND,
    ),
    Fault(code="outputs-hold-specs", finds="an outputs folder with specs in it, which would be taken for takes"),
    Fault(code="name-length", finds="a name too long for the disk with all that is made of it, such as former takes"),
    Fault(code="too-many-takes", finds="more takes, seeds times variants, than a song may have"),
    Fault(code="pick-form", finds="what is no vote in `picks.toml`: votes are tables of texts, named as takes"),
    Fault(code="vote-choice", finds="a vote in `picks.toml` that is neither `keep` nor `reject`"),
    Fault(code="json-syntax", finds="a file of ACE-Step's that is no JSON; nothing is imported from it"),
    Fault(code="too-deep", finds="lists or tables nested deeper than any spec has them"),
    Fault(code="key-too-long", finds="a dotted key of more than 32 parts"),
    Fault(code="missing-key", finds="a key that a spec can't do without", bad="instrumental = true\n", good=_SOUND),
    Fault(
        code="unknown-key",
        finds="a key that no spec has, often a misspelt one; what is meant is said where something is near",
        bad=f"{_SOUND}[metas]\nbpn = 90\n",
        good=f"{_SOUND}[metas]\nbpm = 90\n",
    ),
    Fault(
        code="key-in-wrong-table",
        finds="a key of another table, or of none: TOML gives every key to the nearest `[table]` line above it",
        bad=f"{_SOUND}bpm = 90\n",
        good=f"{_SOUND}[metas]\nbpm = 90\n",
    ),
    Fault(
        code="unsupported-key",
        finds="a key of ACE-Step's that is not offered here, with the reason",
        bad=f"{_SOUND}use_adg = true\n",
        good=_SOUND,
    ),
    Fault(code="lyrics-missing", finds="a spec that doesn't say what is sung", bad=_HEAD, good=_SOUND),
    Fault(
        code="lyrics-twice",
        finds="two keys that both say what is sung",
        bad=f'{_SOUND}lyrics = "[verse]\\nthe rain"\n',
        good=f'{_HEAD}lyrics = "[verse]\\nthe rain"\n',
    ),
    Fault(
        code="lyrics-file-missing",
        finds="a lyrics file that isn't there",
        bad=f'{_HEAD}lyrics_file = "words.txt"\n',
        good=f'{_HEAD}lyrics = "[verse]\\nthe rain"\n',
    ),
    Fault(code="lyrics-file-empty", finds="a lyrics file without a word in it"),
    Fault(
        code="path-outside",
        finds="a path that leads out of the project, links included: a spec names only what is its own",
        bad=f'{_HEAD}lyrics_file = "../../words.txt"\n',
        good=f'{_HEAD}lyrics = "[verse]\\nthe rain"\n',
    ),
    Fault(
        code="seeds-duplicate",
        finds="a seed that is there twice; both would be the same take",
        bad=f"{_SOUND}seeds = [1, 2, 1]\n",
        good=f"{_SOUND}seeds = [1, 2]\n",
    ),
    Fault(
        code="variant-name",
        finds="a variant's name that can't be part of a file's name, or would look like a seed",
        bad=f"{_SOUND}[variants.s7]\nshift = 1.0\n",
        good=f"{_SOUND}[variants.wide]\nshift = 1.0\n",
    ),
    Fault(
        code="base-alone",
        finds="`base = false` in a song without variants, of which nothing would be rendered",
        bad=f"base = false\n{_SOUND}",
        good=f"base = false\n{_SOUND}[variants.wide]\nshift = 1.0\n",
    ),
    Fault(code="song-name", finds="a spec's file name that can't name a song: takes are named `song.variant.s7`"),
    Fault(code="name-taken", finds="two specs of one name, letter case aside; their takes would overwrite each other"),
    Fault(
        code="duration-limit",
        finds="a duration above what the model, or `max_duration`, allows",
        bad=f"{_SOUND}[metas]\nduration = 500\n",
        good=f"max_duration = 500\n{_SOUND}[metas]\nduration = 240\n",
    ),
    Fault(
        code="cfg-interval-order",
        finds="an interval of guidance that starts after its end",
        bad=f"{_SOUND}[inference]\ncfg_interval_start = 0.8\ncfg_interval_end = 0.2\n",
        good='model = "sft"\n' + f"{_SOUND}[inference]\ncfg_interval_start = 0.2\ncfg_interval_end = 0.8\n",
    ),
    Fault(
        code="retake-seed-missing",
        finds="a retake without the seed to turn towards; a random one could not be rendered again",
        bad=f"{_SOUND}[inference]\nretake_variance = 0.3\n",
        good=f"{_SOUND}[inference]\nretake_variance = 0.3\nretake_seed = 5\n",
    ),
    Fault(
        code="lora-missing",
        finds="an adapter's folder that isn't there",
        bad=f'{_SOUND}[[lora]]\npath = "nowhere"\n',
        good=_SOUND,
    ),
    Fault(
        code="allow-choice",
        finds="a code in `allow` that is no warning's or note's",
        bad=f'allow = ["unusual-bmp"]\n{_SOUND}',
        good=f'allow = ["unusual-bpm"]\n{_SOUND}',
    ),
    Fault(
        code="model-unknown",
        finds="a model that is neither a known name nor a folder",
        bad=f'model = "trubo"\n{_SOUND}',
        good=f'model = "turbo"\n{_SOUND}',
    ),
    Fault(
        code="lm-unknown",
        finds="an LM that is neither a known name nor a folder",
        bad=f'lm = "1.8B"\n{_SOUND}',
        good=f'lm = "1.7B"\n{_SOUND}',
    ),
    Fault(
        code="vae-unknown",
        finds="a VAE that is neither a known name nor a folder",
        bad=f'vae = "scragvea"\n{_SOUND}',
        good=f'vae = "scragvae"\n{_SOUND}',
    ),
    Fault(
        code="based-on-unknown",
        finds="a `based_on` that is no known model",
        bad=f'model = "./mix.safetensors"\nbased_on = "sfft"\n{_SOUND}',
        good=f'model = "./mix.safetensors"\nbased_on = "sft"\n{_SOUND}',
    ),
    Fault(
        code="based-on-unused",
        finds="a `based_on` beside a model that is no DiT in one file, which is all that it completes",
        bad=f'model = "turbo"\nbased_on = "sft"\n{_SOUND}',
        good=f'model = "turbo"\n{_SOUND}',
    ),
    Fault(
        code="vae-unfit",
        finds="a VAE that can't decode what the model makes",
        bad=f'model = "mini"\nvae = "scragvae"\n{_SOUND}',
        good=f'model = "turbo"\nvae = "scragvae"\n{_SOUND}',
    ),
    Fault(
        code="codes-missing",
        finds="a file of pinned codes that isn't there",
        bad=f'codes = "song.codes"\n{_SOUND}',
        good=_SOUND,
    ),
    Fault(code="codes-file", finds="a file of pinned codes that can't be read; take it from git again, or pin again"),
    Fault(code="codes-duration", finds="a duration other than the pinned codes last"),
    Fault(code="codes-unused", finds="pinned codes that nothing follows, since `thinking` is off"),
    Fault(
        code="pick-finish",
        finds="more takes to finish than there are plans to pick them from",
        bad=f"{_SOUND}[pick]\nplans = 4\nfinish = 5\n",
        good=f"{_SOUND}[pick]\nplans = 5\nfinish = 4\n",
    ),
    Fault(
        code="pick-without-plans",
        finds="`[pick]` where the LM writes no plans: `thinking` is off, or codes are pinned",
        bad=f"{_SOUND}[pick]\nplans = 5\n[inference]\nthinking = false\n",
        good=f"{_SOUND}[pick]\nplans = 5\n",
    ),
    Fault(code="codes-model", finds="pinned codes that were written for another model"),
    Fault(
        code="edit-incomplete",
        finds="an edit without its task, its source, its window or its track",
        bad=f'{_SOUND}[edits.fix]\ntask = "repaint"\nsrc_audio = "s0"\n',
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-key",
        finds="a key that an edit can't have: the LM never runs for one, and it is as long as its source",
        bad=f"{_SOUND}{_FIX}thinking = true\n",
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-name-taken",
        finds="an edit named like a variant, letter case aside; their takes would overwrite each other",
        bad=f"{_SOUND}[variants.fix]\nshift = 1.0\n{_FIX}",
        good=f"{_SOUND}[variants.wide]\nshift = 1.0\n{_FIX}",
    ),
    Fault(
        code="edit-source",
        finds="a `src_audio` that is neither a take nor an audio file",
        bad=f"{_SOUND}{_FIX}".replace("s0", "fix"),
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-source-missing",
        finds="an edit of a take that no spec asks for",
        bad=f"{_SOUND}{_FIX}".replace("s0", "s9"),
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-source-rejected",
        finds="an edit of a take that was rejected in the `picks.toml` beside its spec; of a vote on one version, "
        "`plan` and `render` tell",
    ),
    Fault(
        code="edit-ring",
        finds="an edit that is made from itself, by way of others or at once",
        bad=f"{_SOUND}{_FIX}".replace("s0", "fix.s1"),
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-section",
        finds="a window by a section that its source hasn't, or whose place in the sound nothing tells",
        bad=f"{_SUNG}{_FIX}".replace("[[2, 5]]", '["bridge"]'),
        good=f"{_SUNG}{_FIX}".replace("[[2, 5]]", '["chorus"]'),
    ),
    Fault(
        code="edit-window-empty",
        finds="a window that ends where it starts, or before",
        bad=f"{_SOUND}{_FIX}".replace("[2, 5]", "[5, 2]"),
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-window-twice",
        finds="two ways to say what is made anew",
        bad=f"{_SOUND}{_FIX}repainting_start = 2\n",
        good=f"{_SOUND}{_FIX}",
    ),
    Fault(
        code="edit-model",
        finds="a task that base checkpoints alone were trained for, with another",
        bad=f'{_SOUND}[edits.more]\ntask = "lego"\ntrack = "drums"\nsrc_audio = "s0"\n',
        good=f'{_SOUND}[edits.more]\ntask = "lego"\ntrack = "drums"\nsrc_audio = "s0"\nmodel = "base"\n',
    ),
    Fault(code="album-song", finds="a song in `album.toml` that no spec of the project bears the name of"),
    Fault(
        code="album-take",
        finds="a name in `album.toml` that is no whole take of a song: a preview, a stem, a variant that isn't there",
    ),
    Fault(code="album-rejected", finds="a take in `album.toml` that was rejected in the `picks.toml` beside its spec"),
    Fault(
        code="album-twice",
        finds="a song that is in `album.toml` twice, unless each place names another take of it",
    ),
    Fault(code="album-several", finds="a song in `album.toml` of which several takes are kept: name the one"),
    Fault(
        code="album-not-rendered",
        finds="a take in `album.toml` that isn't on disk, or not in the version that was kept",
    ),
    Fault(code="cover-missing", finds="an album's cover that isn't there"),
    Fault(code="cover-file", finds="an album's cover that is no JPEG or PNG, or isn't whole"),
    Fault(
        code="audio-missing",
        finds="an audio file that isn't there: `src_audio`, `reference_audio`, or an album's `voice`",
        bad=f'reference_audio = "voice.flac"\n{_SOUND}',
        good=_SOUND,
    ),
    Fault(
        code="audio-file",
        finds="an audio file that nothing can be made from: no sound, too short or too long, of an odd sample rate",
    ),
)  # fmt: skip

_TABLES: tuple[type[Table], ...] = (
    SongFile, DefaultsFile, MetasTable, InferenceTable, OutputTable, PickTable, VariantTable, EditTable, LoraTable,
    LyricsTable, AlbumFile, AlbumSongTable,
)  # fmt: skip
_KINDS: Mapping[str, str] = {
    "range": "is outside of its range",
    "type": "has a value of the wrong type",
    "choice": "is none of its choices",
    "form": "is not written as it has to be",
    "order": "is out of order",
    "count": "has too many entries, or none, of those that count",
    "length": "is too long, too short, or empty",
    "empty": "is empty",
}


def value_codes() -> Iterator[str]:
    """The codes of all that can be wrong with one key's value."""
    for key in _fields():
        yield from (f"{key.replace('_', '-')}-{kind}" for kind in _KINDS)


def fault_entry(code: str) -> str | None:
    """An error's entry, in Markdown, like a lint's; None where no error has the code."""
    row = next((fault for fault in FAULTS if fault.code == code), None)
    if row is not None:
        shown = f"\nFlagged:\n```toml\n{row.bad}```\nFine:\n```toml\n{row.good}```\n" if row.bad else ""
        return f"## {code}\n\nerror: {row.finds}.\n{shown}"
    return _value_entry(code)


def _value_entry(code: str) -> str | None:
    match = re.fullmatch(rf"(.+)-({'|'.join(_KINDS)})", code)
    key = match[1].replace("-", "_") if match else ""
    field = _fields().get(key)
    if match is None or field is None:
        return None
    told = (field.description or "").rstrip(".")
    limits = range_words(field) if match[2] == "range" else ""
    takes = f" It takes {limits}." if limits else ""
    return f"## {code}\n\nerror: `{key}` {_KINDS[match[2]]}.{takes}\n\n`{key}`: {told}.\n"


def _fields() -> dict[str, FieldInfo]:
    """Every key by its name; of two of one name the first."""
    found: dict[str, FieldInfo] = {}
    for table in _TABLES:
        for name, field in table.model_fields.items():
            found.setdefault(name, field)
    return found
