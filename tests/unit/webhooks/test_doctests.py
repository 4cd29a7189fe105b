"""The examples in docstrings hold."""

import doctest
from types import ModuleType

import pytest

from webhooks import (
    addresses,
    answers,
    formats,
    naming,
    own_headers,
    payloads,
    schedule,
    signing,
)

_MODULES = [addresses, answers, formats, naming, own_headers, payloads, schedule, signing]


@pytest.mark.parametrize("module", _MODULES)
def test_examples_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0
