"""What the admin pages of all apps share: bounded lists, filters, operations, and the log of them all.

The log is the only page of its own that is registered here.
"""

from genie.core.admin import log
from genie.core.admin.filters import (
    OrganizationFilter,
    RangeFilter,
    TimeFilter,
    TypeAheadMedia,
    UserFilter,
)
from genie.core.admin.operating import (
    Confirmed,
    OperatingAdmin,
    Operation,
    ReasonForm,
    on_record,
)
from genie.core.admin.reading import (
    SHOWN,
    TOO_MUCH,
    BoundedChangeList,
    BoundedPaginator,
    ReadOnly,
    ReadOnlyAdmin,
    link,
    list_link,
)
from genie.core.admin.words import WordedAdmin

__all__ = [
    "SHOWN", "TOO_MUCH", "BoundedChangeList", "BoundedPaginator", "Confirmed", "OperatingAdmin",
    "Operation", "OrganizationFilter", "RangeFilter", "ReadOnly", "ReadOnlyAdmin", "ReasonForm",
    "TimeFilter", "TypeAheadMedia", "UserFilter", "WordedAdmin", "link", "list_link",
    "log", "on_record",
]  # fmt: skip
