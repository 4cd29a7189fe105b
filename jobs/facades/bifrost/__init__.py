"""Bifrost's async jobs: eleven types under ``/v1/async``, each with a submit and a poll of its own."""
