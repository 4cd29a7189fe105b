"""The management API: REST framework, and the description of all routes."""

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "genie.core.api.JSONAlways",
    "DEFAULT_PARSER_CLASSES": ["genie.core.api.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "genie.tenants.authentication.KeyAuthentication",
        "genie.tenants.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "genie.core.api.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "genie.openapi.introspection.RequestSchema",
    "STRICT_JSON": True,
}

SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Genie",
    "VERSION": "1",
    "DESCRIPTION": (
        "Inference on your own GPUs, within budgets. One job may be submitted and looked at through "
        "any of the contracts below; each answers in its own words."
    ),
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "SERVERS": [{"url": "/", "description": "This system"}],
    "SCHEMA_PATH_PREFIX": "",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "POSTPROCESSING_HOOKS": ["genie.openapi.document.complete"],
}
