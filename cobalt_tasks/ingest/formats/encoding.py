"""Base64 and PEM as other programs write them."""

import base64
import re
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def base64_or_nothing(text: str | bytes) -> bytes:
    """Return the decoded bytes, or nothing when the text is no base64."""
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def certificate_of(pem: object) -> bytes:
    """Return the DER of the first certificate in PEM, or nothing when there is no such."""
    found = _PEM.search(pem) if isinstance(pem, str) else None
    return base64_or_nothing(found[1]) if found else b""
