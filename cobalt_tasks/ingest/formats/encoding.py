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
    return next(iter(certificates_of(pem)), b"") if isinstance(pem, str) else b""


def certificates_of(text: str) -> list[bytes]:
    """Return the DER of all certificates that a text has in PEM; nothing for one that is no base64."""
    return [base64_or_nothing(each) for each in _PEM.findall(text)]
