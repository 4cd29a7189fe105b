"""The tokenizer of one checkpoint, with its chat template: messages and texts as token ids."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from inference import toolcalls
from inference.errors import ModelLoadFailed
from inference.specs import ModelSpec
from inference.templates import CLOSE, OPEN, ChatTemplate
from inference.toolcalls import CallForm

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]  # in OpenAI's shape
Inputs = Sequence[str | Sequence[int]]

SPECIAL_TOKENS_OF_A_TEXT = 8  # more than any post-processor adds to one text

# Note [Control tokens]
# A caller may write the text of a control token, such as <|im_end|>, into a message. Encoded as
# the control token it would end the message and let the caller speak as another role. So each
# occurrence is wrapped in two private-use characters before the template runs, and encoded as
# ordinary text afterwards. Without occurrences the ids are those of apply_chat_template.


class PromptTokenizer:
    """The tokenizer and the chat template of one checkpoint directory."""

    is_exact = True

    def __init__(self, directory: Path, *, template_options: Mapping[str, Any]) -> None:
        self.raw = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.raw.no_truncation()
        self.raw.no_padding()
        self._plain = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._plain.no_truncation()
        self._plain.no_padding()
        self._plain.encode_special_tokens = True
        config = read_json(directory / "tokenizer_config.json")
        source = _template_source(directory, config)
        self._template_source = source or ""
        self._template = _template_of(source, config, template_options)
        end = config.get("eos_token")
        end = end["content"] if isinstance(end, dict) else end
        self.end_of_text_id: int | None = self.raw.token_to_id(end) if end else None
        added = self.raw.get_added_tokens_decoder().values()
        special = [re.escape(token.content) for token in added if token.special]
        longest_first = sorted(special, key=len, reverse=True)
        self._control = re.compile("|".join(longest_first) or r"(?!)")

    def call_form(self, spec: ModelSpec) -> CallForm | None:
        """Return how the model writes tool calls; None if its template does not tell.

        Raises:
            ModelLoadFailed: the models file names a form that is none.
        """
        try:
            return toolcalls.form_of(spec, self._template_source)
        except ValueError:
            known = ", ".join(CallForm)
            raise ModelLoadFailed(
                f"Option tool_calls of model {spec.id} must be one of {known}."
            ) from None

    def chat_ids(self, messages: Messages, tools: Tools = ()) -> list[int]:
        """Return the token ids of a prompt.

        Raises:
            InputRejected: the template refuses the messages.
        """
        prompt = self._render(messages, tools)
        if OPEN not in prompt:
            return list(self.raw.encode(prompt, add_special_tokens=False).ids)
        ids: list[int] = []
        for number, piece in enumerate(re.split(f"{OPEN}(.*?){CLOSE}", prompt, flags=re.DOTALL)):
            tokenizer = self._plain if number % 2 else self.raw
            ids += tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def text_ids(self, text: str) -> list[int]:
        """Return the token ids of one text, with the special tokens the model expects around it."""
        return list(self.raw.encode(text).ids)

    def encode_plain(self, text: str) -> Any:
        """Return the encoding of a text alone: no special token before, behind or within it."""
        return self._plain.encode(text, add_special_tokens=False)

    def count_chat(self, messages: Messages, tools: Tools = ()) -> int:
        """Return the tokens of a prompt, those of the chat template included."""
        return len(self.chat_ids(messages, tools))

    def upper_bound_chat(self, messages: Messages, tools: Tools = ()) -> int:
        """Return at least count_chat(messages, tools): no token has less than one byte."""
        return self._normal_bytes(self._render(messages, tools)) + SPECIAL_TOKENS_OF_A_TEXT

    def count_texts(self, inputs: Inputs) -> int:
        """Return the tokens of all inputs together, special tokens included."""
        return sum(
            len(self.text_ids(item)) if isinstance(item, str) else len(item) for item in inputs
        )

    def upper_bound_texts(self, inputs: Inputs) -> int:
        """Return at least count_texts(inputs)."""
        return sum(
            self._normal_bytes(item) + SPECIAL_TOKENS_OF_A_TEXT
            if isinstance(item, str)
            else len(item)
            for item in inputs
        )

    def _render(self, messages: Messages, tools: Tools) -> str:
        if self._template is None:
            raise ModelLoadFailed("The model has no chat template, so it cannot be used for chat.")
        return self._template.render(
            [_marked(_with_parsed_calls(message), self._control) for message in messages],
            tools=[_marked(_shown(tool), self._control) for tool in tools],
        )

    def _normal_bytes(self, text: str) -> int:
        # Normalisation may lengthen a text (a letter taken apart), so count what comes out of it.
        normalizer = self.raw.normalizer
        normal = normalizer.normalize_str(text) if normalizer is not None else text
        return max(len(text.encode()), len(normal.encode()))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; an empty one where there is no file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _template_source(directory: Path, config: Mapping[str, Any]) -> str | None:
    beside = directory / "chat_template.jinja"
    source = beside.read_text(encoding="utf-8") if beside.is_file() else config.get("chat_template")
    if isinstance(source, list):  # several named templates
        source = {entry["name"]: entry["template"] for entry in source}.get("default")
    return source


def _template_of(
    source: str | None, config: Mapping[str, Any], options: Mapping[str, Any]
) -> ChatTemplate | None:
    if source is None:
        return None
    tokens = {
        key: value["content"] if isinstance(value, dict) else value
        for key, value in config.items()
        if key.endswith("_token") and value is not None and not isinstance(value, bool)
    }
    return ChatTemplate(source, variables={**tokens, **options})


def _shown(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as a model is shown it: whether it is strict is not for the model."""
    function = {key: value for key, value in tool["function"].items() if key != "strict"}
    return {**tool, "function": function}


def _with_parsed_calls(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message with the arguments of its calls as objects, as templates expect them."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    parsed = [
        {
            **call,
            "function": {**call["function"], "arguments": _parsed(call["function"]["arguments"])},
        }
        for call in calls
    ]
    return {**message, "tool_calls": parsed}


def _parsed(arguments: str) -> Any:
    try:
        found = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments  # cut off by a limit, in an earlier answer
    return found if isinstance(found, dict) else arguments


def _marked(value: Any, control: re.Pattern[str]) -> Any:
    """Wrap control tokens in every string of a message. See Note [Control tokens]."""
    if isinstance(value, str):
        plain = value.replace(OPEN, "").replace(CLOSE, "")
        return control.sub(f"{OPEN}\\g<0>{CLOSE}", plain)
    if isinstance(value, Mapping):
        # Keys too: a caller names the properties of a tool, and the arguments of a call.
        return {_marked(key, control): _marked(item, control) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_marked(item, control) for item in value]
    return value
