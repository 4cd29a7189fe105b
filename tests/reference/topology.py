"""The page of the worker topology: the keys of an entry, and what its reader says of a wrong value."""

from typing import Any

from genie.standalone import topology
from genie.standalone.topology import WorkerEntry
from tests.reference import markdown, notes

# Keys that a field of the entry goes by another name in the file, or by a second one.
_FIELDS = {"memory_budget": "memory_budget_bytes", "cuda_visible_devices": "gpus"}
_WRONG: Any = {}  # no value that any key takes
_USUAL: dict[str, Any] = {"name": "gpu0", "queues": ["chat"]}
_NAMED = f"worker '{_USUAL['name']}'"


def page() -> str:
    """Return the page."""
    said = notes.of_fields(WorkerEntry)
    names = [*(field for field in said if field in topology._FIELDS), *_FIELDS]
    rows = [
        [
            markdown.code(key),
            "yes" if key in _USUAL else "",
            _must(key),
            markdown.sentence(said[_FIELDS.get(key, key)]),
        ]
        for key in dict.fromkeys(names)
    ]
    return markdown.page(
        "Worker topology",
        "Each `[[worker]]` table of the file that `manage.py workers --topology` and `manage.py up "
        "--topology` read is one process. Without a file there is one for each GPU, or one for the CPU. "
        "[A rack of GPUs](../how-to/gpu-rack.md) has whole examples.",
        markdown.table(["key", "needed", "what is said of a wrong one", "meaning"], rows),
    )


def _must(key: str) -> str:
    try:
        topology.parse({"worker": [{**_USUAL, key: _WRONG}]})
    except ValueError as mistake:
        told = str(mistake).removeprefix(_NAMED).removeprefix("worker {}").strip(": ")
        return told.removeprefix(f"{key} ")
    return ""
