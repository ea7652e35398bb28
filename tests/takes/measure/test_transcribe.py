"""Words that a recogniser hears, through the measuring process: a tiny random one, of the real formats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.errors import ModelError
from renderer.json_values import to_json
from renderer.takes.audio import write_audio
from renderer.takes.measure import SoundFile, SoundPair, SungFile, measure_files
from renderer.takes.measure.word_errors import LyricLine
from tests.tiny_whisper import WORDS, build_whisper

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.takes.measure import Measurement
    from renderer.takes.measure.transcribe import Transcript

pytest.importorskip("faster_whisper", reason="renderer[asr] isn't installed")
pytestmark = pytest.mark.slow
SECONDS = 6.0


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asr") / "tiny"
    build_whisper(folder)
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SoundFile:
    path = tmp_path_factory.mktemp("sound") / "take.flac"
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, int(48_000 * SECONDS)))
    write_audio(Waveform(samples=noise.astype(np.float32)), path, "flac", {})
    return SoundFile(path=path, digest=hashlib.sha256(path.read_bytes()).hexdigest())


def heard(sound: SoundFile, whisper: Path, language: str | None = "en") -> Transcript:
    import soundfile

    from renderer.takes.measure.transcribe import transcribe

    return transcribe(*soundfile.read(sound.path, dtype="float32", always_2d=True), whisper, language, 0.0)


def sung(sound: SoundFile, whisper: Path, *texts: str, language: str | None = "en") -> SungFile:
    lines = tuple(LyricLine(row=row, text=text) for row, text in enumerate(texts))
    return SungFile(sound=sound, lines=lines, language=language, recogniser=whisper, recogniser_digest="d")


def measured(file: SungFile, folder: Path) -> Measurement:
    (found,) = measure_files([file], folder)
    return found


def test_lyrics_that_are_what_is_heard_have_no_errors_and_a_changed_word_one(
    sound: SoundFile, whisper: Path, tmp_path: Path
) -> None:
    words = [word.text.strip() for word in heard(sound, whisper).words]
    assert len(words) >= 4
    assert set(words) <= set(WORDS)
    texts = [" ".join(words[place : place + 2]) for place in range(0, len(words), 2)]

    right = measured(sung(sound, whisper, *texts), tmp_path / "right")
    assert right.problem == ""
    assert right.words
    assert (right.words.num_errors, right.words.num_words) == (0, len(words))
    assert [line.transcript for line in right.words.lines] == texts
    assert (right.words.language, right.words.recogniser) == ("en", "tiny")

    changed = [texts[0], " ".join(["thunder", *texts[1].split()[1:]]), *texts[2:]]
    wrong = measured(sung(sound, whisper, *changed), tmp_path / "wrong").words
    assert wrong
    assert [line.num_errors for line in wrong.lines] == [0, 1, *[0] * (len(texts) - 2)]

    # Kept by the sound: asked again, nobody listens; another recogniser does.
    shutil.move(sound.path, tmp_path / "away.flac")
    try:
        assert measured(sung(sound, whisper, *texts), tmp_path / "right") == right
        other = dataclasses.replace(sung(sound, whisper, *texts), recogniser_digest="e")
        assert "LibsndfileError" in measured(other, tmp_path / "right").problem
    finally:
        shutil.move(tmp_path / "away.flac", sound.path)


def test_a_language_that_nobody_asked_for_is_the_one_it_sounds_like(sound: SoundFile, whisper: Path) -> None:
    asked, open_ = heard(sound, whisper, "he"), heard(sound, whisper, None)

    assert asked.language == "he"
    assert open_.language == open_.recognised == asked.recognised
    assert 0.0 < open_.probability <= 1.0
    assert heard(sound, whisper, "yue").language == open_.recognised  # this one doesn't know it
    assert heard(sound, whisper, "sa").language == open_.recognised


def test_lyrics_of_no_known_language_go_through_the_measuring_process_and_end_nothing_else(
    sound: SoundFile, whisper: Path, tmp_path: Path
) -> None:
    others = [dataclasses.replace(sound, digest=f"{number:064x}", path=tmp_path / "gone.flac") for number in range(2)]
    files = [others[0], sung(sound, whisper, "rain", language=None), others[1]]

    found = list(measure_files(files, tmp_path / "measured"))

    assert [one.digest for one in found] == [file.name for file in files]
    assert found[1].problem == ""
    assert found[1].words
    assert found[1].words.language == found[1].words.recognised
    assert all("LibsndfileError" in one.problem for one in (found[0], found[2]))


def test_a_file_that_can_not_be_told_of_ends_no_other(sound: SoundFile, tmp_path: Path) -> None:
    odd = dataclasses.replace(sound, path=7, digest="a" * 64)  # type: ignore[arg-type]  # as no other version has it
    gone = dataclasses.replace(sound, path=tmp_path / "gone.flac", digest="b" * 64)

    problems = [one.problem for one in measure_files([odd, gone], tmp_path / "measured")]

    assert problems[0].startswith("JsonError: `path`: ")
    assert "LibsndfileError" in problems[1]


def test_a_recogniser_of_english_alone_hears_no_spanish(sound: SoundFile, tmp_path: Path) -> None:
    folder = tmp_path / "tiny.en"
    build_whisper(folder, languages=())

    assert heard(sound, folder, "en").language == heard(sound, folder, None).language == "en"
    with pytest.raises(ModelError, match="knows English alone"):
        heard(sound, folder, "es")
    told = measured(sung(sound, folder, "el corazón", language="es"), tmp_path / "measured").problem
    assert told.startswith("the recogniser knows English alone; the lyrics are in `es`; ")


def test_what_can_not_be_loaded_or_hears_other_bands_is_a_problem_in_words(
    sound: SoundFile, whisper: Path, tmp_path: Path
) -> None:
    wide, cut, torn = (tmp_path / name for name in ("wide", "cut", "torn"))
    build_whisper(wide, bands=128)
    (wide / "preprocessor_config.json").unlink()
    shutil.copytree(whisper, cut)
    (cut / "model.bin").write_bytes((whisper / "model.bin").read_bytes()[:5_000])
    shutil.copytree(whisper, torn)
    (torn / "tokenizer.json").write_bytes((whisper / "tokenizer.json").read_bytes()[:500])

    problems = [measured(sung(sound, folder, "rain"), tmp_path / "measured").problem for folder in (wide, cut, torn)]

    assert "hears 128 bands of sound, not 80" in problems[0]
    assert "copy that file" in problems[0]
    for problem, name in zip(problems[1:], ("cut", "torn"), strict=True):
        assert problem.startswith(f"the recogniser in `{name}` can't be loaded; ")
        assert problem.endswith("; convert it, or bring it, anew")


def test_the_measuring_process_loads_it_only_when_it_is_asked_to_and_never_torch(
    sound: SoundFile, whisper: Path, tmp_path: Path
) -> None:
    script = (
        "import sys; from pathlib import Path; from renderer.takes.measure.process import main;"
        "main(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(sorted({'torch', 'transformers', 'faster_whisper', 'librosa'} & set(sys.modules)))"
    )

    folders = tmp_path / "measured", tmp_path / "unfinished"
    for folder in folders:
        folder.mkdir()

    def loaded(file: SoundPair | SungFile) -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *folders], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin
        assert process.stdout
        with process:
            process.stdin.write(json.dumps([[type(file).__name__, file.name, to_json(file)]]) + "\n")
            process.stdin.flush()
            return process.stdout.readlines()[-1].strip() if process.stdout.readline() else ""

    assert loaded(sung(sound, whisper, "rain")) == "['faster_whisper']"
    assert loaded(SoundPair(edit=sound, source=sound, windows=())) == "[]"
