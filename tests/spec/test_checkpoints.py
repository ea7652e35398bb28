"""What the rules know of checkpoints is what the model table says; the two can't import each other."""

from __future__ import annotations

from renderer.errors import ModelError
from renderer.facts import NUM_CODES
from renderer.models.catalog import zoo
from renderer.spec.checkpoints import CHECKPOINTS, DEFAULT_MAX_DURATION, LMS, VAES, default_max_duration


def test_the_rules_know_every_model_and_what_it_takes() -> None:
    assert set(CHECKPOINTS) == {*zoo.MODELS, zoo.MINI}
    for name, checkpoint in CHECKPOINTS.items():
        facts = zoo.model_facts(name)
        assert default_max_duration(name) == facts.max_duration
        for known in ("kind", "steps", "shift", "shifts", "dcw"):
            assert getattr(checkpoint, known) == getattr(facts, known), (name, known)


def test_the_rules_know_the_codebook_of_the_embedded_model_and_of_the_published_ones() -> None:
    from tests.mini_factory.sizes import SIZES

    assert CHECKPOINTS["mini"].num_codes == SIZES["mini"].num_codes
    assert {one.num_codes for name, one in CHECKPOINTS.items() if name != "mini"} == {NUM_CODES}


def test_the_rules_know_every_vae_and_which_model_can_not_have_it() -> None:
    assert set(VAES) == set(zoo.VAES)
    for name, checkpoint in CHECKPOINTS.items():
        for vae in VAES:
            try:
                zoo.find_vae(vae, zoo.model_facts(name))
            except ModelError:
                assert checkpoint.own_latents
            else:
                assert not checkpoint.own_latents


def test_the_rules_know_every_lm_and_the_default_limit() -> None:
    assert set(LMS) == {*zoo.LMS, zoo.MINI}
    assert default_max_duration("./a-folder") == DEFAULT_MAX_DURATION == zoo.MAX_DURATION
