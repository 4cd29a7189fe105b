"""Lets the flush behind a test of the whole site empty money's tables."""

from tests.integration.budgets.conftest import flush_passes_the_append_only_trigger

__all__ = ["flush_passes_the_append_only_trigger"]
