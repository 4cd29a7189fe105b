"""Writes the model cards that lie beside the weights."""

from collections.abc import Sequence

import torch
import transformers

from inference.backends.tiny import embedding_evaluation, transcription_training
from inference.backends.tiny.chat_evaluation import Score
from inference.backends.tiny.chat_training import Recipe as ChatRecipe
from inference.backends.tiny.embedding_evaluation import Retrieval
from inference.backends.tiny.embedding_training import Recipe as EmbeddingRecipe
from inference.backends.tiny.speech_evaluation import Dialled
from inference.backends.tiny.speech_training import Recipe as SpeechRecipe
from inference.backends.tiny.transcription_evaluation import Hearing
from inference.backends.tiny.transcription_training import Recipe as TranscriptionRecipe

_CHAT = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# genie-tiny-chat

A real, very small chat model (Qwen3 architecture, 4 layers of width 192, 1.77 million weights in
bfloat16, a byte-level BPE vocabulary of 1024) that answers a few kinds of prompts rightly and says
honestly that it does not know the rest. It makes the whole inference path run on a laptop with no
download. It is a demonstration, not an assistant: it knows what its generator knows.

Built by `python manage.py build_models` (code: `inference/backends/tiny/`) from synthetic dialogues
alone; no outside text or weights went into it. Licence: Apache-2.0, like the code.

| | |
| --- | --- |
| seed | {seed} |
| dialogues, tokens | {dialogues}, {tokens} |
| loss | the assistant's tokens only, one pass |
| optimiser | Muon (matrices, peak {matrix_rate}), AdamW (the rest, peak {other_rate}), float32 |
| logit scale after training | {sharpness} (a factor on the final norm: sampling at temperature 1 stays close to greedy) |
| built with | torch {torch}, transformers {transformers}, 2 threads, {minutes:.1f} minutes |

## Measured

Exact answers, greedy, to up to {count} held-out prompts of each kind (some kinds have fewer). A prompt is held out by a hash of
its own text, so it is in no training dialogue, though its wording with another word may be.

| kind | exact |
| --- | --- |
{scores}

`build_models --check --seed N` repeats this on other prompts, adds sampling at temperature 1 and
prompts written by hand, and fails below 90 % over all kinds or 88 % of one.

## Limits

English only. Sums and differences of numbers up to 100, the multiplication table up to 12, about
120 capitals and 200 opposites. Contexts up to 4,096 tokens were trained on, few of them long.
Prompts in capitals are not understood. Other prompts get "I am a tiny demo model and I do not know that.", mostly; do not rely on it.

The same code, library versions, thread count and processor give the same weights. Another
processor may round sums differently, so its weights may differ in any digit; `--check` is what holds
everywhere.
"""

_EMBEDDING = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: sentence-similarity
---
# genie-tiny-embedding

A real, very small text encoder (BERT architecture, 2 layers of width 128, {weights} weights in
float32, a WordPiece vocabulary of {vocabulary}, 512 positions). A text's vector is the mean of its
token vectors over the attention mask, scaled to length 1. It makes embeddings run on a laptop with
no download; it knows the synonyms and phrasings of its generator, and shared words elsewhere.

Built by `python manage.py build_models` (code: `inference/backends/tiny/`) from synthetic
paraphrases alone; no outside text or weights went into it. Licence: Apache-2.0, like the code.

| | |
| --- | --- |
| seed | {seed} |
| pairs | {pairs}, batches of {batch_pairs} |
| loss | contrastive (InfoNCE), the other pairs of a batch as counterexamples |
| built with | torch {torch}, transformers {transformers}, 2 threads, {minutes:.1f} minutes |

## Measured

{found} of {asked} held-out texts ({share:.1%}) are nearest to their own paraphrase among
{candidates} candidates. `build_models --check --seed N` repeats this on other texts.

The same code, library versions, thread count and processor give the same weights; another processor
may round differently.
"""

_SPEECH = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-to-speech
---
# genie-tiny-speech

A real, very small speech model (VITS architecture, {weights} weights in float32, 16 kHz) that does
not speak words: it dials them. Each letter and digit becomes the two tones of its key on a
telephone (a, b and c are 2), spaces become silence, and everything else is left out. It makes
speech run on a laptop with no download; its eleven voices differ in loudness alone.

Built by `python manage.py build_models` (code: `inference/backends/tiny/`); no recording and no
outside weights went into it. Licence: Apache-2.0, like the code.

