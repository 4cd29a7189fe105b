"""Alert rules and dashboard name metrics and labels that the code exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from genie.core import machine, metrics
from jobs import readings

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = ROOT / "deploy/grafana/genie.json"
_OURS = re.compile(r"\bgenie_[a-z0-9_]+")
_SELECTOR = re.compile(r"\b(genie_[a-z0-9_]+)\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")


EXPORTED = (*metrics.counted, *machine.READINGS, *readings.READINGS)


def series() -> dict[str, set[str]]:
    """Return every name that a query may use, with its labels."""
    found = {one.name: set(one.labels) for one in EXPORTED if one.kind != "histogram"}
    for one in EXPORTED:
        if one.kind == "histogram":
            found |= {one.name + suffix: set(one.labels) for suffix in ("_sum", "_count")}
            found[one.name + "_bucket"] = {*one.labels, "le"}
    return found


def rules() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]


def panels(of: Any = None) -> Iterator[tuple[str, str]]:
    for panel in (of or json.loads(DASHBOARD.read_text()))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


QUERIES = [*rules(), *panels()]


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_a_query_names_metrics_and_labels_that_are_exported(title: str, query: str) -> None:
    known, recorded = series(), {title for title, _ in rules()}
    names = set(_OURS.findall(query))
    usable = {"le", "instance", "job"}.union(*(known.get(name, set()) for name in names))

    assert names - set(known) - recorded == set()
    for name, matchers in _SELECTOR.findall(query):
        assert set(_MATCHER.findall(matchers)) <= known[name] | {"instance", "job"}
    for labels in _GROUPING.findall(query):
        assert {one.strip() for one in labels.split(",") if one.strip()} <= usable


def test_every_metric_is_declared_in_one_place() -> None:
    makes = re.compile(
        r"from prometheus_client import [^\n]*\b(?:Counter|Gauge|Histogram|Summary)\b"
    )
    found = {
        str(path.relative_to(ROOT))
        for app in ("genie", "jobs", "budgets", "webhooks", "inference")
        for path in (ROOT / app).rglob("*.py")
        if makes.search(path.read_text())
    }

    # Those of `traffic` are types: a metric that is made elsewhere would be in no scrape.
    assert found == {"genie/core/metrics.py", "genie/core/traffic.py"}


def test_names_are_of_one_form() -> None:
    wrong = [
        one.name
        for one in EXPORTED
        if (one.kind == "counter") != one.name.endswith("_total")
        or (one.kind == "histogram" and not one.name.endswith("_seconds"))
    ]

    assert wrong == []


def test_no_label_is_one_of_many() -> None:
    bounded = {
        *("method", "route", "status", "queue", "lane", "model", "worker", "state", "error"),
        *("decision", "of", "outcome", "kind", "what", "reason", "format", "gpu"),
    }

    assert {label for one in EXPORTED for label in one.labels} <= bounded


def test_every_alert_is_tried_by_the_tests_of_the_rules() -> None:
    tests = yaml.safe_load(RULES.with_name("rules.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    alerts = {title for title, _ in rules() if title.startswith("Genie")}

    assert {one["alertname"] for one in cases if one.get("exp_alerts")} == alerts
    assert {one["alertname"] for one in cases if not one.get("exp_alerts")} == alerts


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
                assert {"summary", "description"} <= set(rule["annotations"]), rule["alert"]


def test_each_alert_leads_to_a_section_of_the_runbook() -> None:
    text = (ROOT / "docs/runbook.md").read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
    alerts = {
        rule["alert"]: rule["annotations"].get("runbook", "")
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }

    assert alerts
    assert {name for name in alerts if f"`{name}`" not in text} == set()
    assert {
        (name, where)
        for name, where in alerts.items()
        if where.partition("#")[0] != "docs/runbook.md" or where.partition("#")[2] not in anchors
    } == set()
