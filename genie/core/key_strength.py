"""Tell keys that a person made up from keys that a random generator made; pure."""

_PLACEHOLDERS = (
    "insecure",
    "changeme",
    "change-me",
    "secret-key",
    "replace-me",
    "example",
    "password",
)
LEAST_CHARACTERS = 12  # of 48 drawn from 64, fewer differ practically never
LEAST_DISTINCT = 16  # of 32 random bytes, fewer than 16 differ once in 10**16 keys


def is_guessable(key: bytes) -> bool:
    """Return whether these 32 bytes were hardly drawn at random.

    A phrase in base64 is as good a Fernet key as any, to Fernet; so are 32 zeros.

    >>> is_guessable(b"correct horse battery staple yes")
    True
    >>> is_guessable(bytes(32))
    True
    >>> is_guessable(
    ...     bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    ... )
    False
    """
    return len(set(key)) < LEAST_DISTINCT or all(32 <= byte < 127 for byte in key)


def is_placeholder(secret: str) -> bool:
    """Return whether this text, meant as a secret, was written by a person to be replaced.

    >>> is_placeholder("django-insecure-8f2kd0w7s6a5q4w3e2r1t0y9u8i7o6p5")
    True
    >>> is_placeholder("x" * 50)
    True
    >>> is_placeholder("kN5JmZ2u8Qe0xV7rT1yB4cW6sD9fG3hL-pA_oIiUuYtRrEwQ")
    False
    """
    lowered = secret.lower()
    return len(set(secret)) < LEAST_CHARACTERS or any(word in lowered for word in _PLACEHOLDERS)
