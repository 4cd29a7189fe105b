"""Transcription with transformers: a recording is decoded, cut into windows, and written down."""

import dataclasses
import gc
import itertools
from collections.abc import Iterator

import numpy as np
import torch

from inference import recordings
from inference.backends import fallback, loading, transcripts, windows
from inference.backends.fallback import Quality
from inference.backends.listening import Heard, Manner, Scribe, Written
from inference.backends.serial import Run, SerialBackend, generation_failed
from inference.backends.windows import Window
from inference.errors import EngineClosed, InferenceError, InputRejected, OutOfMemory
from inference.specs import ModelSpec
from inference.types import (
    Decoding,
    Request,
    Result,
    Segment,
    Span,
    TranscriptionRequest,
    TranscriptionResult,
    Usage,
)

_WINDOWS_ON_CUDA = 8  # heard at once; option max_batch_windows
_SILENCE = (
    1e-4  # of full scale; below it there is nothing to hear, and a model would make things up
)


class TranscriptionBackend(SerialBackend):
    """One Whisper model in this process.

    A recording is read only as fast as it is heard, so a long one takes no more memory than a
    short one. With temperature 0, or with a seed, the same recording has the same text.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._scribe: Scribe | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do; times of words only where the checkpoint names its alignment heads."""
        found = {"transcription", "seed"}
        if self._scribe is not None and self._scribe.tells_words:
            found.add("word-timestamps")
        return frozenset(found)

    def open(self) -> None:
        """Bring the model into memory.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: there is no room for the model.
        """
        self._scribe = loading.guarded(self.spec, lambda: Scribe(self.spec))

    def memory_bytes(self) -> int:
        """Return what the weights take."""
        return 0 if self._scribe is None else self._scribe.memory_bytes

    def release(self) -> None:
        """Free the memory."""
        self._scribe = None
        gc.collect()

    def refuse(self, request: Request) -> None:
        """Refuse other requests, and languages and word times that the model does not know."""
        if not isinstance(request, TranscriptionRequest):
            raise InputRejected(f"Model {self.spec.id} writes down recordings only.", field="model")
        scribe = self._open_scribe()
        if request.language is not None and request.language not in scribe.languages:
            raise InputRejected(
                f"Model {self.spec.id} does not know language {request.language[:16]!r}; give its "
                "code of two letters, such as en, or leave it out.",
                field="language",
            )
        if request.with_words and not scribe.tells_words:
            raise InputRejected(
                f"Model {self.spec.id} cannot tell the times of words; ask for segments.",
                field="timestamp_granularities",
            )

    def run(self, run: Run) -> Result:
        """Hear the recording, some windows at a time."""
        request = run.request
        assert isinstance(request, TranscriptionRequest)  # noqa: S101 - `refuse` has checked it
        scribe = self._open_scribe()
        most_ms = min(request.duration_ms, self.spec.media.max_seconds * 1000)
        total_ms = min(recordings.probe(request.audio).duration_ms, most_ms)
        pieces = recordings.sound(request.audio, rate=scribe.rate, most_ms=most_ms, check=run.check)
        transcript = _Transcript(scribe, request, run)
        for batch in _batches(
            windows.windows(pieces, rate=scribe.rate, most=scribe.window),
            size=self._windows_at_once(scribe, request),
        ):
            transcript.add(batch)
            run.advance(transcript.heard_ms / total_ms, usage=Usage(parts=transcript.heard_ms))
        return transcript.result()

    def failure_of(self, error: Exception) -> InferenceError:
        """Return what callers are told about an exception."""
        if loading.is_out_of_memory(error):
            return OutOfMemory("The device ran out of memory while it wrote the recording down.")
        return generation_failed()

    def _windows_at_once(self, scribe: Scribe, request: TranscriptionRequest) -> int:
        if request.with_words:
            return 1  # the times come from the attention of every step, which is kept till the end
        usual = _WINDOWS_ON_CUDA if scribe.device.type == "cuda" else 1
        return int(self.spec.options.get("max_batch_windows", usual))

    def _open_scribe(self) -> Scribe:
        if self._scribe is None:
            raise EngineClosed
        return self._scribe


