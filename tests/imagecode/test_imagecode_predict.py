"""Images of a folder for a sentence, pictures of that, and answers for the leaderboard."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from small_contextual import COLOURS, small_contextual

from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.images import preprocess
from mlzoo_imagecode.model import ImageCoDeModel
from mlzoo_imagecode.network import normalised
from mlzoo_imagecode.predict import predict
from mlzoo_imagecode.predict_config import PredictOptions

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ImageCoDeConfig(
        variant="contextual", clip_epochs=1, width=16, depth=1, embedding=16, image_size=16,
        head_feed_forward=16,
    )  # fmt: skip
    made = ImageCoDeModel(config, small_contextual(hidden=True))
    made.uses_head = True
    return made


@pytest.fixture
def folder(tmp_path):
    """Ten plain pictures; as text, frame10 would come before frame2."""
    made = tmp_path / "pictures"
    made.mkdir()
    for number, colour in enumerate(COLOURS.values()):
        Image.new("RGB", (50, 40), colour).save(made / f"frame{number + 1}.png")
    (made / "notes.txt").write_text("no picture")
    return made


def asked(model, **options):
    return predict(model, model.data, [], QUIET, PredictOptions(**options))


def test_images_are_ranked_in_the_order_of_their_numbers(model, folder):
    found = asked(model, images=folder, text="the red one")
    assert found["rank"] == list(range(1, 11))
    names = dict(zip(found["position"], found["image"], strict=True))
    assert [names[place] for place in range(10)] == [f"frame{n}.png" for n in range(1, 11)]
    assert found["score"] == sorted(found["score"], reverse=True)
    assert sum(found["probability"]) == pytest.approx(1)


def test_only_frames_have_an_order(model, folder):
    frames = asked(model, images=folder, text="the red one", kind="video")
    others = asked(model, images=folder, text="the red one", kind="static")
    assert dict(zip(frames["image"], frames["score"], strict=True)) != dict(
        zip(others["image"], others["score"], strict=True)
    )


def test_a_picture_is_drawn(model, folder, tmp_path):
    asked(model, images=folder, text="the red one", figure=tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width > 4 * picture.height
    with pytest.raises(UsageError, match="no kind of picture"):
        asked(model, images=folder, text="the red one", figure=tmp_path / "strip.doc")


@pytest.mark.parametrize(
    "options", [{}, {"text": "a"}, {"images": "."}, {"images": ".", "text": " "}]
)
def test_without_images_and_text_there_is_nothing_to_predict(options, model):
    with pytest.raises(UsageError, match="nothing to predict") as error:
        asked(model, **options)
    assert "--images DIR" in error.value.fix


def test_another_number_of_images_is_refused(model, folder):
    (folder / "frame3.png").unlink()
    with pytest.raises(DataError, match="9 images; this run chooses among 10"):
        asked(model, images=folder, text="the red one")
    with pytest.raises(DataError, match="no folder"):
        asked(model, images=folder / "none", text="the red one")


def test_a_damaged_image_is_named(model, folder):
    (folder / "frame3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"frame3\.png"):
        asked(model, images=folder, text="the red one")


def test_answers_of_test_are_written_and_looked_at(model, tmp_path):
    file = tmp_path / "answers.json"
    found = asked(model, submission=file)
    answers = json.loads(file.read_text())
    assert sum(len(each) for each in answers.values()) == len(found["chosen"])
    assert [place for name in dict.fromkeys(found["set"]) for place in answers[name]] == found[
        "chosen"
    ]
    assert asked(model, check_submission=file) == found
    with pytest.raises(UsageError, match="exists"):
        asked(model, submission=file)
    answers.popitem()
    file.write_text(json.dumps(answers))
    with pytest.raises(DataError, match="is missing"):
        asked(model, check_submission=file)


def test_pixels_are_normalised_as_by_the_preprocessing_bit_for_bit():
    crops = np.random.RandomState(0).randint(0, 256, size=(3, 8, 8, 3)).astype(np.uint8)
    ours = normalised(torch.from_numpy(crops)).numpy()
    np.testing.assert_array_equal(ours, preprocess.normalised(crops))
