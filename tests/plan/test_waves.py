"""With a deadline, whole takes: how many, against an oracle that knows all times; on machines drawn at random."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from renderer.plan.waves import JobWork, WavePace, effective_work, estimate, fitting, most_waves, next_wave

STAGES = {"codes": "lm", "latents": "dit", "sound": "vae"}
NUM_TAKES = 60


@dataclass
class Machine:
    """Runs waves by the clock of its own, and measures as it goes."""

    loads: dict[str, float]
    rates: dict[str, float]
    slots: int = 4
    now: float = 0.0
    done: list[str] = field(default_factory=list)
    pace: WavePace = field(default_factory=WavePace)
    num_waves: int = 0

    def jobs(self, names: list[str]) -> dict[str, JobWork]:
        return {
            f"{name} {stage}": JobWork(part=part, stage=stage, slots=self.slots if part == "lm" else 1)
            for name in names
            for stage, part in STAGES.items()
        }

    def seconds(self, num_takes: int) -> float:
        jobs = self.jobs([str(number) for number in range(num_takes)])
        return estimate(jobs.values(), WavePace(loads=self.loads, rates=self.rates))

    def oracle(self, deadline: float) -> int:
        """Whole takes of the one wave that just fits."""
        return max(number for number in range(NUM_TAKES + 1) if number == 0 or self.seconds(number) <= deadline)

    def run(self, names: list[str], deadline: float) -> None:
        """A wave, stage after stage; as `Waves`, it puts off what won't be whole."""
        self.num_waves += 1
        kept = list(names)
        for stage, part in STAGES.items():
            self.now += self.loads[part]
            self.pace = WavePace(loads={**self.pace.loads, part: self.loads[part]}, rates=self.pace.rates)
            work = [job for key, job in self.jobs(kept).items() if job.stage == stage]
            batches = [work] if part == "lm" else [[one] for one in work]
            for number, batch in enumerate(batches):
                if part != "lm" and number >= len(kept):
                    break
                self.now += effective_work(batch) * self.rates[stage]
                self.pace = WavePace(loads=self.pace.loads, rates={**self.pace.rates, stage: self.rates[stage]})
                if self.now <= deadline and part == "vae":
                    self.done.append(kept[number])
                if part == "dit":
                    left = {
                        name: [f"{name} sound"] if place <= number else [f"{name} latents", f"{name} sound"]
                        for place, name in enumerate(kept)
                    }
                    whole = fitting(left, self.jobs(kept), self.pace, deadline - self.now, resident={"dit"})
                    kept = kept[: max(len(whole), number + 1)]

    def night(self, deadline: float) -> int:
        """Whole takes at the deadline."""
        names, measured = [str(number) for number in range(NUM_TAKES)], 0
        while names and self.now < deadline:
            takes = {name: [f"{name} {stage}" for stage in STAGES] for name in names}
            wave = next_wave(takes, self.jobs(names), self.pace, deadline - self.now, measured=measured)
            assert wave == tuple(names[: len(wave)])
            assert wave
            before = len(self.done)
            self.run(list(wave), deadline)
            measured += len(wave)
            came = self.done[before:]
            names = [name for name in names if name not in (came or wave)]
        return len(self.done)


def machine(seed: int) -> Machine:
    """Takes of 1 s to a minute a stage, loads of next to nothing to half a minute."""
    chance = random.Random(seed)
    load = chance.choice((0.1, 2.0, 30.0))
    scale = chance.choice((1.0, 10.0, 60.0))
    return Machine(
        loads={part: load * chance.uniform(0.5, 2.0) for part in STAGES.values()},
        rates={stage: scale * chance.uniform(0.3, 1.5) for stage in STAGES},
        slots=chance.choice((1, 4, 16)),
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(40))
def test_at_the_deadline_most_of_what_an_oracle_makes_is_whole(seed: int, share: float) -> None:
    ours = machine(seed)
    deadline = share * ours.seconds(NUM_TAKES)
    best = ours.oracle(deadline)

    whole = ours.night(deadline)

    # What waves cost beyond one: their loads, a round of the LM that isn't full, and the margin.
    wave_loads = sum(ours.loads.values()) * ours.num_waves
    lost = (wave_loads + ours.rates["codes"] * ours.num_waves) / max(ours.seconds(NUM_TAKES) / NUM_TAKES, 1e-9)
    assert whole >= min(best, 0.85 * best - lost - 1)
    assert whole <= best


@pytest.mark.parametrize("seed", range(40))
def test_with_time_in_plenty_all_is_made_in_few_waves(seed: int) -> None:
    ours = machine(seed)

    assert ours.night(10 * ours.seconds(NUM_TAKES)) == NUM_TAKES
    assert ours.num_waves <= 4


def test_the_first_wave_is_a_round_of_the_part_that_works_on_many_at_once() -> None:
    ours = Machine(loads={}, rates={}, slots=4)
    names = [str(number) for number in range(10)]
    takes = {name: [f"{name} {stage}" for stage in STAGES] for name in names}

    assert next_wave(takes, ours.jobs(names), WavePace(), 3600.0, measured=0) == tuple(names[:4])
    assert next_wave(takes, ours.jobs(names), WavePace(), 59.0, measured=0) == ("0",)
    assert next_wave({"0": ["0 sound"]}, ours.jobs(["0"]), WavePace(), 0.0, measured=0) == ("0",)


def test_a_job_that_two_takes_share_is_counted_once() -> None:
    jobs = {
        "cot": JobWork(part="lm", stage="cot"),
        "a": JobWork(part="vae", stage="sound"),
        "b": JobWork(part="vae", stage="sound"),
    }
    pace = WavePace(loads={"lm": 0.0, "vae": 0.0}, rates={"cot": 10.0, "sound": 1.0})

    assert fitting({"a": ["cot", "a"], "b": ["cot", "b"]}, jobs, pace, 12.7) == ("a", "b")
    assert fitting({"a": ["cot", "a"], "b": ["cot", "b"]}, jobs, pace, 12.5) == ("a",)
    assert fitting({"a": ["cot", "a"]}, jobs, pace, 1.0) == ()


def test_the_number_of_waves_stays_small() -> None:
    assert most_waves(1, 4) == 1
    assert most_waves(4, 4) == 1
    assert 2 <= most_waves(60, 4) <= 8
    assert most_waves(1_000, 16) <= 12
