"""Names, lookups, and every mistake of a models file told in one sentence."""

from pathlib import Path

import pytest

from inference import registry
from inference.errors import RegistryError, UnknownModel
from inference.models_file import read_models
from inference.registry import Registry
from inference.specs import Price, Unit
from inference.types import Modality

DEFAULT = Path(registry.__file__).with_name("models.toml")
GOOD = """
[[models]]
id = "chatty"
aliases = ["lite"]
modality = "chat"
backend = "echo"
context_tokens = 100
max_output_tokens = 50
price = { version = "1", prompt = "0.15", completion = 1.5 }
options = { step_seconds = 0.25 }
"""


def load(tmp_path: Path, text: str) -> Registry:
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return registry.load_registry(path)


class TestLoad:
    def test_the_default_file_is_right(self) -> None:
        found = registry.load_registry(DEFAULT)

        assert [spec.id for spec in found.models] == [
            "genie-tiny-chat",
            "genie-tiny-embedding",
            "flux-schnell",
            "sdxl-turbo",
            "wan-2.1",
            "ltx-video",
            "genie-tiny-transcription",
            "genie-tiny-speech",
            "echo-chat",
            "echo-embedding",
            "echo-image",
            "echo-speech",
            "echo-transcription",
        ]
        assert found.resolve("coder").id == "genie-tiny-chat"

    def test_the_commented_examples_are_right_once_uncommented(self, tmp_path: Path) -> None:
        lines = DEFAULT.read_text(encoding="utf-8").splitlines()
        start = lines.index("# [[models]]")

        found = load(tmp_path, "\n".join(line.removeprefix("# ") for line in lines[start:]
                                         if line != "#"))  # fmt: skip

        assert [spec.id for spec in found.models] == [
            "qwen3:0.6b",
            "qwen3:14b",
            "bge-reranker-base",
            "flux-schnell",
            "sdxl-turbo",
            "wan-2.1",
            "ltx-video",
            "whisper-large-v3-turbo",
            "mms-tts-eng",
        ]
        assert found.get("qwen3:14b").directory is None

    @pytest.mark.parametrize(
        ("name", "model"),
        [("dall-e-3", "flux-schnell"), ("gpt-image-1", "flux-schnell"), ("dall-e-2", "sdxl-turbo"),
         ("sora-2", "wan-2.1")],
    )  # fmt: skip
    def test_names_that_clients_know_lead_to_a_model(self, name: str, model: str) -> None:
        assert registry.load_registry(DEFAULT).resolve(name).id == model

    def test_the_free_tier_has_its_models(self) -> None:
        found = registry.load_registry(DEFAULT)

        chosen = [found.free_tier_model(kind) for kind in (Modality.IMAGE, Modality.VIDEO)]
        assert [spec.id for spec in chosen if spec] == ["sdxl-turbo", "ltx-video"]

    def test_decimals_inside_an_options_table_are_ordinary_floats(self, tmp_path: Path) -> None:
        text = GOOD.replace("step_seconds = 0.25", "arguments = { decode_timestep = 0.05 }")

        (value,) = load(tmp_path, text).get("chatty").options["arguments"].values()

        assert type(value) is float

    def test_reads_prices_exactly(self, tmp_path: Path) -> None:
        spec = load(tmp_path, GOOD).get("chatty")

        assert spec.price.rates == {Unit.PROMPT: 150_000, Unit.COMPLETION: 1_500_000}

    def test_fills_in_defaults(self, tmp_path: Path) -> None:
        spec = load(tmp_path, GOOD).get("chatty")

        assert (spec.default_max_tokens, spec.max_batch) == (50, 1)
        assert (spec.waits_in, spec.pinned) == ("chat", False)
        assert spec.options == {"step_seconds": 0.25}
        assert isinstance(spec.options["step_seconds"], float)

    def test_a_model_may_have_a_queue_of_its_own(self, tmp_path: Path) -> None:
        other = GOOD.replace("chatty", "other").replace("lite", "light")
        found = load(tmp_path, f'{GOOD}\n{other}queue = "other-alone"\npinned = true\n')

        assert found.get("other").waits_in == "other-alone"
        assert found.get("other").pinned
        assert found.queues() == ("chat", "other-alone")

    def test_a_queue_is_for_one_modality(self, tmp_path: Path) -> None:
        other = GOOD.replace("chatty", "other").replace("lite", "light")
        other = other.replace('"chat"', '"embedding"').replace("max_output_tokens = 50", "")
        text = f'{GOOD}queue = "alone"\n{other}queue = "alone"\n'

        with pytest.raises(RegistryError, match="queue 'alone' has jobs of chat already"):
            load(tmp_path, text)

    def test_a_local_source_is_relative_to_the_file(self, tmp_path: Path) -> None:
        text = GOOD.replace('backend = "echo"', 'backend = "transformers"\nsource = "./model"')
        text = text.replace("step_seconds = 0.25", 'device = "auto"')

        assert load(tmp_path, text).get("chatty").directory == tmp_path / "model"

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ('id = "chatty"\n', "", "model number 1: id is missing."),
            ('id = "chatty"', "id = 7", "model 7: id is 7; it must be 1 to 128"),
            ("options", 'queue = "Big"\noptions', "queue is 'Big'; it must be 1 to 40 lower-case"),
            ("options", 'queue = "image"\noptions', "queue is 'image'; that queue is taken"),
            ("options", 'pinned = "yes"\noptions', "pinned is 'yes'; it must be true or false"),
            (
                '"chat"',
                '"smell"',
                "chatty: modality is 'smell'; it must be one of audio, chat, embed",
            ),
            (
                '"echo"',
                '"vllm"',
                "backend is 'vllm'; it must be one of diffusers, echo, openai, transformers.",
            ),
            ("context_tokens = 100\n", "", "chatty: context_tokens is missing."),
            ("= 100", "= 0", "context_tokens is 0; it must be a whole number of at least 1."),
            ("= 100", "= true", "context_tokens is True; it must be a whole number"),
            ("= 100", "= 10", "max_output_tokens is 50; it must not be more than context_tok"),
            ('"0.15"', '"0.1234567"', "price.prompt is '0.1234567'; it must be credits per"),
            ('"0.15"', "-1", "price.prompt is -1; it must be credits per million"),
            ('"0.15"', "nan", "price.prompt is NaN; it must be credits per million"),
            ('"0.15"', "inf", "price.prompt is Infinity; it must be credits per million"),
            ('"0.15"', "true", "price.prompt is True; it must be credits per million"),
            ('"0.15"', '"1e3"', "price.prompt is '1e3'; it must be credits per million"),
            ('"0.15"', "1_000_000_000", "price.prompt is 1000000000; it must be credits per"),
            ("prompt = ", "promt = ", "chatty: price.promt is not a known key."),
            ("prompt = ", "promt = ", "chatty: price.prompt is missing."),
            ("prompt = ", "minute = ", "price.minute is no rate of chat models; they have prompt"),
            ('version = "1", ', "", "price.version is missing."),
            ('["lite"]', '"lite"', "aliases is 'lite'; it must be a list of names."),
            ('["lite"]', '["chatty"]', "the name 'chatty' is already taken by model chatty"),
            ("options", "optoins", "chatty: optoins is not a known key."),
            ('"echo"', '"transformers"', "chatty: source is missing."),
            (
                '"0.15"',
                '"1000000000"',
                "per million tokens with at most 6 decimals, 0 to 999999999",
            ),
            ('"echo"', '"echo"\nsource = "model"', "source is 'model'; it must be a directory"),
            ("[[models]]", "[models]", "has no [[models]] table; add one per model."),
            ("[[models]]", "[[models]", "is not valid TOML:"),
            ("[[models]]", "x = 1\n[[models]]", "unknown key 'x'; only [[models]] is known."),
        ],
    )
    def test_names_file_model_and_key(
        self, tmp_path: Path, old: str, new: str, sentence: str
    ) -> None:
        with pytest.raises(RegistryError) as caught:
            load(tmp_path, GOOD.replace(old, new, 1))

        assert any(sentence in problem for problem in caught.value.problems)
        assert all(str(tmp_path / "models.toml") in problem for problem in caught.value.problems)

    def test_reports_all_mistakes_at_once(self, tmp_path: Path) -> None:
        broken = GOOD.replace("= 100", "= 0").replace('["lite"]', "7")

        with pytest.raises(RegistryError) as caught:
            load(tmp_path, broken)

        assert len(caught.value.problems) == 2

    def test_a_missing_file_says_which_setting_names_it(self, tmp_path: Path) -> None:
        with pytest.raises(RegistryError, match="set GENIE_MODELS_FILE"):
            registry.load_registry(tmp_path / "none.toml")


