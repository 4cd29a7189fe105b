"""Turns token ids into text as they come, never with half a character."""

import tokenizers
from tokenizers.decoders import DecodeStream


class IncrementalText:
    """The text of one growing list of token ids.

    A character may be spread over several tokens, so push() holds an incomplete one back. What is
    still incomplete at the end comes out of flush() as U+FFFD. All pieces joined are what the
    tokenizer makes of the whole list.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._ids: list[int] = []
        self._released = 0  # characters

    def push(self, token_id: int) -> str:
        """Take one token; return the text that is complete with it, often nothing."""
        self._ids.append(token_id)
        text = self._stream.step(self._tokenizer, token_id) or ""
        self._released += len(text)
        return text

    def flush(self) -> str:
        """Return what was held back, when no more tokens come."""
        text = str(self._tokenizer.decode(self._ids, skip_special_tokens=True))
        rest = text[self._released :]
        self._released = len(text)
        return rest
