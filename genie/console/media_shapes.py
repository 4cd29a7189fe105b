"""The playground's forms of pictures, videos and sound. Pure."""

from genie.console.shapes import LIMIT, OWN_SEED, Control, Field, Shape, Value, prompt, select

_NEGATIVE = Field(
    name="negative_prompt",
    label="Negative prompt",
    control=Control.TEXT,
    value=Value.STRING,
    openai=False,
)
_SECONDS = Field(
    name="duration_seconds", label="Duration, s", initial="4", least=1, most=15, openai=False
)
_SIZES = ("256x256", "512x512", "1024x1024", "1792x1024", "1024x1792")

IMAGE = Shape(
    key="image",
    label="Images",
    route="/images/generations",
    modes=("sync", "async"),
    modality="image",
    model="flux-schnell",
    call="images.generate",
    fields=(
        prompt("A lighthouse at dusk, in the manner of an old postcard"),
        select("size", "Size", _SIZES, initial="512x512"),
        Field(name="n", label="Pictures", initial="1", least=1, most=10, step="1"),
        select("output_format", "Format", ("png", "webp", "jpeg")),
        OWN_SEED,
        _NEGATIVE,
        LIMIT,
    ),
)
VIDEO = Shape(
    key="video",
    label="Video",
    route="/videos/generations",
    modes=("async",),
    modality="video",
    capability="generation",
    model="wan-2.1",
    fields=(
        prompt("Waves roll onto a beach at sunrise"),
        _SECONDS,
        Field(
            name="size",
            label="Size",
            control=Control.TEXT,
            value=Value.STRING,
            initial="512x512",
            hint="Such as 1280x720",
            openai=False,
        ),
        OWN_SEED,
        _NEGATIVE,
        LIMIT,
    ),
)
TRANSITION = Shape(
    key="transition",
    label="Transition",
    route="/videos/transitions",
    modes=("async",),
    modality="video",
    capability="transition",
    model="wan-2.1",
    fields=(
        Field(
            name="start_image",
            label="First picture",
            control=Control.FILE,
            value=Value.DATA_URL,
            accept="image/png,image/jpeg,image/webp,image/gif",
            required=True,
            main=True,
            openai=False,
        ),
        Field(
            name="end_image",
            label="Last picture",
            control=Control.FILE,
            value=Value.DATA_URL,
            accept="image/png,image/jpeg,image/webp,image/gif",
            hint="Optional",
            main=True,
            openai=False,
        ),
        prompt("Optional: what happens between them", required=False),
        _SECONDS,
        select(
            "size",
            "Size",
            ("512x512", "720x720", "1280x720", "1920x1080"),
            openai=False,
        ),
        OWN_SEED,
        LIMIT,
    ),
)
SPEECH = Shape(
    key="speech",
    label="Speech",
    route="/audio/speech",
    modes=("sync", "async"),
    modality="audio",
    capability="speech",
    model="tts-1",
    call="audio.speech.create",
    sound=True,
    fields=(
        prompt("Good morning. Your order has left the house.", name="input"),
        Field(
            name="voice",
            label="Voice",
            control=Control.TEXT,
            value=Value.STRING,
            initial="alloy",
            required=True,
        ),
        Field(name="speed", label="Speed", least=0.25, most=4, step="0.25"),
        select("response_format", "Format", ("mp3", "opus", "aac", "flac", "wav")),
        LIMIT,
    ),
)
TRANSCRIPTION = Shape(
    key="transcription",
    label="Transcription",
    route="/audio/transcriptions",
    modes=("sync", "async"),
    modality="audio",
    capability="transcription",
    model="whisper-1",
    call="audio.transcriptions.create",
    form=True,
    fields=(
        Field(
            name="file",
            label="Recording",
            control=Control.FILE,
            value=Value.FILE,
            accept="audio/*,video/webm,.wav,.mp3,.ogg,.webm,.flac,.m4a",
            required=True,
            main=True,
        ),
        Field(
            name="language",
            label="Language",
            control=Control.TEXT,
            value=Value.STRING,
            hint="Two letters, such as en",
        ),
        select("response_format", "Format", ("json", "verbose_json", "text", "srt", "vtt")),
        Field(name="temperature", label="Temperature", least=0, most=1, step="0.1"),
        Field(
            name="prompt",
            label="Prompt",
            control=Control.TEXT,
            value=Value.STRING,
            hint="Names and words to expect",
        ),
    ),
)
