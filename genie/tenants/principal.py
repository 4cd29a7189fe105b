"""Who is calling and what that caller may do. Pure; made by ``selectors`` and never cached."""

import uuid
from dataclasses import dataclass

from genie.core import errors
from genie.tenants import networks
from genie.tenants.scopes import Role, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller as the database knew it when this request began.

    A key's rights are its scopes, whoever holds it, so ``role`` is set for sessions only. The caps
    alone are stricter: ``budgets`` reads the holder's role where a key would change one.
    """

    organization_id: uuid.UUID
    organization_slug: str
    is_free_tier: bool = False
    application_id: uuid.UUID | None = None
    member_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None
    role: Role | None = None
    key_id: uuid.UUID | None = None  # None for a session
    scopes: frozenset[str] = frozenset()
    allowed_models: tuple[str, ...] = ()  # empty: any
    allowed_cidrs: tuple[str, ...] = ()  # empty: any
    rpm: int | None = None  # requests in any 60 s
    rpd: int | None = None  # requests in a UTC day
    use_is_unrecorded: bool = False  # the key's last_used_at is over a minute old

    @property
    def is_authenticated(self) -> bool:
        """Always true: DRF asks this of what a key authenticates as."""
        return True

    def allows_model(self, requested: str, resolved: str) -> bool:
        """Tell whether the key may use a model under the name asked for or the id it stands for."""
        return (
            not self.allowed_models
            or requested in self.allowed_models
            or resolved in self.allowed_models
        )

    def allows_address(self, address: str | None) -> bool:
        """Tell whether the key may be used from this address; an unknown one passes no list."""
        return not self.allowed_cidrs or networks.contains(self.allowed_cidrs, address)

    def require_scope(self, scope: Scope) -> None:
        """Demand a scope.

        Raises:
            Forbidden: The caller lacks it.
        """
        if scope not in self.scopes:
            needs = (
                f"This key lacks the scope '{scope}'."
                if self.key_id
                else "Your role does not allow this."
            )
            raise errors.Forbidden(needs)

    def require_model(self, requested: str, *, resolved: str) -> None:
        """Demand that the model may be used.

        Raises:
            ModelNotAllowed: The key's list names neither the alias nor the id.
        """
        if not self.allows_model(requested, resolved):
            raise errors.ModelNotAllowed(f"This key may not use the model {requested!r}.")

    def require_address(self, address: str | None) -> None:
        """Demand that the caller is in one of the key's networks.

        Raises:
            IpNotAllowed: It is in none of them.
        """
        if not self.allows_address(address):
            raise errors.IpNotAllowed("This key may not be used from this address.")
