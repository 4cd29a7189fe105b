"""Tickets through a real broker, and without one."""

import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from celery import Celery
from celery._state import _set_current_app as set_current_app
from celery.app import default_app as _unused  # noqa: F401

from genie.celery import app
from genie.core import metrics, transactions
from webhooks import queue, services
from webhooks.services import NewEvent
