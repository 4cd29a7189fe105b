"""Journeys through a running system. A package, so that what all of them share ends with the last of them."""
