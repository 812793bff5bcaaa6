"""Base64 as strangers write it."""

import base64


def base64_or_nothing(text: str | bytes) -> bytes:
    """Return what base64 says, or nothing when it is none."""
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
