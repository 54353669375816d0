import pytest
import torch

from diffdemo.experiments import Belief, Embedding
from diffdemo.report.words import attributes_kept, counted, picture_words, sampling, settings


def test_settings_name_every_field():
    e = Embedding(n=60, seeds=(1, 2), steps=3, other="face:4", prompt="a cat", guidance=7.5)
    assert settings(e) == (
        "model faces, face 17, n = 60, seeds 1-2, steps 3, methods random ddim fixed-point "
        "edit-friendly dpm-encoder, warm 0, second picture face 4, "
        'prompt "a cat", guidance 7.5'
    )


def test_settings_count_a_line_up_and_show_no_picture_of_ones_own():
    e = Belief(picture="png:AAAA", n=400, line_up="face:1,face:2,png:AAAA", revision="0" * 12)
    start = f"model faces ({'0' * 12}), a picture of one's own, "
    assert settings(e) == f"{start}n = 400, seed 0, a line-up of 3"
    assert ", mine, n" in settings(e, "mine")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("face:17", "face 17"),
        ("digit:3", "a 0 (image 3)"),
        ("digit:61", "an 8 (image 61)"),
        ("png:AAAA", "your picture"),
        ("sha256:" + "0" * 64, "your picture"),
    ],
)
def test_a_picture_is_called_by_its_name_if_it_has_one(picture, words):
    assert picture_words(picture) == words


def test_counts_agree_with_their_nouns():
    assert [counted(count, "seed") for count in (0, 1, 16)] == ["0 seeds", "1 seed", "16 seeds"]


def test_eta_is_written_in_words():
    assert [sampling(eta) for eta in (0.0, 0.5)] == ["deterministic", "eta 0.5"]


def test_what_was_kept_is_counted_or_named():
    kept = torch.tensor([[0.5, 1.0], [0.0, 0.25]])
    assert attributes_kept(kept, (0, 0), 14) == "7 of 14"
    assert attributes_kept(kept[0], 1, 1) == "same digit"
    assert attributes_kept(kept[1], 0, 1) == "another digit"
    assert attributes_kept(None, 0, 0) == ""
