"""Every mistake in the entry of an upstream is told in one sentence, before anything starts."""

from pathlib import Path

import pytest

from inference import registry, upstreams
from inference.errors import RegistryError
from inference.prompt_tokenizer import PromptTokenizer
from inference.registry import Registry
from inference.specs import ModelSpec
from inference.tokenization import BoundCounter, counter_for
from inference.upstreams import Check
from tests.unit.inference.specs import echo_spec

CHECKPOINT = Path(registry.__file__).with_name("checkpoints") / "genie-tiny-chat"
GOOD = """
[[models]]
id = "far"
modality = "chat"
backend = "openai"
source = "http://gpu7:8000/v1/"
context_tokens = 100
max_output_tokens = 50
price = { version = "1", prompt = "0.15", completion = 1.5 }
options = { model = "Qwen/Qwen3-0.6B", stall_seconds = 2.5 }
"""


def load(tmp_path: Path, text: str) -> ModelSpec:
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return registry.load_registry(path).get("far")


class TestEntry:
    def test_becomes_an_upstream(self, tmp_path: Path) -> None:
        spec = load(tmp_path, GOOD)

        found = upstreams.upstream_of(spec)

        assert found.base_url == "http://gpu7:8000/v1"
        assert found.model == "Qwen/Qwen3-0.6B"
        assert found.stall_s == 2.5
        assert found.check is Check.LIST
        assert spec.directory is None

    def test_is_called_by_its_id_where_nothing_else_is_said(self, tmp_path: Path) -> None:
        spec = load(tmp_path, GOOD.replace('model = "Qwen/Qwen3-0.6B", ', ""))

        assert upstreams.upstream_of(spec).model == "far"

    def test_takes_paths_from_the_file_on(self, tmp_path: Path) -> None:
        text = GOOD.replace("stall_seconds = 2.5", 'tokenizer = "./tok", ca_file = "../ca.pem"')

        spec = load(tmp_path, text)

        assert spec.tokenizer_source == str(tmp_path / "tok")
        assert upstreams.upstream_of(spec).ca_file == str(tmp_path.parent / "ca.pem")

    def test_has_plain_numbers_in_the_fields_that_are_sent(self, tmp_path: Path) -> None:
        text = GOOD.replace("stall_seconds = 2.5", "body = { a = { b = [0.5] } }")

        assert upstreams.upstream_of(load(tmp_path, text)).body == {"a": {"b": [0.5]}}

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("http://gpu7:8000/v1/", "./model", "source is './model'; it must be a URL such as"),
            ("http://gpu7", "ftp://gpu7", "it must be a URL such as"),
            ("http://gpu7", "http://me:secret@gpu7", "it must be a URL such as"),
            ("/v1/", "/v1?key=secret", "it must be a URL such as"),
            (":8000", ":eight", "it must be a URL such as"),
            ("gpu7:8000", "", "it must be a URL such as"),
            ('source = "http://gpu7:8000/v1/"\n', "", "far: source is missing."),
            ("stall_seconds = 2.5", "stall_secs = 2", "options.stall_secs is not a known option"),
            ("= 2.5", "= 0", "options.stall_seconds is 0; it must be a number of seconds above 0"),
            ("= 2.5", "= true", "options.stall_seconds is True; it must be a number of seconds"),
            ('"Qwen/Qwen3-0.6B"', "7", "options.model is 7; it must be a text in quotes."),
            ("stall_seconds = 2.5", 'check = "no"', "options.check is 'no'; it must be one of"),
            ("stall_seconds = 2.5", 'omit = "seed"', "options.omit is 'seed'; it must be a list"),
            ("stall_seconds = 2.5", 'body = { model = "x" }', "it must be a table of fields, none"),
            ("stall_seconds = 2.5", 'max_tokens_field = "n"', "it must be one of max_tokens, max"),
            ("stall_seconds = 2.5", 'tokenizer = "tok"', "it must be a directory that begins"),
            ("stall_seconds = 2.5", 'ca_file = "ca.pem"', "it must be a path that begins with"),
        ],
    )
    def test_names_each_mistake(self, tmp_path: Path, old: str, new: str, sentence: str) -> None:
        with pytest.raises(RegistryError) as caught:
            load(tmp_path, GOOD.replace(old, new, 1))

        assert any(sentence in problem for problem in caught.value.problems)

    def test_does_not_repeat_a_key_that_stands_where_its_name_belongs(self, tmp_path: Path) -> None:
        text = GOOD.replace("stall_seconds = 2.5", 'api_key_env = "sk-secret"')

        with pytest.raises(RegistryError) as caught:
            load(tmp_path, text)

        (problem,) = caught.value.problems
        assert "options.api_key_env must be the name of an environment variable" in problem
        assert "sk-secret" not in problem

    def test_of_another_backend_takes_no_url(self, tmp_path: Path) -> None:
        text = GOOD.replace('"openai"', '"transformers"')

        with pytest.raises(RegistryError, match="it must be a directory that begins"):
            load(tmp_path, text)

    def test_that_came_from_no_file_is_refused_too(self) -> None:
        with pytest.raises(ValueError, match=r"options\.model is 7"):
            upstreams.upstream_of(echo_spec(options={"model": 7}))


class TestPromptTokens:
    def test_are_bounded_where_no_tokenizer_is_named(self, tmp_path: Path) -> None:
        assert isinstance(counter_for(load(tmp_path, GOOD)), BoundCounter)

    def test_are_bounded_where_the_files_are_not_here(self, tmp_path: Path) -> None:
        text = GOOD.replace("stall_seconds = 2.5", 'tokenizer = "./nothing"')

        assert isinstance(counter_for(load(tmp_path, text)), BoundCounter)

    def test_are_counted_with_the_tokenizer_that_is_named(self, tmp_path: Path) -> None:
        text = GOOD.replace("stall_seconds = 2.5", f'tokenizer = "{CHECKPOINT}"')

        counter = counter_for(load(tmp_path, text))

        assert isinstance(counter, PromptTokenizer)
        assert counter.count_chat([{"role": "user", "content": "Hello"}]) == 9


def test_the_example_of_the_handbook_is_right(tmp_path: Path) -> None:
    page = Path(registry.__file__).parents[1] / "docs/how-to/front-an-openai-server.md"
    entries = page.read_text(encoding="utf-8").split("```toml\n")[1:]
    path = tmp_path / "models.toml"
    path.write_text("\n".join(entry.split("```")[0] for entry in entries), encoding="utf-8")

    found: Registry = registry.load_registry(path)

    assert {spec.backend for spec in found.models} == {"openai"}
    assert len(found.models) >= 4
