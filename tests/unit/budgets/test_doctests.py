"""The examples in docstrings hold."""

import doctest
from types import ModuleType

import pytest

from budgets import money, pricing, windows


@pytest.mark.parametrize("module", [money, pricing, windows])
def test_examples_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0
