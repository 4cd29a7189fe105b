"""What an error report may tell of a request and of the code that failed: names, never values.

Django's reports, and whatever builds upon them (mails to administrators, collectors of errors), ask
this filter. A prompt has no shape by which it could be known, so nothing of a body and no local
variable is shown; settings are hidden by their names.
"""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

_SHOWN_META = frozenset({"REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "SERVER_NAME"})


class Filter(SafeExceptionReporterFilter):
    """Replaces every value that a caller or a job could have put there."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern
        + "|PEPPER|DATABASE|REDIS|BROKER|FIELD_KEYS|STORAGES|SIGNING",
        re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Say yes, also where somebody has turned DEBUG on."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return the names of a form's fields."""
        if request is None:
            return {}
        return dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Return the names of headers, and what says nothing of the caller."""
        return {
            name: value if name in _SHOWN_META else self.cleansed_substitute
            for name, value in request.META.items()
        }

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        """Return the names of cookies."""
        return dict.fromkeys(request.COOKIES, self.cleansed_substitute)

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        """Return the names of the variables of a frame."""
        return dict.fromkeys(tb_frame.f_locals, self.cleansed_substitute).items()
