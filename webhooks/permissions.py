"""Who may use the webhooks of an organisation over HTTP."""

from genie.tenants.permissions import HasScope
from genie.tenants.scopes import Scope


class MayUseWebhooks(HasScope):
    """Reading shows what jobs answered, so it needs ``jobs:read``; everything else ``webhooks:write``."""

    read_scope = Scope.JOBS_READ
    write_scope = Scope.WEBHOOKS_WRITE
