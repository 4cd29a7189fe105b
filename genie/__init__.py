"""Genie: the composition root (settings, Celery, routes) and the parts that everything shares."""
