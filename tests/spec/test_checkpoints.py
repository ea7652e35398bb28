"""Every checkpoint has two rows: what it can do, and where it is published."""

from __future__ import annotations

from renderer.errors import ModelError
from renderer.models.catalog import zoo
from renderer.spec.checkpoints import CHECKPOINTS, DEFAULT_MAX_DURATION, LMS, VAES, default_max_duration


def test_every_model_has_both_and_lasts_as_long_in_both() -> None:
    assert set(CHECKPOINTS) == {*zoo.MODELS, zoo.MINI}
    assert all(default_max_duration(name) == zoo.model_facts(name).max_duration for name in CHECKPOINTS)


def test_the_rules_know_the_codebook_of_the_embedded_model() -> None:
    from tests.mini_factory.sizes import SIZES

    assert CHECKPOINTS["mini"].num_codes == SIZES["mini"].num_codes


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
    assert default_max_duration("./a-folder") == DEFAULT_MAX_DURATION
