"""What a fingerprint shows beside service, product and version, as it is stored: JSON text, with the product's CPE 2.3."""

from typing import Any, Final

import msgspec

from cobalt_tasks.protocols.cpe_names import CPE_NAMES
from cobalt_tasks.protocols.fingerprint import Fingerprint

_BY_PRODUCT: Final = {product.lower(): name for product, name in CPE_NAMES.items()}

_SPECIAL: Final = str.maketrans({mark: f"\\{mark}" for mark in "!\"#$%&'()+,/:;<=>@[]^`{|}~*?"})


def cpe_name(known: Fingerprint) -> str | None:
    """Return vendor and product as CPE 2.3 writes them, `vendor:product`; None if the product has none."""
    return known.cpe or _BY_PRODUCT.get((known.product or "").lower())


def quoted(text: str) -> str:
    """Return a part of a name as CPE 2.3 quotes it (NIST IR 7695 6.2): lower case, special characters behind a backslash."""
    return "".join(text.lower().replace("\\", "").split()).translate(_SPECIAL)


def cpe(known: Fingerprint) -> str | None:
    """Return the product's formatted name of CPE 2.3 (NIST IR 7695 6.2); None if it has none. The version is `*` if unknown."""
    name = cpe_name(known)
    if not name:
        return None
    version = quoted(known.version) if known.version else "*"
    return f"cpe:2.3:a:{name}:{version}:*:*:*:*:*:*:*"


def details_of(known: Fingerprint, tls: str | None = None) -> str | None:
    """Return what else a fingerprint shows, as JSON text; None if there is nothing.

    known: the fingerprint.
    tls: version and cipher suite of the connection; None in the clear.
    """
    found: dict[str, Any] = {
        "cpe": cpe(known),
        "info": known.info,
        "os": known.os,
        "device": known.device,
        "tls": tls,
        **known.extras,
        "confidence": known.confidence if known.product and known.confidence < 1 else None,
        "sources": known.sources or None,
    }
    kept = {name: value for name, value in found.items() if value is not None}
    return msgspec.json.encode(kept).decode() if kept else None
