"""The admin pages of money: caps to set, the ledger to read, and what was spent as a picture.

The ledger is written by its services alone; a cap changes through ``capping.set_cap``.
"""

from budgets.admin import caps, ledger

__all__ = ["caps", "ledger"]
