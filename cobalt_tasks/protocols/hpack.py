"""Header fields of HTTP/2 out of a block (RFC 7541), as far as answers of servers need it: their text is visible ASCII."""

from typing import Final

Field = tuple[bytes, bytes]

_BY_LENGTH: Final = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
}
"""Characters by the bits of their code, in its order: codes count up, and are doubled where they become longer (Appendix B)."""


def _codes() -> dict[tuple[int, int], int]:
    codes, code, before = {}, 0, 0
    for length, characters in _BY_LENGTH.items():
        code <<= length - before
        before = length
        for character in characters:
            codes[length, code] = character
            code += 1
    return codes


_CODES: Final = _codes()
_LONGEST_CODE: Final = max(_BY_LENGTH)
_PADDING: Final = 7

_STATUSES: Final = (b"200", b"204", b"206", b"304", b"400", b"404", b"500")
_NAMES: Final = (
    b"accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow"
    b" authorization cache-control content-disposition content-encoding content-language content-length content-location"
    b" content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match"
    b" if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range"
    b" referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via"
    b" www-authenticate"
).split()
_STATIC: Final[tuple[Field, ...]] = (
    # The first seven are a request's.
    *((b"", b""),) * 7,
    *((b":status", status) for status in _STATUSES),
    *((name, b"") for name in _NAMES),
)
"""The static table (Appendix A), which starts with number 1."""

_MOST_FIELDS: Final = 200
_MOST_SHIFT: Final = 21


def decode(block: bytes, known: list[Field]) -> list[Field]:
    """Return the fields of a block, those before the first mistake in it.

    block: of one message; known: the dynamic table of the connection, the newest first, which is extended.
    """
    reader = _BlockReader(block, known)
    fields: list[Field] = []
    try:
        while reader.at < len(block) and len(fields) < _MOST_FIELDS:
            if field := reader.field():
                fields.append(field)
    except (IndexError, ValueError):
        return fields
    return fields


class _BlockReader:
    """Reads one block from its start. Raises IndexError or ValueError where it makes no sense."""

    def __init__(self, block: bytes, known: list[Field]) -> None:
        self.at = 0
        self._block = block
        self._known = known

    def field(self) -> Field | None:
        """Return the next field; None for a change of the table's size."""
        first = self._block[self.at]
        if first & 0x80:
            return self._entry(self._number(7))
        if first >> 6 == 1:
            field = self._literal(6)
            self._known.insert(0, field)
            del self._known[_MOST_FIELDS:]
            return field
        if first >> 5 == 1:
            self._number(5)
            return None
        return self._literal(4)

    def _literal(self, bits: int) -> Field:
        number = self._number(bits)
        name = self._entry(number)[0] if number else self._text()
        return name, self._text()

    def _entry(self, number: int) -> Field:
        if not number:
            raise ValueError
        return _STATIC[number - 1] if number <= len(_STATIC) else self._known[number - len(_STATIC) - 1]

    def _number(self, bits: int) -> int:
        """Return an integer whose first bits are the last of this byte (RFC 7541 5.1)."""
        most = (1 << bits) - 1
        value = self._block[self.at] & most
        self.at += 1
        if value < most:
            return value
        for shift in range(0, _MOST_SHIFT, 7):
            byte = self._block[self.at]
            self.at += 1
            value += (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise ValueError

    def _text(self) -> bytes:
        is_coded = self._block[self.at] & 0x80
        length = self._number(7)
        text = self._block[self.at : self.at + length]
        if len(text) < length:
            raise ValueError
        self.at += length
        return _decoded(text) if is_coded else text


def _decoded(coded: bytes) -> bytes:
    """Return the text of a coded string (RFC 7541 5.2)."""
    text = bytearray()
    length = code = 0
    for byte in coded:
        for shift in range(7, -1, -1):
            length, code = length + 1, code << 1 | byte >> shift & 1
            character = _CODES.get((length, code))
            if character is not None:
                text.append(character)
                length = code = 0
            elif length > _LONGEST_CODE:
                raise ValueError
    if length > _PADDING:
        raise ValueError
    return bytes(text)
