"""The pages that are made from the code, by their places below docs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.reference import (
    commands,
    decisions,
    errors,
    events,
    genie,
    metrics,
    models_file,
    routes,
    topology,
    variables,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "adr/index.md": decisions.page,
    "reference/commands.md": commands.page,
    "reference/errors.md": errors.page,
    "reference/events.md": events.page,
    "reference/genie.md": genie.page,
    "reference/metrics.md": metrics.page,
    "reference/models-toml.md": models_file.page,
    "reference/routes.md": routes.page,
    "reference/settings.md": variables.page,
    "reference/topology.md": topology.page,
}
