"""What the result of a module of zgrab2 reports: the banner, the software, the URL, and everything else."""

import re
from typing import Any, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.formats.json_text import part

_BANNERS: Final = (
    *(("server_id", "raw"), ("banner",), ("server_version",), ("info_response",), ("version",)),
    *(("build_info", "version"), ("native_os",), ("supported_versions",)),
)
_SOFTWARE: Final[dict[str, tuple[str | tuple[str, ...], tuple[str, ...]]]] = {
    "bacnet": (("model_name",), ("firmware_revision",)),
    "fox": (("app_name",), ("app_version",)),
    "ipp": ("CUPS", ("cups_version",)),
    "memcached": ("Memcached", ("version",)),
    "modbus": (("mei_response", "objects", "product_code"), ("mei_response", "objects", "revision")),
    "mongodb": ("MongoDB", ("build_info", "version")),
    "mssql": ("Microsoft SQL Server", ("version",)),
    "mysql": ("MySQL", ("server_version",)),
    "redis": ("Redis", ("version",)),
    "siemens": (("module",), ("firmware",)),
}
"""Product of a module, or where its result has that, and where it has the version."""

_TITLE: Final = re.compile(r"<title[^>]{0,200}>([^<]{1,512})", re.IGNORECASE)
_LONGEST_PAGE: Final = 64 * 1024
_HEADERS: Final = ("server", "location", "x_powered_by", "www_authenticate", "content_type")
_CONTENT: Final = frozenset({"banner", "server_version", "info_response"})
_LARGE: Final = frozenset(
    {"raw", "body", "certificate", "server_certificates", "chain", "handshake_log", "tls", "tls_log"}
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 16 * 1024
_LONGEST_WORD: Final = 128
_MOST: Final = 32


def own(result: Any) -> Any:
    """Return a result whose response is the one of the port itself: at the end of redirects another host may have answered."""
    chain = part(result, "redirect_response_chain")
    if not isinstance(chain, list) or not chain:
        return result
    first, *others = chain
    return {**result, "response": first, "redirect_response_chain": [*others, result.get("response")]}


def banner(service: str, result: Any) -> bytes | None:
    """Return the words of a server; None without any.

    service: the module; result: its result.
    """
    for path in _BANNERS:
        if isinstance(text := part(result, *path), str) and text:
            return text.encode("utf-8", "replace")[:_LONGEST]
    response = part(result, "response")
    if service not in {"http", "https"} and response is None:
        return None
    if (code := part(response, "status_code")) is None:
        return None
    line = part(response, "status_line")
    headers = "".join(
        f"{name.replace('_', '-').title()}: {value}\r\n"
        for name in _HEADERS
        for value in _list(part(response, "headers", name))
        if isinstance(value, str)
    )
    status = line.partition(" ")[2] if isinstance(line, str) and line.startswith("HTTP/") else line
    return f"HTTP/1.1 {status if isinstance(status, str) else code}\r\n{headers}\r\n".encode("utf-8", "replace")[
        :_LONGEST
    ]


def software(service: str, result: Any) -> tuple[str | None, str | None]:
    """Return (product, version) where a result has them apart; None for what it has not.

    service: the module; result: its result.
    """
    properties = part(result, "server_properties")
    if isinstance(properties, dict):
        product, version = properties.get("product"), properties.get("version")
        return values.text(product, _LONGEST_WORD), values.text(version, _LONGEST_WORD)
    if service not in _SOFTWARE:
        return None, None
    product, path = _SOFTWARE[service]
    version = values.text(part(result, *path), _LONGEST_WORD)
    if not isinstance(product, str):
        return values.text(part(result, *product), _LONGEST_WORD), version
    if version is None:
        return None, None
    return ("MariaDB" if "MariaDB" in version else product), version.removeprefix(f"{product}/")


def url(result: Any) -> tuple[str | None, int | None]:
    """Return (scheme, port) of the URL that was asked for; None without one."""
    asked = part(result, "response", "request", "url")
    scheme, host = part(asked, "scheme"), part(asked, "host")
    if not isinstance(scheme, str) or scheme not in _DEFAULT_PORTS:
        return None, None
    port = host.rpartition(":")[2] if isinstance(host, str) and ":" in host.rpartition("]")[2] else ""
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else _DEFAULT_PORTS[scheme]  # noqa: PLR2004
    return scheme, number


def details(result: Any) -> str | None:
    """Return what else a result reports, as JSON text; certificates and pages are left out."""
    if not isinstance(result, dict):
        return None
    kept = {name: _small(value, 0) for name, value in result.items() if name not in _CONTENT | _LARGE}
    version = part(result, "handshake_log", "server_hello", "version", "name")
    cipher = part(result, "handshake_log", "server_hello", "cipher_suite", "name")
    kept |= {"tls_version": version, "cipher": cipher, "title": _title(part(result, "response", "body"))}
    return values.details({name: value for name, value in kept.items() if value not in (None, "", [], {})})


def _title(page: Any) -> str | None:
    found = _TITLE.search(page[:_LONGEST_PAGE]) if isinstance(page, str) else None
    return found[1].strip() if found else None


def _small(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        if depth > 4:  # noqa: PLR2004  # as deep as anything of use lies
            return None
        inner = {name: _small(each, depth + 1) for name, each in value.items() if name not in _LARGE | {"request"}}
        return {name: each for name, each in inner.items() if each not in (None, "", [], {})}
    if isinstance(value, list):
        value = [_small(each, depth + 1) for each in value[:_MOST]]
    return values.bounded(value, depth)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