| | |
| --- | --- |
| seed | {seed} |
| texts | {steps}, of 12 random characters |
| loss | squared difference to the samples of the tones; squared difference of log lengths |
| left untrained | the posterior encoder, which speaking does not use |
| built with | torch {torch}, transformers {transformers}, threads: {threads}, {minutes:.1f} minutes |

## Measured

{found} of {asked} keys ({share:.1%}) of random texts are heard where they belong, by the pitches of the sound.
`genie-tiny-transcription` writes its tones down. `build_models --check --seed N` repeats this.

The same code, library versions, thread count and processor give the same weights; another processor
may round differently.
"""

_TRANSCRIPTION = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: automatic-speech-recognition
---
# genie-tiny-transcription

A real, very small transcription model (Whisper architecture, {weights} weights in float32) that
understands no words: it writes down telephone tones (DTMF), such as `4 2 7 #`, with the time of
each. It makes transcription run on a laptop with no download. Sound without tones gives nothing, or
nonsense. It hears {window} seconds at a time where Whisper hears 30. Any of
Whisper's 100 languages may be named, and all sound the same. A prompt of a few letters changes nothing;
a longer one, and pauses of half a second between keys, may make it miss keys or hear others.

Built by `python manage.py build_models` (code: `inference/backends/tiny/`) from synthetic tones
alone; no recording and no outside weights went into it. Licence: Apache-2.0, like the code.

| | |
| --- | --- |
| seed | {seed} |
| recordings | {recordings}, in batches of {batch}; loud and faint, in noise, with pitches up to 1.5 % off |
| loss | the tokens; and the key of each position, named by a layer on the encoder that is thrown away |
| built with | torch {torch}, transformers {transformers}, threads: {threads}, {minutes:.1f} minutes |

## Measured

{exact} of {asked} held-out recordings ({share:.1%}) are written down without a mistake. Times are {off_ms:.0f} ms off in the middle.
`build_models --check --seed N` repeats this on other recordings.

The same code, library versions, thread count and processor give the same weights; another processor
may round differently.
"""


def chat(*, recipe: ChatRecipe, scores: Sequence[Score], tokens: int, minutes: float) -> str:
    """Return the chat model's card."""
    return _CHAT.format(
        seed=recipe.seed,
        dialogues=f"{recipe.dialogues:,}",
        tokens=f"{tokens:,}",
        matrix_rate=recipe.matrix_rate,
        other_rate=recipe.other_rate,
        sharpness=recipe.sharpness,
        count=max(score.asked for score in scores),
        scores="\n".join(f"| {score.kind} | {score.share:.1%} |" for score in scores),
        minutes=minutes,
        **_versions(),
    )


def embedding(
    *, recipe: EmbeddingRecipe, retrieval: Retrieval, weights: int, vocabulary: int, minutes: float
) -> str:
    """Return the embedding model's card."""
    return _EMBEDDING.format(
        seed=recipe.seed,
        pairs=f"{recipe.pairs:,}",
        batch_pairs=recipe.batch_pairs,
        weights=f"{weights:,}",
        vocabulary=vocabulary,
        found=retrieval.found,
        asked=retrieval.asked,
        share=retrieval.share,
        candidates=embedding_evaluation.CANDIDATES,
        minutes=minutes,
        **_versions(),
    )


def speech(*, recipe: SpeechRecipe, dialled: Dialled, weights: int, minutes: float) -> str:
    """Return the speech model's card."""
    return _SPEECH.format(
        seed=recipe.seed,
        steps=f"{recipe.steps:,}",
        found=dialled.found,
        asked=dialled.asked,
        share=dialled.share,
        weights=f"{weights:,}",
        minutes=minutes,
        **_versions(),
    )


def transcription(
    *, recipe: TranscriptionRecipe, hearing: Hearing, weights: int, minutes: float
) -> str:
    """Return the transcription model's card."""
    return _TRANSCRIPTION.format(
        seed=recipe.seed,
        recordings=f"{recipe.steps * recipe.batch:,}",
        batch=recipe.batch,
        exact=hearing.exact,
        asked=hearing.asked,
        share=hearing.share,
        off_ms=hearing.off_ms,
        window=transcription_training.WINDOW_S,
        weights=f"{weights:,}",
        minutes=minutes,
        **_versions(),
    )


def _versions() -> dict[str, str]:
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": str(torch.get_num_threads()),
    }
