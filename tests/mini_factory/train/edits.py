"""The DiT's second lessons: follow masks, other songs' codes and reference voices, and still play what it played.

In: kin (`composer/kin.py`), encoded. A row's kind tells what the DiT is given as its source, and what it makes of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch

from renderer.models.ace_step.dit.conditions import TIMBRE_FRAMES
from tests.mini_factory.composer.kin import COVER, KIN, PLAYED, SONG, VOICE
from tests.mini_factory.train.course import Pace
from tests.mini_factory.train.dit import LENGTHS, OFFSET_SHARE, SHIFT, Shelf, conditions, velocity
from tests.mini_factory.train.tellings import EDIT_TASKS, EDIT_VARIANTS, TEXT_VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mini_factory.train.dit import Players
    from tests.mini_factory.train.tellings import Told

log = logging.getLogger(__name__)

SHARES = {"voice": 0.16, "codes": 0.42, "silent": 0.04, "repaint": 0.16, "cover": 0.18, "cover-nofsq": 0.04}
"""Of a batch. The first rows are the ones with a reference."""
COVERS_PLAIN, COVERS_ASKED = 0.15, 0.6
"""How often what is made is a song's cover: of what is no edit, and of edits."""
RESTYLED_SHARE = 0.3
"""Of repaints: what is around the window is the cover, or the song where the cover is asked for."""
EXPLICIT_SHARE = 0.5
"""Of repaints: the mask shows the window too, not the silence alone."""
WINDOW = (0.1, 0.7)
"""Of a stretch."""
AROUND_WEIGHT = 0.15
"""Of frames outside a window, which only have to be copied."""
VOICE_SHARE = 0.35
"""Of rows with a reference: the voice's own song, with the song that its band plays as the reference."""
HIT_WEIGHT, MOST_HIT = 0.5, 2.0
"""How much more frames count in which sound changes more than in the song on average, by how much more: else beats that
the texts and codes leave a little unsure come out weak."""
PIECE_FRAMES = TIMBRE_FRAMES // 3
REFERENCE_NOISE = 0.03
"""Standard deviation: an encoder's draw."""
EXAM_FRAMES = 600
SHORT_FRAMES = 100
"""There is always a song of so many."""
REPORT_EVERY = 250
PACE = Pace(peak=9e-4, betas=(0.9, 0.97), decay=1e-2, keep=0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A batch, as `EditLessons.loss` takes it."""

    latents: torch.Tensor
    """[B, frames, channels]: what is to be made."""
    source: torch.Tensor
    """[B, frames, channels]: what is followed."""
    mask: torch.Tensor
    """[B, frames]: where something is to be made."""
    weight: torch.Tensor
    """[B, frames], 1 on average in each row."""
    text: torch.Tensor
    lyrics: torch.Tensor
    references: torch.Tensor
    """[first rows, 750, channels]."""

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """In the order of `EditLessons.loss`."""
        return (self.latents, self.source, self.mask, self.weight, self.text, self.lyrics, self.references)


class KinShelf:
    """Kin on the device: a shelf of their songs, four after each other."""

    def __init__(self, shelf: Shelf, silence: torch.Tensor) -> None:
        self.shelf, self.silence = shelf, silence
        self.fitting: dict[int, torch.Tensor] = {}
        """Kin whose songs are at least so long, by length."""

    def add(self, told: Told) -> None:
        """More kin."""
        self.shelf.add(told)
        lengths = self.shelf.spans[::KIN, 1]
        found = {length: KIN * (lengths >= length).nonzero()[:, 0] for length in (*LENGTHS, SHORT_FRAMES)}
        self.fitting = {length: fit for length, fit in found.items() if len(fit)}

    def __len__(self) -> int:
        return len(self.shelf.spans) // KIN

    def rows(self, num_frames: int, count: int) -> Rows:
        """Stretches of so many frames, their kinds in the order of `SHARES`."""
        device = self.shelf.latents.device
        kinds = kinds_of(count, device)
        fit = self.fitting[num_frames]
        kin = fit[torch.randint(len(fit), (count,), device=device)]

        def chance(share: float) -> torch.Tensor:
            return torch.rand(count, device=device) < share

        is_voice, is_repaint = kinds == kind("voice"), kinds == kind("repaint")
        is_other = (kinds == kind("cover")) | (kinds == kind("cover-nofsq")) | (is_repaint & chance(RESTYLED_SHARE))
        is_plain = (kinds == kind("codes")) | (kinds == kind("silent"))
        asked = torch.where(torch.where(is_plain, chance(COVERS_PLAIN), chance(COVERS_ASKED)), COVER, SONG)
        voices = chance(VOICE_SHARE) & (self.shelf.spans[kin + VOICE, 1] >= num_frames)
        asked = torch.where(is_voice, torch.where(voices, VOICE, PLAYED), asked)
        given = torch.where(is_other, COVER - asked, asked)
        given = torch.where((asked == PLAYED) & chance(0.6), SONG, given)
        first, starts = self._starts(kin + asked, num_frames, inside=chance(OFFSET_SHARE) & (kinds != kind("silent")))
        at = starts[:, None] + torch.arange(num_frames, device=device)
        around = at - first[:, None] + self.shelf.spans[kin + given, 0][:, None]
        window = torch.where(is_repaint[:, None], windows(count, num_frames, device), 1.0)
        silent = (kinds == kind("silent")) | (is_voice & chance(0.25))
        return Rows(
            latents=torch.where(window[..., None] > 0, self.shelf.latents[at], self.shelf.latents[around]).float(),
            source=self._source(kinds, around, window, silent),
            mask=torch.where((is_repaint & chance(EXPLICIT_SHARE))[:, None], window, 1.0),
            weight=weights(window),
            text=self.shelf.texts[kin + asked, telling(kinds, silent)].long(),
            lyrics=self.shelf.lyrics[kin + asked].long(),
            references=self._references((kin + PLAYED + VOICE - asked)[: round(SHARES["voice"] * count)]),
        )

    def _starts(
        self, songs: torch.Tensor, num_frames: int, *, inside: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Songs' first frames, and those of the stretches, on the codes' grid."""
        first, length = self.shelf.spans[songs].unbind(1)
        room = (length - num_frames) // 5 + 1
        return first, first + 5 * (torch.rand(len(songs), device=songs.device) * room).long() * inside

    def _source(
        self, kinds: torch.Tensor, around: torch.Tensor, window: torch.Tensor, silent: torch.Tensor
    ) -> torch.Tensor:
        exact = (kinds == kind("repaint")) | (kinds == kind("cover-nofsq"))
        heard = torch.where(exact[:, None, None], self.shelf.latents[around], self.shelf.hints[around]).float()
        hidden = silent[:, None] | ((kinds == kind("repaint"))[:, None] & (window > 0))
        return torch.where(hidden[..., None], self.silence[:, : around.shape[1]], heard)

    def _references(self, songs: torch.Tensor) -> torch.Tensor:
        """A piece of each third of each, of what is shorter than a reference repeated, as rendering takes them."""
        first, length = self.shelf.spans[songs].T[..., None]
        third = length * -(-TIMBRE_FRAMES // length) // 3
        drawn = (torch.rand(len(songs), 3, device=songs.device) * (third - PIECE_FRAMES + 1)).long()
        starts = third * torch.arange(3, device=songs.device) + drawn
        pieces = (starts[..., None] + torch.arange(PIECE_FRAMES, device=songs.device)).flatten(1)
        heard = self.shelf.latents[first + pieces % length].float()
        return heard + REFERENCE_NOISE * torch.randn_like(heard)


def kind(name: str) -> int:
    """Its number."""
    return list(SHARES).index(name)


@cache
def kinds_of(count: int, device: torch.device) -> torch.Tensor:
    """So many rows' kinds, [count]; made once, as what comes from the host is waited for."""
    ends = torch.tensor(list(SHARES.values())).cumsum(0) * count
    return torch.searchsorted(ends, torch.arange(count) + 0.5).clamp(max=len(SHARES) - 1).to(device)


def windows(count: int, num_frames: int, device: torch.device) -> torch.Tensor:
    """[count, num_frames]: 1 inside of a window of each row; one in four lies at an end."""
    low, high = WINDOW
    size = ((low + (high - low) * torch.rand(count, device=device)) * num_frames).long()
    place = (torch.rand(count, device=device) * 1.3 - 0.15).clamp(0, 1)
    start = (place * (num_frames - size)).long()[:, None]
    frames = torch.arange(num_frames, device=device)
    return ((frames >= start) & (frames < start + size[:, None])).float()


def weights(window: torch.Tensor) -> torch.Tensor:
    """What frames count, 1 on average in each row."""
    weight = torch.where(window > 0, 1.0, AROUND_WEIGHT)
    return weight / weight.mean(dim=1, keepdim=True)


def hits(latents: torch.Tensor) -> torch.Tensor:
    """What frames count for their changes, [B, frames], 1 on average in each row."""
    change = (latents[:, 1:] - latents[:, :-1]).norm(dim=-1)
    change = torch.nn.functional.pad(change[:, None], (1, 0), mode="replicate")[:, 0]
    more = change / change.mean(dim=1, keepdim=True).clamp(min=1e-6) - 1
    weight = 1 + HIT_WEIGHT * more.clamp(0, MOST_HIT)
    return weight / weight.mean(dim=1, keepdim=True)


def telling(kinds: torch.Tensor, silent: torch.Tensor) -> torch.Tensor:
    """Which of a song's tellings each row is told."""
    plain = torch.where(silent, 0, torch.randint(1, TEXT_VARIANTS, kinds.shape, device=kinds.device))
    which = torch.randint(0, EDIT_VARIANTS, kinds.shape, device=kinds.device)
    repaint, cover = (TEXT_VARIANTS + EDIT_VARIANTS * EDIT_TASKS.index(task) + which for task in ("repaint", "cover"))
    covers = (kinds == kind("cover")) | (kinds == kind("cover-nofsq"))
    return torch.where(kinds == kind("repaint"), repaint, torch.where(covers, cover, plain))


@dataclass(frozen=True, slots=True, kw_only=True)
class EditLessons:
    """What the players are taught with."""

    players: Players
    autocast: bool

    def loss(self, latents: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the velocity at times of the shift-3 schedule; `others` as in `Rows`."""
        uniform = torch.rand(len(latents), device=latents.device)
        time = SHIFT * uniform / (1 + (SHIFT - 1) * uniform)
        source, mask, weight, *told = others
        heard = weight * hits(latents)
        return self.at(time, torch.randn_like(latents), latents, source, mask, heard, *told).mean()

    def at(
        self,
        time: torch.Tensor,
        noise: torch.Tensor,
        latents: torch.Tensor,
        source: torch.Tensor,
        mask: torch.Tensor,
        weight: torch.Tensor,
        text: torch.Tensor,
        lyrics: torch.Tensor,
        references: torch.Tensor,
    ) -> torch.Tensor:
        """The same at these times [B] with this noise, row by row."""
        mixed = (1 - time)[:, None, None] * latents + time[:, None, None] * noise
        context = torch.cat([source, mask[..., None].expand_as(source)], dim=-1)
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            encoded, there = conditions(self.players, text, lyrics, references)
            made = velocity(self.players.dit, mixed, time, encoded, there, context)
        wrong = (made.float() - (noise - latents)).pow(2).mean(-1)
        return (wrong * weight).mean(-1)


def edit_exam(lessons: EditLessons, shelf: KinShelf, rows: int) -> Callable[[], torch.Tensor]:
    """The loss on the same rows at the sampler's own eight times, always with the same noise; tells it by kind."""
    num_frames = max(length for length in shelf.fitting if length <= EXAM_FRAMES)
    batch = shelf.rows(num_frames, rows).tensors
    kinds = kinds_of(rows, batch[0].device)
    steps = 1 - torch.arange(8, device=batch[0].device) / 8
    times = (SHIFT * steps / (1 + (SHIFT - 1) * steps)).repeat(-(-rows // 8))[:rows]
    numbers = torch.Generator().manual_seed(0)
    noise = torch.randn(batch[0].shape, generator=numbers).to(batch[0].device)

    def exam() -> torch.Tensor:
        found = lessons.at(times, noise, *batch)
        log.info("exam: %s", ", ".join(f"{name} {found[kinds == kind(name)].mean().item():.4f}" for name in SHARES))
        return found.mean()

    return exam
