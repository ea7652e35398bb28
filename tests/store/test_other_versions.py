"""What another version of renderer wrote into artifacts and records is read, told, and written again."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from renderer.artifacts import Codes, Cot, CotMetas, Latents
from renderer.errors import StoreError
from renderer.json_values import JsonError, from_json, to_json
from renderer.models.family import stored_kinds
from renderer.provenance import CodesNotes, CotNotes, DitNotes, Environment, Notes, Origin, Provenance
from renderer.store.encoding import decode, digest, encode
from renderer.store.store import Store
from renderer.store.takes import decode_record, encode_record
from renderer.takes.retag import retag
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable


NAME = "codes/ab12"
CODES = Codes(codes=np.array([1, 2], dtype=np.int32), notes=CodesNotes(seconds=1.5, prompt="a text", tokens=3))
LIBRARY = Path(__file__).parents[1] / "pipeline" / "library_0_1_0"


def rewritten(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """An artifact's bytes as another version would have written them."""
    arrays = load(raw)
    sealed = json.loads(json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["renderer"])
    told = json.loads(sealed["record"])
    change(told)
    text = json.dumps(told, sort_keys=True)
    return save(arrays, metadata={"renderer": json.dumps({"digest": digest(text, arrays), "record": text})})


def record_of(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    told = json.loads(raw.partition(b"\n")[2])
    change(told)
    body = json.dumps(told, sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n"


@pytest.mark.parametrize(
    "artifact",
    [
        Cot(text="bpm: 90", metas=CotMetas(bpm=90), notes=CotNotes(prompt="x", negative_prompt="y", prompt_tokens=4)),
        CODES,
        Latents(
            frames=np.ones((2, 64), dtype=np.float32),
            notes=DitNotes(cut=("the lyrics",), timesteps=(1.0, 0.5), metas={"bpm": 90, "caption": None}),
        ),
    ],
    ids=lambda artifact: type(artifact).__name__,
)
def test_an_artifact_s_notes_come_back_as_values_of_their_own_kind(artifact: Cot | Codes | Latents) -> None:
    found, _ = decode(encode(artifact, Origin(), NAME), NAME, type(artifact))

    assert found.notes == artifact.notes


def test_a_note_that_a_newer_version_took_is_read_and_told() -> None:
    raw = rewritten(
        encode(CODES, Origin(), NAME), lambda told: told["notes"].update(entropy=[0.5, 0.25], hidden_prompt="more")
    )

    found, _ = decode(raw, NAME, Codes)

    assert found.notes == replace(CODES.notes, others={"entropy": [0.5, 0.25], "hidden_prompt": "more"})
    provenance = Provenance(notes={"codes": found.notes}, environment=Environment())
    assert provenance.prompts == {"codes_prompt": "a text", "codes_hidden_prompt": "more"}
    assert provenance.details == {"codes": {"entropy": [0.5, 0.25], "tokens": 3}}


def test_a_note_of_another_kind_is_told_as_it_was_written() -> None:
    raw = rewritten(encode(CODES, Origin(), NAME), lambda told: told["notes"].update(tokens="three", seconds=[1]))

    found, _ = decode(raw, NAME, Codes)

    assert (found.notes.tokens, found.notes.seconds) == (None, None)
    assert to_json(found.notes) == {"prompt": "a text", "tokens": "three", "seconds": [1]}


def test_an_artifact_without_notes_and_of_a_newer_origin_is_read() -> None:
    def change(told: dict[str, Any]) -> None:
        told["notes"] = {}
        told["made_by"] = {"environment": {"threads": 2, "governor": "550"}, "host": 7}
        told["content"]["book"] = "second"

    found, origin = decode(rewritten(encode(CODES, Origin(), NAME), change), NAME, Codes)

    assert found.notes == CodesNotes()
    assert origin == Origin(environment=Environment(threads=2, others={"governor": "550"}), others={"host": 7})


def test_an_artifact_that_lacks_what_it_is_made_of_is_of_another_version() -> None:
    raw = rewritten(encode(Cot(text="x", metas=CotMetas()), Origin(), NAME), lambda told: told["content"].pop("text"))

    with pytest.raises(StoreError, match="another version"):
        decode(raw, NAME, Cot)


def test_a_record_of_version_0_1_0_tells_all_that_it_told_then() -> None:
    (path,) = (LIBRARY / "outputs" / ".store" / "takes").glob("*/*.json")
    written = json.loads(path.read_bytes().partition(b"\n")[2])

    record = decode_record(path.read_bytes())

    again = json.loads(encode_record(record).partition(b"\n")[2])
    again["page"] = {name: again["page"].get(name) for name in written["page"]}  # facts that came later stand beside
    assert {name: value for name, value in written.items() if value != again.get(name)} == {}
    notes = written["page"]["notes"]
    assert record.provenance.seconds == {stage: notes[stage]["seconds"] for stage in notes}
    assert record.provenance.prompts["latents_text_prompt"] == notes["latents"]["text_prompt"]
    assert record.provenance.details["latents"]["departures"] == notes["latents"]["departures"]
    assert record.provenance.details["waveform"] == {"tile": 512}


@pytest.mark.parametrize("field", ["page", "environment", "recipe", "remade", "distrusted", "before", "sidecar_digest"])
def test_a_record_from_before_a_field_is_read(field: str) -> None:
    (path,) = (LIBRARY / "outputs" / ".store" / "takes").glob("*/*.json")
    raw = record_of(path.read_bytes(), lambda told: told.pop(field, None))

    assert decode_record(raw).take == "night.s1"


def test_what_a_newer_version_wrote_of_a_take_outlives_its_new_title(tmp_path: Path, tiny_set: Path) -> None:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins", 'title = "Eins"\ncaption = "calm"\nlyrics = "[verse]\\nla"\nseeds = [1]\n')
    carry_out(songs.project())
    store = Store(songs.outputs, kinds=stored_kinds())
    (path,) = (store.folder / "takes" / "eins.s1").glob("*.json")

    def change(told: dict[str, Any]) -> None:
        told["stars"] = 3
        told["page"] |= {"waves": "AAA"}
        told["page"]["notes"]["latents"]["entropy"] = 0.5
        told["page"]["notes"]["chorus"] = {"seconds": 2.0, "chorus_prompt": "sing"}
        told["environment"]["governor"] = "550"

    path.write_bytes(record_of(path.read_bytes(), change))
    spec = songs.folder / "specs" / "eins.toml"
    spec.write_text(spec.read_text("utf-8").replace("Eins", "Zwei"), "utf-8")
    (take,) = songs.project().plan().takes
    assert retag(store, take) is not None

    again = json.loads(path.read_bytes().partition(b"\n")[2])
    assert (again["stars"], again["page"]["waves"], again["environment"]["governor"]) == (3, "AAA", "550")
    assert again["page"]["notes"]["latents"]["entropy"] == 0.5
    sidecar = tomllib.loads((songs.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))
    assert sidecar["spec"]["title"] == "Zwei"
    assert sidecar["made"]["governor"] == "550"
    assert sidecar["made"]["noted"]["latents"]["entropy"] == 0.5
    assert sidecar["made"]["seconds"]["chorus"] == 2.0
    assert sidecar["prompts"]["chorus_chorus_prompt"] == "sing"


@dataclass(frozen=True, slots=True, kw_only=True)
class BellNotes(Notes):
    bell_prompt: str | None = None
    strikes: tuple[float, ...] | None = None


def test_a_new_stage_s_notes_are_told_by_their_own_dataclass_alone() -> None:
    notes = BellNotes(seconds=0.5, bell_prompt="ding", strikes=(1.0, 2.0), cut=("the last stroke",))

    assert from_json(BellNotes, json.loads(json.dumps(to_json(notes)))) == notes
    provenance = Provenance(notes={"bell": notes}, environment=Environment())
    assert provenance.prompts == {"bell_bell_prompt": "ding"}
    assert provenance.details == {"bell": {"cut": ["the last stroke"], "strikes": [1.0, 2.0]}}
    assert provenance.remarks == ("the last stroke",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    strokes: np.ndarray
    pitch: str
    notes: BellNotes = field(default_factory=BellNotes)

    @property
    def take_notes(self) -> BellNotes:
        return self.notes

    @property
    def fault(self) -> str:
        return "" if self.strokes.size else "nothing rings"


def test_a_new_stage_s_artifact_is_kept_by_its_own_dataclass_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "outputs", kinds={"bell": Bell})
    notes = BellNotes(seconds=0.5, bell_prompt="ding", others={"clapper": "iron"})
    store.put("bell", "ab12", Bell(strokes=np.arange(3.0), pitch="a'", notes=notes), Origin(stage="bell", key="ab12"))

    found = Store(store.outputs, kinds={"bell": Bell}).get("bell", "ab12")

    assert isinstance(found, Bell)
    assert (found.strokes.tolist(), found.pitch, found.notes) == ([0.0, 1.0, 2.0], "a'", notes)
    with pytest.raises(StoreError, match="isn't kept"):
        store.put("bell", "cd34", Bell(strokes=np.zeros(0), pitch="a'"), Origin())


@pytest.mark.parametrize("raw", [None, 7, [], {"versions": 7}, {"versions": {"torch": 2}}])
def test_what_can_t_be_a_value_is_refused(raw: object) -> None:
    with pytest.raises(JsonError):
        from_json(Environment, raw)
