"""What a caller may do."""

import uuid

import pytest

from genie.core import errors
from genie.tenants import scopes
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role, Scope


def principal(**values: object) -> Principal:
    return Principal(organization_id=uuid.UUID(int=1), organization_slug="acme", **values)  # type: ignore[arg-type]


class TestModels:
    def test_allows_any_without_a_list(self) -> None:
        principal().require_model("lite", resolved="qwen3:0.6b")

    @pytest.mark.parametrize("listed", ["lite", "qwen3:0.6b"])
    def test_allows_what_the_alias_or_the_resolved_id_names(self, listed: str) -> None:
        principal(allowed_models=(listed,)).require_model("lite", resolved="qwen3:0.6b")

    def test_refuses_any_other(self) -> None:
        with pytest.raises(errors.ModelNotAllowed) as caught:
            principal(allowed_models=("pro",)).require_model("lite", resolved="qwen3:0.6b")

        assert (caught.value.code, caught.value.http_status) == ("model-not-allowed", 403)


class TestAddresses:
    @pytest.mark.parametrize("address", ["192.0.2.7", "", None])
    def test_allows_any_without_a_list(self, address: str | None) -> None:
        principal().require_address(address)

    def test_allows_an_address_of_the_list(self) -> None:
        principal(allowed_cidrs=("192.0.2.0/24",)).require_address("::ffff:192.0.2.7")

    @pytest.mark.parametrize("address", ["198.51.100.1", "", None])
    def test_refuses_any_other_and_an_unknown_one(self, address: str | None) -> None:
        with pytest.raises(errors.IpNotAllowed) as caught:
            principal(allowed_cidrs=("192.0.2.0/24",)).require_address(address)

        assert (caught.value.code, caught.value.http_status) == ("ip-not-allowed", 403)


class TestScopes:
    def test_lets_a_caller_with_the_scope_pass(self) -> None:
        principal(scopes=frozenset({"jobs:read"})).require_scope(Scope.JOBS_READ)

    def test_refuses_one_without(self) -> None:
        with pytest.raises(errors.Forbidden, match="jobs:read"):
            principal(key_id=uuid.UUID(int=2)).require_scope(Scope.JOBS_READ)

    @pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
    def test_gives_owners_and_admins_everything(self, role: Role) -> None:
        assert scopes.of_role(role) == set(Scope)

    def test_gives_a_plain_member_neither_keys_nor_caps(self) -> None:
        assert scopes.of_role(Role.MEMBER) == set(Scope) - {Scope.ADMIN, Scope.BUDGETS_WRITE}
