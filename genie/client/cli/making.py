"""``genie models|embed|rerank|image|speech|transcribe``."""

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

from genie.client import Client, Images
from genie.client.cli import arguments
from genie.client.cli.output import Output
from genie.client.errors import NotConfigured

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    models = verbs.add_parser("models", parents=[common], help="the models that the key may use")
    models.set_defaults(run=_models)
    embed = verbs.add_parser("embed", parents=[common], help="texts as vectors, one a line")
    embed.add_argument("text", nargs="*", metavar="TEXT", help="none: the lines of stdin")
    rerank = verbs.add_parser("rerank", parents=[common], help="texts, the best answer first")
    rerank.add_argument("query", metavar="QUERY", help="what they are to answer")
    rerank.add_argument("text", nargs="*", metavar="TEXT", help="none: the lines of stdin")
    rerank.add_argument("-n", type=int, metavar="N", help="only the best N")
    image = verbs.add_parser("image", parents=[common], help="pictures of a text")
    image.add_argument("text", metavar="TEXT", help="what is to be seen; - reads stdin")
    image.add_argument("-n", type=int, default=1, help="how many")
    image.add_argument("--size", help="such as 512x512")
    speech = verbs.add_parser("speech", parents=[common], help="a text, spoken")
    speech.add_argument("text", nargs="?", metavar="TEXT", help="what to say; - reads stdin")
    speech.add_argument("--voice", help="one that the model has")
    transcribe = verbs.add_parser("transcribe", parents=[common], help="a recording, written down")
    transcribe.add_argument("file", type=Path, metavar="FILE", help="the recording")
    transcribe.add_argument(
        "--format", choices=("text", "srt", "vtt"), default="text", help="default: text"
    )
    for verb in (image, speech):
        verb.add_argument(
            "-o", "--output", type=arguments.new_file, metavar="FILE", help="where to write it"
        )
    for verb, run in (
        (embed, _embed),
        (rerank, _rerank),
        (image, _image),
        (speech, _speech),
        (transcribe, _transcribe),
    ):
        needed = run is not _image
        verb.add_argument("-m", "--model", required=needed, help="an id or alias of `genie models`")
        arguments.add_fields(verb)
        arguments.add_timeout(verb)
        verb.set_defaults(run=run)


def _models(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client:
        found = client.models()
    out.table(
        ("id", "modality", "aliases", "loaded"),
        [
            (one.id, one.modality, ",".join(one.aliases) or None, "yes" if one.loaded else "no")
            for one in found
        ],
    )
    out.document({"data": [one.model_dump() for one in found]})
    return 0


def _embed(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client:
        found = client.embed(
            _texts(args),
            model=args.model,
            timeout_s=args.timeout_s,
            **arguments.merged(args.fields),
        )
    for vector in found.vectors:
        out.line(json.dumps(vector))
    out.document(found.model_dump())
    return 0


def _rerank(args: argparse.Namespace, out: Output) -> int:
    texts = _texts(args)
    with Client(base_url=args.base_url) as client:
        found = client.rerank(
            args.query,
            texts,
            model=args.model,
            timeout_s=args.timeout_s,
            **({"top_n": args.n} | arguments.merged(args.fields)),
        )
    for one in found.results:
        out.line(f"{one.relevance_score:.4f}  {texts[one.index]}")
    out.document(found.model_dump())
    return 0


def _texts(args: argparse.Namespace) -> list[str]:
    """Return the texts of the command line, else the lines of stdin that have any."""
    return args.text or [line for line in arguments.text_of(None).splitlines() if line.strip()]


def _image(args: argparse.Namespace, out: Output) -> int:
    fields = {"n": args.n, "size": args.size} | arguments.merged(args.fields)
    with Client(base_url=args.base_url) as client, out.waiting("drawing"):
        found = client.images(
            arguments.text_of(args.text), model=args.model, timeout_s=args.timeout_s, **fields
        )
        files = [] if args.output is None else _saved(client, found, args.output)
    for one, picture in zip(files, found.data, strict=False):
        out.line(f"{one}  {picture.url or ''}".rstrip())
    if not files:
        out.line("\n".join(picture.url or "" for picture in found.data))
    if found.model_substituted:
        out.note(f"Drawn by {found.model_substituted} in place of the model asked for.")
    out.document({**found.model_dump(), "files": [str(one) for one in files]})
    return 0


def _saved(client: Client, found: Images, output: Path) -> list[Path]:
    """Write the pictures; of several, each has its number in its name."""
    names = [output]
    if len(found.data) > 1:
        count = range(1, len(found.data) + 1)
        names = [output.with_stem(f"{output.stem}-{number}") for number in count]
    for name, picture in zip(names, found.data, strict=True):
        content = (
            client.download(picture.url)
            if picture.url
            else base64.b64decode(picture.b64_json or "", validate=True)
        )
        arguments.write(name, content)
    return names


def _speech(args: argparse.Namespace, out: Output) -> int:
    if args.output is None and (sys.stdout.isatty() or args.as_json):
        raise NotConfigured("Say where to write the sound: -o morning.mp3")
    kind = args.output.suffix.removeprefix(".").lower() if args.output else ""
    fields = {"voice": args.voice, "response_format": kind if kind in FORMATS else None}
    fields |= arguments.merged(args.fields)
    with Client(base_url=args.base_url) as client, out.waiting("speaking"):
        found = client.speech(
            arguments.text_of(args.text), model=args.model, timeout_s=args.timeout_s, **fields
        )
    if args.output is None:
        sys.stdout.buffer.write(found.content)
        return 0
    arguments.write(args.output, found.content)
    out.line(f"{args.output}  {found.media_type}, {len(found.content)} bytes")
    out.document({"file": str(args.output), "media_type": found.media_type, "job_id": found.job_id})
    return 0


def _transcribe(args: argparse.Namespace, out: Output) -> int:
    with Client(base_url=args.base_url) as client, out.waiting("listening"):
        found = client.transcribe(
            args.file,
            model=args.model,
            timeout_s=args.timeout_s,
            **{"response_format": args.format, **arguments.merged(args.fields)},
        )
    out.line(found.text.rstrip("\n"))
    out.document(found.model_dump())
    return 0
