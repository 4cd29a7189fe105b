"""Tell keys that a person made up from keys that a random generator made; pure."""

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
