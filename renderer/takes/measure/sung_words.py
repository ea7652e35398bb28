"""A take's file -> its words as a recogniser hears them beside its lyrics, kept by the file's digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renderer.json_values import JsonError, from_json, to_json
from renderer.store.disk import RealDisk, write_whole
from renderer.takes.measure.values import WordErrors
from renderer.takes.measure.word_errors import line_errors

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.takes.measure.values import SungFile

VERSION = 1  # raised when recognising or comparing changes: older results are made again


def compare_words(file: SungFile, folder: Path) -> None:
    """Keep the errors of a take's words below `folder`.

    Raises: see `transcribe`; soundfile's errors for what can't be read.
    """
    words = to_json(_word_errors(file))
    text = json.dumps({"version": VERSION, "words": words}, ensure_ascii=False)
    write_whole(RealDisk(), folder / word_errors_name(file.sound.digest), text.encode())


def stored_word_errors(digest: str, folder: Path) -> WordErrors | None:
    """What was found before of the file; None when nothing was, or by another version of this code."""
    try:
        kept = json.loads((folder / word_errors_name(digest)).read_text("utf-8"))
        return from_json(WordErrors, kept["words"]) if kept["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError, JsonError):
        return None


def word_errors_name(digest: str) -> str:
    """What a file's are called."""
    return f"{digest[:16]}.words.json"


def _word_errors(file: SungFile) -> WordErrors:
    import soundfile  # noqa: PLC0415 - in the measuring process only

    from renderer.takes.measure.transcribe import transcribe  # noqa: PLC0415 - as above

    sound, rate = soundfile.read(file.sound.path, dtype="float32", always_2d=True)
    begin = next((line.start for line in file.lines if line.start is not None), 0.0)
    found = transcribe(sound, rate, file.recogniser, file.language, begin)
    lines, num_errors = line_errors(file.lines, found.words)
    return WordErrors(
        lines=lines,
        num_words=sum(line.num_words for line in lines),
        num_errors=num_errors,
        language=found.language,
        recognised=found.recognised,
        probability=round(found.probability, 4),
        recogniser=file.recogniser.name,
        digest=file.recogniser_digest,
    )
