"""The settings: every value comes from the environment through ``genie.core.env``.

Where `make up` runs the embedded system, its state directory supplies whatever the environment
does not, so that a command in a second terminal needs nothing exported. In production
(``GENIE_ENVIRONMENT=production``, the default) no secret has a default.

A module for each theme, and its docstring begins with the theme's name: the page of settings has
them under that name, in the order of the imports here.
"""

import django_stubs_ext

# First, as it completes the environment that the others read.
from genie.settings.base import *
from genie.settings.keys import *
from genie.settings.applications import *
from genie.settings.signing_in import *
from genie.settings.postgresql import *
from genie.settings.redis import *
from genie.settings.files import *
from genie.settings.http import *
from genie.settings.api import *
from genie.settings.jobs import *
from genie.settings.queues import *
from genie.settings.workers import *
from genie.settings.contracts import *
from genie.settings.retention import *
from genie.settings.budgets import *
from genie.settings.outbound import *
from genie.settings.metrics import *
from genie.settings.logs import *

django_stubs_ext.monkeypatch()
