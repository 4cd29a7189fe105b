"""What an operator does in the admin: choose rows and an action, give a reason, confirm."""

from typing import Any

from django.test import Client

REASON = "a stuck worker"


def ask(client: Client, address: str, action: str, *keys: Any) -> Any:
    """Choose an action for rows of a list; the answer is the page that asks for confirmation."""
    return client.post(address, {"action": action, "_selected_action": [str(key) for key in keys]})


def confirm(client: Client, address: str, action: str, *keys: Any, **given: Any) -> str:
    """Confirm an action, and return the page that one is led to."""
    body = {
        "action": action,
        "_selected_action": str(keys[0]),
        "keys": " ".join(str(key) for key in keys),
        "confirmed": "yes",
        "reason": REASON,
        **given,
    }
    return client.post(address, body, follow=True).content.decode()
