"""Core: where we are, and the environment that all other settings are read from."""

import os
from pathlib import Path

from genie.core import env
from genie.standalone import state

BASE_DIR = Path(__file__).resolve().parents[2]

for _name, _value in state.load_environment(BASE_DIR).items():
    os.environ.setdefault(_name, _value)

# `production` refuses to start with a secret left out or a setting that is unsafe; `development`
# opens what one machine needs to try things out.
ENVIRONMENT = env.text("GENIE_ENVIRONMENT", "production")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False  # errors are JSON in every environment; a trace belongs in the log
# The state of `make up`, and where files are kept unless GENIE_FILES_DIR says otherwise.
STATE_DIR = Path(env.text("GENIE_STATE_DIR", str(BASE_DIR / ".genie")))
# Where tests kill processes: `POINT:kill`. A production does not start with any.
GENIE_FAILPOINTS = env.text("GENIE_FAILPOINTS", "")