class _Transcript:
    """What was written down so far."""

    def __init__(self, scribe: Scribe, request: TranscriptionRequest, run: Run) -> None:
        self._scribe, self._request, self._run = scribe, request, run
        self._language = request.language
        self._texts: list[str] = []
        self._segments: list[Segment] = []
        self._words: list[Span] = []
        self.heard_ms = 0

    def add(self, batch: list[Window]) -> None:
        """Hear the next windows."""
        loud = [window for window in batch if np.abs(window.samples).max() >= _SILENCE]
        for window, written in self._written(loud):
            self._take(window, written)
        self.heard_ms = self._ms(batch[-1].end)

    def result(self) -> TranscriptionResult:
        """Return the whole; a recording of silence says nothing, in the language asked for."""
        return TranscriptionResult(
            text="".join(self._texts).strip(),
            language=self._language or "en",
            duration_ms=self.heard_ms,
            segments=tuple(self._segments),
            words=tuple(self._words),
            usage=Usage(parts=self.heard_ms),
        )

    def _written(self, batch: list[Window]) -> Iterator[tuple[Window, Written]]:
        """Yield what each window says; where memory runs out, hear half as many at once."""
        if not batch:
            return
        try:
            found = self._write(batch)
        except Exception as error:
            if len(batch) == 1 or not loading.is_out_of_memory(error):
                raise
            found = None
        if found is not None:
            yield from zip(batch, found, strict=True)
            return
        if self._scribe.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(batch) // 2
        yield from self._written(batch[:half])
        yield from self._written(batch[half:])

    def _write(self, batch: list[Window]) -> list[Written]:
        heard = self._scribe.hear([window.samples for window in batch])
        self._run.check()
        if self._language is None:
            self._language = self._scribe.language_of(heard)
        manner = Manner(
            language=self._language,
            prompt=self._request.prompt,
            temperature=self._request.temperature,
            with_words=self._request.with_words,
        )
        seeds = [self._request.seed + window.start for window in batch]
        found = self._scribe.write(heard, manner=manner, seeds=seeds, check=self._run.check)
        return found if manner.temperature else self._again(found, heard, manner, seeds)

    def _again(
        self, found: list[Written], heard: Heard, manner: Manner, seeds: list[int]
    ) -> list[Written]:
        """Write those windows again, at rising temperatures, that came out poorly; keep the best."""
        tries = [[(self._quality(one), one)] for one in found]
        for temperature in fallback.TEMPERATURES:
            poor = [number for number, one in enumerate(tries) if one[-1][0].is_poor]
            if not poor:
                break
            again = self._scribe.write(
                heard.only(poor),
                manner=dataclasses.replace(manner, temperature=temperature),
                seeds=[seeds[number] for number in poor],
                check=self._run.check,
            )
            for number, one in zip(poor, again, strict=True):
                tries[number].append((self._quality(one), one))
        return [one[fallback.best([quality for quality, _ in one])][1] for one in tries]

    def _quality(self, written: Written) -> Quality:
        text = self._scribe.text_of([one for one in written.ids if one < self._scribe.first_mark])
        return fallback.quality_of(text, logprob=written.logprob)

    def _take(self, window: Window, written: Written) -> None:
        scribe = self._scribe
        clock = transcripts.Clock(
            first_mark=scribe.first_mark,
            mark_ms=scribe.mark_ms,
            start_ms=self._ms(window.start),
            length_ms=self._ms(len(window.samples)),
        )
        text = [token for token in written.ids if token < scribe.first_mark]
        self._texts.append(scribe.text_of(text))
        self._segments += transcripts.segments(
            written.ids,
            clock=clock,
            decode=scribe.text_of,
            decoding=self._decoding(window, written),
        )
        if self._request.with_words:
            self._words += transcripts.words(
                written.ids,
                written.seconds,
                clock=clock,
                decode=scribe.text_of,
                language=self._language or "en",
            )

    def _decoding(self, window: Window, written: Written) -> Decoding:
        return Decoding(
            seek=window.start // self._scribe.hop,
            temperature=written.temperature,
            logprob=written.logprob,
            repetition=self._quality(written).repetition,
            silence=written.silence,
        )

    def _ms(self, samples: int) -> int:
        return samples * 1000 // self._scribe.rate


def _batches(found: Iterator[Window], *, size: int) -> Iterator[list[Window]]:
    while batch := list(itertools.islice(found, size)):
        yield batch
