"""Fixtures: an organisation with people, a stranger's, and clients of people who are signed in."""

from tests.integration.tenants.conftest import acme, signed_in, stranger

__all__ = ["acme", "signed_in", "stranger"]
