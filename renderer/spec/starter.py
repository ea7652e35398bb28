"""The text of a first spec and of a song project's files. Knows no folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renderer.formats.table import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPEC = '''\
title = "{title}"

# What the music sounds like: genre, instruments, mood, voice. Tempo and key belong into [metas].
caption = "Warm indie pop, clean electric guitar, soft drums, a close and calm vocal"

# What is sung. Each section begins with a tag; a blank line goes between sections. For music without singing write
# `instrumental = true` instead.
lyrics = """
[verse]
Morning comes in sideways
through the kitchen door
half a cup of coffee
and I want one more

[chorus]
Stay a little longer
let the kettle sing
nobody is calling
not for anything

[outro] (humming)
"""

# One take for each seed.
seeds = [1, 2]

# All optional: what is left out the language model decides.
[metas]
# bpm = 96
# keyscale = "G major"
# timesignature = "4"
duration = 40 # seconds
vocal_language = "en"

# [inference]
# lm_temperature = 0.85

# Another way to render the same song; each adds a take for each seed.
# [variants.bold]
# lm_temperature = 1.1
'''

DEFAULTS = """\
#:schema ./schemas/renderer.schema.json
# Defaults for every spec of this project; a spec's own keys win.
model = "turbo"

# Steps, shift and DCW are the checkpoint's own where nothing is said here: 8, 3.0 and on for turbo, 50, 1.0 and off for
# sft and base.
[inference]
lm_temperature = 0.85

[output]
format = "flac"
"""

ALBUM = """\
title = {title}
# artist = ""
# date = "2026"

# In this order. A song means the take of it that you keep; a take by its name, such as "night-bus.wide.s3", itself.
songs = [
{songs}]

# All optional.
# format = "mp3" # "flac" where nothing is said
# loudness = -14 # LUFS; left out, every song is as loud as it is
# gap = 2 # seconds of silence between songs; one of its own: { song = "night-bus", gap = 0, fade_out = 4 }
# cover = "cover.jpg"
# voice = "voice.flac" # that all takes are to have as `reference_audio`: told where one hasn't
"""

IGNORED = """\
# Takes are large, and can be made again from their specs. Copies for others, a DAW or an album go below shared/:
# renderer share does so by itself, export and album with --to shared/FOLDER.
# One that is to stay whatever becomes of model and machine: git add --force it, with its .toml, and see .gitattributes.
/outputs/
/shared/
"""

ATTRIBUTES = """\
# Text is text on every machine: specs, lyrics, votes; of pinned codes nobody reads a difference.
*.toml text
*.txt text
*.codes text -diff

# Audio in git makes every clone as large as all of its versions. What songs begin from (`reference_audio`, `src_audio`)
# and takes that are to stay belong into Git LFS. To have them there: git lfs install, take the # away below, commit
# this file, then add the audio.
{audio}"""


_LFS = "filter=lfs diff=lfs merge=lfs -text"


def audio_endings() -> tuple[str, ...]:
    """What audio files end in, with the dot."""
    return tuple(ending for row in FORMATS.values() for ending in row.endings)


def starter(title: str, schema: str | None) -> str:
    """A first spec with a title; `schema` is the path to the schema, for editors."""
    head = f"#:schema {schema}\n" if schema else ""
    return head + SPEC.format(title=title.replace("\\", "\\\\").replace('"', '\\"'))


def album_text(title: str, songs: Sequence[str], schema: str | None) -> str:
    """A first `album.toml` with these songs."""
    head = f"#:schema {schema}\n" if schema else ""
    rows = "".join(f"  {_quoted(song)},\n" for song in songs)
    return head + ALBUM.replace("{title}", _quoted(title)).replace("{songs}", rows)


def _quoted(text: str) -> str:
    # JSON escapes all that TOML's basic strings must.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def project_files(schemas: Mapping[str, str]) -> Mapping[str, str]:
    """Path below the project's folder -> text: a first spec, defaults, what git ignores and keeps how, the schemas."""
    return {
        "renderer.toml": DEFAULTS,
        ".gitignore": IGNORED,
        ".gitattributes": ATTRIBUTES.format(audio="".join(f"# *{ending} {_LFS}\n" for ending in audio_endings())),
        "specs/first-song.toml": starter("First song", "../schemas/song.schema.json"),
        **{f"schemas/{name}": text for name, text in schemas.items()},
    }
