"""``models list|check|pull|load|unload``: what is served, whether its files are whole, and where it is."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from budgets import money
from genie.core import terminal
from genie.core.commands import GenieCommand
from inference import downloads, inspection, sizes
from inference.errors import UnknownModel
from inference.specs import ModelSpec
from jobs import attendance, control, registry
from jobs.attendance import Attendant
from jobs.control import Order

_COLUMNS = ("model", "modality", "queue", "backend", "files", "loaded on", "price", "aliases")


class Command(GenieCommand):
    """The models of the models file, and what live workers have of them."""

    help = "List and check models, fetch their files, load them into workers and unload them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser(
            "list", help="every model, and the workers that have it in memory"
        )
        check = verbs.add_parser("check", help="whether the files on this machine can be served")
        check.add_argument("model", metavar="ID", nargs="*", help="id or alias; default: all")
        check.add_argument(
            "--hashes", action="store_true", help="read all weights and compare their digests"
        )
        pull = verbs.add_parser("pull", help="download the files of a hub id")
        load = verbs.add_parser("load", help="load a model into the workers that serve it")
        unload = verbs.add_parser("unload", help="let a model leave the workers' memory")
        for verb in (pull, load, unload):
            verb.add_argument("model", metavar="ID", help="id or alias")
        for verb in (load, unload):
            verb.add_argument("--worker", metavar="NAME", help="only this one, by its entry's name")
            verb.add_argument(
                "--timeout", type=float, default=300, help="seconds to wait (default 300)"
            )
        for verb in (pull, load, unload):
            verb.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        for verb in (listing, check, pull, load, unload):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "list":
                self._list()
            case "check":
                self._check(options["model"], hashes=options["hashes"])
            case "pull":
                self._pull(_spec(options["model"]), dry_run=options["dry_run"])
            case "load" | "unload":
                self._order(options["verb"], _spec(options["model"]), options)

    # --- list ----------------------------------------------------------------------------------

    def _list(self) -> None:
        workers = attendance.serving()
        found = [_listed(spec, workers) for spec in registry.models().models]
        self.emit(found, lambda: self._print_table(found))

    def _print_table(self, found: Sequence[dict[str, Any]]) -> None:
        terminal.console(self).print(terminal.table(_COLUMNS, [_row(one) for one in found]))

    # --- check and pull ------------------------------------------------------------------------

    def _check(self, names: Sequence[str], *, hashes: bool) -> None:
        specs = [_spec(name) for name in names] or list(registry.models().models)
        found = {spec.id: inspection.inspect(spec, hashes=hashes) for spec in specs}
        lines = []
        for name, one in found.items():
            lines += [f"{name}: {text}" for text in (*one.problems, *one.remarks)]
            if not one.problems:
                lines.append(f"{name}: ok, {_size(one.weight_bytes) or 'needs no files'}")
        self.emit(
            {
                name: {"ok": not one.problems, "problems": one.problems, "remarks": one.remarks}
                for name, one in found.items()
            },
            "\n".join(lines),
        )
        if broken := [name for name, one in found.items() if one.problems]:
            raise CommandError(f"These models cannot be served from here: {', '.join(broken)}.")

    def _pull(self, spec: ModelSpec, *, dry_run: bool) -> None:
        if dry_run:
            self.emit(
                {"dryRun": True, "model": spec.id, "source": spec.source},
                f"Would download what is missing of {spec.source or 'nothing'} for {spec.id}.",
            )
            return
        try:
            directory = downloads.pull(spec, progress=not self.as_json)
        except downloads.PullFailed as error:
            raise CommandError(str(error)) from error
        size = inspection.inspect(spec).weight_bytes
        self.emit(
            {"model": spec.id, "directory": str(directory), "bytes": size},
            f"{spec.id}: {_size(size)} of weights are in {directory}.",
        )

    # --- load and unload -----------------------------------------------------------------------

    def _order(self, verb: str, spec: ModelSpec, options: dict[str, Any]) -> None:
        asked = [
            worker.name
            for worker in attendance.serving()
            if spec.waits_in in worker.queues and options["worker"] in (None, worker.entry)
        ]
        if not asked:
            raise CommandError(
                f"No worker serves the queue {spec.waits_in} of {spec.id} now; see `models list`."
            )

        if options["dry_run"]:
            self.emit(
                {"dryRun": True, "model": spec.id, "workers": asked},
                f"Would {verb} {spec.id} on {', '.join(asked)}.",
            )
            return

        def serving() -> set[str]:
            return {worker.name for worker in attendance.serving()}

        answers = control.give_order(
            Order(verb=verb, model=spec.id, workers=tuple(asked)),
            timeout_s=options["timeout"],
            serving=serving,
        )
        there = serving() | answers.keys()  # who has left meanwhile has nothing loaded
        outcome = {
            name: answers.get(name, "did not answer in time") for name in asked if name in there
        }
        said = {"load": "is loaded", "unload": "is unloaded"}[verb]
        self.emit(
            {"model": spec.id, "workers": {name: text or "ok" for name, text in outcome.items()}},
            "\n".join(f"{name}: {text or f'{spec.id} {said}.'}" for name, text in outcome.items()),
        )
        if failed := [name for name, text in outcome.items() if text]:
            raise CommandError(f"It went otherwise on {len(failed)} of {len(asked)} workers.")


def _spec(name: str) -> ModelSpec:
    try:
        return registry.models().resolve(name)
    except UnknownModel as error:
        raise CommandError(error.message) from error


def _listed(spec: ModelSpec, workers: Sequence[Attendant]) -> dict[str, Any]:
    return {
        "id": spec.id,
        "aliases": list(spec.aliases),
        "modality": str(spec.modality),
        "queue": spec.waits_in,
        "backend": spec.backend,
        "source": spec.source,
        "needsFiles": bool(spec.source) and not spec.is_remote,
        "pinned": spec.pinned,
        "capabilities": list(spec.capabilities),
        "contextTokens": spec.context_tokens,
        "fileBytes": inspection.inspect(spec).weight_bytes,
        "price": {
            "version": spec.price.version,
            "rates": {str(unit): money.to_wire(rate) for unit, rate in spec.price.rates.items()},
        },
        "loadedOn": [
            {"worker": worker.name, "bytes": worker.model_bytes[spec.id]}
            for worker in workers
            if spec.id in worker.model_bytes
        ],
    }


def _row(one: dict[str, Any]) -> list[str]:
    return [
        f"{one['id']}{' (pinned)' if one['pinned'] else ''}",
        *(one["modality"], one["queue"], one["backend"]),
        "none needed" if not one["needsFiles"] else _size(one["fileBytes"]) or "not here",
        ", ".join(f"{at['worker']} ({_size(at['bytes'])})" for at in one["loadedOn"]) or "-",
        " ".join(f"{unit} {rate}" for unit, rate in one["price"]["rates"].items()),
        ", ".join(one["aliases"]),
    ]


def _size(size_bytes: int) -> str:
    return sizes.in_words(size_bytes) if size_bytes else ""