MEDIA = """
[[models]]
id = "media"
modality = "{modality}"
backend = "studio"
context_tokens = 1
[models.price]
version = "7"
{price}
"""


def media_price(tmp_path: Path, modality: Modality, price: str) -> Price:
    """Read the price of a model of a modality, as a backend that runs it would have it read."""
    path = tmp_path / "models.toml"
    path.write_text(MEDIA.format(modality=modality, price=price), encoding="utf-8")
    (spec,) = read_models(path, backends=[("studio", modality)])
    return spec.price


class TestPriceOfEveryModality:
    @pytest.mark.parametrize(
        ("modality", "key", "unit"),
        [
            (Modality.IMAGE, "megapixel_step", Unit.MEGAPIXEL_STEP),
            (Modality.VIDEO, "megapixel_second", Unit.MEGAPIXEL_SECOND),
            (Modality.AUDIO, "minute", Unit.MINUTE),
            (Modality.AUDIO, "thousand_characters", Unit.THOUSAND_CHARACTERS),
        ],
    )
    def test_is_one_rate(self, tmp_path: Path, modality: Modality, key: str, unit: Unit) -> None:
        price = media_price(tmp_path, modality, f'{key} = "0.000125"')

        assert price == Price(version="7", rates={unit: 125})

    def test_of_embeddings_needs_no_rate_for_what_they_never_generate(self, tmp_path: Path) -> None:
        price = media_price(tmp_path, Modality.EMBEDDING, 'prompt = "0.02"')

        assert price.rates == {Unit.PROMPT: 20_000, Unit.COMPLETION: 0}

    @pytest.mark.parametrize(
        ("modality", "price", "sentence"),
        [
            (Modality.IMAGE, "", "price.megapixel_step is missing."),
            (Modality.IMAGE, "prompt = 1", "price.prompt is no rate of image models; they have "),
            (Modality.IMAGE, "megapixel_step = -1", "it must be credits per megapixel and step"),
            (Modality.VIDEO, "megapixel_second = nan", "credits per megapixel and second"),
            (Modality.VIDEO, "megapixel_step = 1", "price.megapixel_second is missing."),
            (Modality.AUDIO, "minute = []", "price.minute is []; it must be credits per minute"),
            (Modality.AUDIO, "", "price needs minute (a model that transcribes) or"),
            (Modality.AUDIO, "minute = 1\nthousand_characters = 1", "speaks), not both."),
        ],
    )
    def test_tells_a_wrong_one_in_a_sentence(
        self, tmp_path: Path, modality: Modality, price: str, sentence: str
    ) -> None:
        with pytest.raises(RegistryError) as caught:
            media_price(tmp_path, modality, price)

        assert any(sentence in problem for problem in caught.value.problems), caught.value.problems


