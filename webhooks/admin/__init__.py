"""Pages over the notification log and the endpoints: to look at, to send again, to switch off and on.

Nobody edits what was sent, and no page shows a secret. Importing this registers the pages.
"""

from webhooks.admin import deliveries, endpoints, events

__all__ = ["deliveries", "endpoints", "events"]
