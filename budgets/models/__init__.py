"""The tables of the ledger and the CHECKs that keep it possible. Private to this app.

Amounts are bigint micro-credits: an integer column has no NaN, no infinity and no rounding. Names
have the collation "C", which compares bytes: no locale decides what an index lookup costs.
"""

from budgets.models.caps import Cap, CapChange
from budgets.models.decisions import Alert, BudgetEvent
from budgets.models.ledger import Entry, Hold, Window

__all__ = ["Alert", "BudgetEvent", "Cap", "CapChange", "Entry", "Hold", "Window"]
