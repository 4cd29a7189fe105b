"""Looks at every part of a running system, and says what is wrong and what to do about it."""