class TestAPriceThatNobodyCouldPay:
    """A request must stay below a billion credits: more cannot be held."""

    @pytest.mark.parametrize(("rate", "old"), [("prompt", '"0.15"'), ("completion", "1.5")])
    def test_is_told_with_what_a_request_would_cost(
        self, tmp_path: Path, rate: str, old: str
    ) -> None:
        dear = GOOD.replace("= 100\n", "= 2000000\n").replace(old, '"500000000"')

        with pytest.raises(RegistryError) as caught:
            load(tmp_path, dear)

        (problem,) = caught.value.problems
        assert problem.endswith(
            f"model chatty: price.{rate} makes a request of 2000000 tokens (context_tokens) cost "
            "1000000000 credits; it must stay below 1000000000. Lower the price."
        )

    def test_one_that_is_just_below_is_taken(self, tmp_path: Path) -> None:
        dear = GOOD.replace("= 100\n", "= 1000000\n").replace('"0.15"', '"999999999"')

        assert load(tmp_path, dear).get("chatty").price.rates[Unit.PROMPT] == 999_999_999 * 10**6


class TestRegistry:
    def test_resolves_ids_and_aliases(self, tmp_path: Path) -> None:
        found = load(tmp_path, GOOD)

        assert found.resolve("lite") is found.resolve("chatty")

    def test_get_takes_no_alias(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownModel, match="'lite'"):
            load(tmp_path, GOOD).get("lite")

    def test_an_unknown_name_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownModel, match="'gpt'"):
            load(tmp_path, GOOD).resolve("gpt")

    def test_lists_a_modality(self) -> None:
        found = registry.load_registry(DEFAULT)

        ids = [spec.id for spec in found.for_modality(Modality.EMBEDDING)]

        assert ids == ["genie-tiny-embedding", "echo-embedding"]
