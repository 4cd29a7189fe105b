"""What can go wrong in the ledger besides a refusal; a refusal is ``genie.core.errors.BudgetCapHit``.

Outline::

    AmountError (ValueError)       a number of credits that cannot be one
    LedgerError (RuntimeError)     a guard of the ledger fired: the transaction must roll back
        HoldNotOpenError           a hold is settled that is closed or was never taken
"""

import uuid
from collections.abc import Iterable


class AmountError(ValueError):
    """An amount is no number of credits; the message says why and what would do."""


class LedgerError(RuntimeError):
    """A guarded write touched another number of rows than it must; nothing may be committed."""


class HoldNotOpenError(LedgerError):
    """A settlement names holds that are closed already or do not exist."""

    def __init__(self, references: Iterable[uuid.UUID]) -> None:
        self.references = tuple(references)
        named = ", ".join(str(reference) for reference in self.references)
        super().__init__(f"No open hold for {named}: each hold is settled exactly once.")
