"""What Oxen's parameters become for the engine, and in whose words they are refused."""

from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from jobs.facades.oxen import parameters
from jobs.facades.oxen.errors import Said
from jobs.facades.oxen.parameters import OxenImageBody, OxenTransitionBody, OxenVideoBody
from jobs.intake import bodies

IMAGE: dict[str, Any] = {"model": "m", "prompt": "a lake"}
VIDEO: dict[str, Any] = {"model": "m", "prompt": "a lake"}


def refusal(make: Any, fields: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        make(fields)
    return parameters.in_our_words(caught.value).message


class TestImage:
    @pytest.mark.parametrize(
        ("said", "size"),
        [
            ({}, "1024x1024"),
            ({"image_size": "square_hd"}, "1024x1024"),
            ({"image_size": "square"}, "512x512"),
            ({"image_size": "portrait_4_3"}, "768x1024"),
            ({"image_size": "portrait_16_9"}, "576x1024"),
            ({"image_size": "landscape_4_3"}, "1024x768"),
            ({"image_size": "landscape_16_9"}, "1024x576"),
            ({"image_size": {"width": 320, "height": 200}}, "320x200"),
            ({"size": "256x256"}, "256x256"),
            ({"aspect_ratio": "9:16"}, "576x1024"),
            ({"image_size": "square", "size": "256x256", "aspect_ratio": "9:16"}, "512x512"),
        ],
    )
    def test_has_a_size(self, said: dict[str, Any], size: str) -> None:
        body = bodies.parse(OxenImageBody, parameters.image(IMAGE | said))

        assert body.size == size

    def test_keeps_the_names_that_are_the_same(self) -> None:
        told = parameters.image(IMAGE | {"seed": 5, "negative_prompt": "fog", "n": 2, "style": 1})

        assert bodies.parse(OxenImageBody, told).model_dump(exclude_unset=True) == {
            **IMAGE,
            "seed": 5,
            "negative_prompt": "fog",
            "n": 2,
            "size": "1024x1024",
        }

    @pytest.mark.parametrize("said", [{"prompt": ""}, {"prompt": None}])
    def test_needs_a_prompt(self, said: dict[str, Any]) -> None:
        with pytest.raises(Said, match=r"^Prompt cannot be empty$"):
            parameters.image(IMAGE | said)

    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ({"image_size": "huge"}, "image_size: must be WIDTHxHEIGHT"),
            ({"image_size": {"width": 320}}, "image_size: must be {width, height}"),
            ({"image_size": {"width": 8, "height": 8}}, "image_size: must be WIDTHxHEIGHT"),
            ({"image_size": 5}, "image_size: must be {width, height}"),
            ({"aspect_ratio": "2:1"}, "aspect_ratio: must be one of 1:1"),
            ({"aspect_ratio": ["1:1"]}, "aspect_ratio: must be one of 1:1"),
            ({"seed": "7"}, "seed: "),
            ({"prompt": 7}, "prompt: "),
            ({"n": 11}, "n: "),
        ],
    )
    def test_is_refused_in_these_words(self, said: dict[str, Any], message: str) -> None:
        def make(fields: dict[str, Any]) -> None:
            bodies.parse(OxenImageBody, parameters.image(fields))

        assert refusal(make, IMAGE | said).startswith(message)

    def test_takes_steps(self) -> None:
        assert parameters.steps(IMAGE) is None
        assert parameters.steps(IMAGE | {"num_inference_steps": 8}) == 8

    @pytest.mark.parametrize("steps", [0, -1, 101, 1.5, "4", True])
    def test_takes_no_other_steps(self, steps: Any) -> None:
        message = refusal(parameters.steps, IMAGE | {"num_inference_steps": steps})

        assert message.startswith("num_inference_steps: must be an integer")


class TestVideo:
    @pytest.mark.parametrize(
        ("said", "seconds", "size"),
        [
            ({}, 5, "832x480"),
            ({"duration": 3}, 3, "832x480"),
            ({"aspect_ratio": "9:16"}, 5, "480x832"),
            ({"aspect_ratio": "1:1"}, 5, "512x512"),
            ({"size": "64x64"}, 5, "64x64"),
        ],
    )
    def test_of_words(self, said: dict[str, Any], seconds: int, size: str) -> None:
        body = bodies.parse(OxenVideoBody, parameters.video(VIDEO | said))

        assert (body.prompt, body.duration_seconds, body.size) == ("a lake", seconds, size)

    @pytest.mark.parametrize(("shot", "seconds"), [({}, 5), ({"duration": 2}, 2)])
    def test_of_one_shot_is_that_shot(self, shot: dict[str, Any], seconds: int) -> None:
        told = parameters.video({"model": "m", "multi_prompt": [{"prompt": "a sea", **shot}]})

        assert (told["prompt"], told["duration_seconds"]) == ("a sea", seconds)

    @pytest.mark.parametrize(
        ("pictures", "told"),
        [
            ("https://h/a.png", {"start_image": "https://h/a.png"}),
            (["https://h/a.png"], {"start_image": "https://h/a.png"}),
            (["a", "b"], {"start_image": "a", "end_image": "b"}),
        ],
    )
    def test_from_pictures(self, pictures: Any, told: dict[str, str]) -> None:
        fields = VIDEO | {"input_image": pictures}

        assert parameters.starts_from_picture(fields)
        made = parameters.video(fields)
        assert {name: made[name] for name in told} == told
        assert bodies.parse(OxenTransitionBody, made).start_image == told["start_image"]

    def test_has_one_kind_of_prompt(self) -> None:
        both = VIDEO | {"multi_prompt": [{"prompt": "a sea"}]}
        with pytest.raises(Said, match=r"^Cannot provide both 'prompt' and 'multi_prompt'\.$"):
            parameters.video(both)

        for neither in ({"model": "m"}, {"model": "m", "prompt": ""}):
            with pytest.raises(
                Said, match=r"^Either 'prompt' or 'multi_prompt' must be provided\.$"
            ):
                parameters.video(neither)

    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ({"duration": 0}, "duration: "),
            ({"duration": "5"}, "duration: "),
            ({"duration": 16}, "duration: "),
            ({"generate_audio": True}, "generate_audio: "),
            ({"input_video": "https://h/a.mp4"}, "input_video: "),
            ({"aspect_ratio": "5:4"}, "aspect_ratio: "),
            ({"prompt": None, "multi_prompt": "a"}, "multi_prompt: must be a list"),
            ({"prompt": None, "multi_prompt": []}, "multi_prompt: has 0 shots"),
            ({"prompt": None, "multi_prompt": [{}]}, "multi_prompt.0.prompt: is required"),
            ({"prompt": None, "multi_prompt": [{"prompt": "a"}] * 2}, "multi_prompt: has 2 shots"),
            ({"input_image": []}, "input_image: "),
            ({"input_image": {"url": "x"}}, "input_image: "),
            ({"input_image": ["a", 5]}, "input_image.1: "),
        ],
    )
    def test_is_refused_in_these_words(self, said: dict[str, Any], message: str) -> None:
        def make(fields: dict[str, Any]) -> None:
            body = OxenTransitionBody if parameters.starts_from_picture(fields) else OxenVideoBody
            bodies.parse(body, parameters.video(fields))

        assert refusal(make, VIDEO | said).startswith(message)
