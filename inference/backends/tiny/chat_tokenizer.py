"""Trains the chat model's byte-level BPE tokenizer, and turns dialogues into token ids for training."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

from inference.backends.tiny.dialogue import Dialogue

VOCABULARY = 1024
CONTEXT_TOKENS = 8192
END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Not special, as in Qwen's own tokenizers: a decoder that skips special tokens keeps these.
TOOL_TAGS = ("<tool_call>", "</tool_call>", "<tools>", "</tools>", "<tool_response>", "</tool_response>")  # fmt: skip

# One token per digit, so that a number is read by place value. A space belongs to the piece before
# it: the first word of an answer then has the tokens it had in the middle of the prompt.
_PIECES = r"\p{N}|[\p{L}\p{M}]+ ?|[^\s\p{L}\p{M}\p{N}]+ ?|\s"
_SPACE = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"  # how byte-level BPE writes a space
# See Note [Merges with a space].
_WITH_SPACE = 300
_TEMPLATE = Path(__file__).parent / "chat_template.jinja"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Token ids of one dialogue, and which of them the model is to predict."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]  # True at the assistant's tokens, its end mark included


# Note [Merges with a space]
# Ordinary training would learn merges such as "e" + " " early, and then cut a word in other places
# when a space follows it. Copying a made-up word would mean spelling it anew. So the merges of
# letters are learned on words without spaces, and merges of a last piece with the space come after
# all of them: a word has the same pieces everywhere, the last with or without its space.


def train(dialogues: Iterable[Dialogue]) -> transformers.PreTrainedTokenizerFast:
    """Return a tokenizer whose merges come from these dialogues."""
    texts = list(_texts(dialogues))
    room = VOCABULARY - len(TOOL_TAGS)
    letters = _trained(texts, size=room - _WITH_SPACE)
    raw = _extended(letters, _last_pieces(letters, texts)[:_WITH_SPACE])
    raw.add_special_tokens([END_OF_TEXT, START, END])
    raw.add_tokens([tokenizers.AddedToken(tag, normalized=False) for tag in TOOL_TAGS])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START],
        chat_template=_TEMPLATE.read_text(encoding="utf-8"),
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def render(
    tokenizer: transformers.PreTrainedTokenizerFast, dialogue: Dialogue, *, ask: bool = False
) -> str:
    """Return a dialogue as text; with `ask`, without the last answer and open for a new one."""
    messages = list(dialogue.messages[:-1] if ask else dialogue.messages)
    rendered: str = tokenizer.apply_chat_template(
        messages,
        tools=list(dialogue.tools) or None,
        tokenize=False,
        add_generation_prompt=ask,
    )
    return rendered


def answer_of(tokenizer: transformers.PreTrainedTokenizerFast, dialogue: Dialogue) -> str:
    """Return the text of the last answer, calls included, as the model should write it."""
    whole, asked = render(tokenizer, dialogue), render(tokenizer, dialogue, ask=True)
    return whole.removeprefix(asked).removesuffix("\n").removesuffix(END)


def encode(
    tokenizer: transformers.PreTrainedTokenizerFast, dialogues: Sequence[Dialogue]
) -> list[Encoded]:
    """Return the dialogues as ids with the assistant's tokens marked."""
    texts = [render(tokenizer, dialogue).removesuffix("\n") for dialogue in dialogues]
    raw = tokenizer.backend_tokenizer
    opening = raw.encode(f"{START}assistant\n", add_special_tokens=False).ids
    end = raw.token_to_id(END)
    encodings = raw.encode_batch_fast(texts, add_special_tokens=False)
    return [_marked(encoding.ids, opening, end) for encoding in encodings]


def _marked(ids: list[int], opening: list[int], end: int) -> Encoded:
    learned = [False] * len(ids)
    place = 0
    while place < len(ids):
        if ids[place : place + len(opening)] != opening:
            place += 1
            continue
        place += len(opening)
        stop = ids.index(end, place) + 1
        learned[place:stop] = [True] * (stop - place)
        place = stop
    return Encoded(ids=tuple(ids), learned=tuple(learned))


def _texts(dialogues: Iterable[Dialogue]) -> Iterator[str]:
    for dialogue in dialogues:
        for message in dialogue.messages:
            yield f"{message['role']}\n"
            yield str(message["content"])
        for tool in dialogue.tools:
            yield str(tool).replace("'", '"')


def _trained(texts: Sequence[str], *, size: int) -> tokenizers.Tokenizer:
    raw = _with_pieces(models.BPE(), _PIECES.replace(" ?", ""))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END_OF_TEXT, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer=trainer)
    return raw


def _last_pieces(letters: tokenizers.Tokenizer, texts: Sequence[str]) -> list[str]:
    """Return the tokens that a space follows, the most frequent first."""
    found: Counter[str] = Counter()
    for encoding in letters.encode_batch(list(texts), add_special_tokens=False):
        for token, following in itertools.pairwise(encoding.tokens):
            if following == _SPACE and token != _SPACE and not token.isdigit():
                found[token] += 1
    return [token for token, _ in sorted(found.items(), key=lambda item: (-item[1], item[0]))]


def _extended(letters: tokenizers.Tokenizer, pieces: Sequence[str]) -> tokenizers.Tokenizer:
    model = json.loads(letters.to_str())["model"]
    vocabulary, merges = dict(model["vocab"]), [tuple(pair) for pair in model["merges"]]
    for piece in pieces:
        vocabulary[piece + _SPACE] = len(vocabulary)
        merges.append((piece, _SPACE))
    raw = _with_pieces(models.BPE(vocab=vocabulary, merges=merges), _PIECES)
    raw.decoder = decoders.ByteLevel()
    return raw


def _with_pieces(model: models.BPE, pattern: str) -> tokenizers.Tokenizer:
    raw = tokenizers.Tokenizer(model)
    raw.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    return raw
