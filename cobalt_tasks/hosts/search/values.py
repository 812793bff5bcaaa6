"""The types of values: each reads what stands behind a field's colon, and makes a test of a column from it.

A test is a function of the columns of a row, so that it serves for any alias of a table. All values are bound parameters.
"""

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, column, func, literal_column, or_, select, table

from cobalt_tasks.core.addresses import canonical, sort_keys
from cobalt_tasks.core.own_networks import Labels
from cobalt_tasks.core.special_networks import Network
from cobalt_tasks.db.tables import certificates
from cobalt_tasks.db.tables.search import certificate_names, versions
from cobalt_tasks.hosts.search.language import SearchError, Value
from cobalt_tasks.hosts.search.texts import version_key, words

Columns = Any
Test = Callable[[Columns], ColumnElement[bool]]

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
_DIGITS: Final = 20
"""Characters up to which a text is read as a whole number."""

_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhdwy])")
_FTS: Final = table("search_index", column("rowid"))
_SIMPLE: Final[ColumnElement[Any]] = literal_column("'simple'::regconfig")
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LAST: Final = "\U0010ffff"
"""The last character: behind every text that starts alike."""


class Context(Struct, frozen=True, kw_only=True):
    """What the meaning of values depends on: the database, the time (epoch seconds), and the own networks by label.

    `labels`: returns them. `has_protocol`: returns whether a transport protocol has been seen.
    """

    is_sqlite: bool
    now: float
    labels: Callable[[], Labels] = dict
    has_protocol: Callable[[str], bool] = {}.__contains__


class ValueKind(ABC):
    """A type of values. `compares`: it has an order, and so the operators and ranges."""

    word = ""
    compares = False

    def test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        """Return the test for one value.

        Args:
            column: the name of the column.
            compare: "", "<", "<=", ">" or ">=".
            value: what was written.
            context: what the meaning of values depends on.

        Raises:
            SearchError: the value does not fit.

        """
        return self._test(column, compare, value, context)

    @abstractmethod
    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        """Do what `test` promises, for one type."""


class Number(ValueKind):
    """Whole numbers or fractions, with operators and ranges such as 1..1024."""

    compares = True

    def __init__(self, word: str, least: float, most: float, *, whole: bool) -> None:
        """Read numbers from `least` to `most`, `whole` ones or fractions; `word` names the type in the reference."""
        self.word = word
        self._least, self._most, self._whole = least, most, whole

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        first, dots, last = value.text.partition("..")
        if dots and not compare:
            low, high = self._read(first, value), self._read(last, value)
            if low > high:
                raise SearchError(f"{value.text} has no numbers: the lower end stands first", value.column)
            return lambda row: row[column].between(low, high)
        return _compared(column, compare, self._read(value.text, value))

    def _read(self, text: str, value: Value) -> float:
        try:
            number: float = int(text) if self._whole and len(text) < _DIGITS else float(text)
        except ValueError:
            raise SearchError(f"{text!r} is no number", value.column) from None
        if not self._least <= number <= self._most or (self._whole and not isinstance(number, int)):
            raise SearchError(f"{text} is not between {self._least:,} and {self._most:,}", value.column)
        return number


class Exact(ValueKind):
    """One word out of a fixed vocabulary, whatever its case."""

    def __init__(self, word: str, fold: Callable[[str], str] = str.lower, form: str = ".*") -> None:
        """Read words of one form.

        word: names the type; fold: brings a value into the form of the column; form: a regular expression for all of it.
        """
        self.word = word
        self._fold = fold
        self._form = re.compile(form, re.DOTALL)

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        if not self._form.fullmatch(value.text):
            raise SearchError(f"{value.text!r} is not of the form: {self.word}", value.column)
        wanted = self._fold(value.text)
        return lambda row: row[column] == wanted


class Folded(ValueKind):
    """Text whatever its case, with * at its end for any rest."""

    word = "text"

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        wanted, is_prefix = _prefix(value)
        wanted = fold(wanted, context)

        def test(row: Columns) -> ColumnElement[bool]:
            folded = lower(row[column], context)
            # Written out, so that the index of rows with a value serves.
            return and_(row[column].is_not(None), begins(folded, wanted) if is_prefix else folded == wanted)

        return test


class Version(Folded):
    """Versions, compared part by part: 9 < 10 < 10.1."""

    word = "version"
    compares = True

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        if not compare:
            return super()._test(column, compare, value, context)
        if not (key := version_key(value.text)):
            raise SearchError(f"{value.text!r} is no version", value.column)
        compared = _compared("sort_key", compare, key)
        fitting = select(lower(versions.c.version, context)).where(compared(versions.c))
        return lambda row: and_(row[column].is_not(None), lower(row[column], context).in_(fitting))


class Name(ValueKind):
    """Names of hosts: whole, or with *. for all names below one, or * at the end for any rest."""

    word = "name"

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        text = value.text.lower().removesuffix(".")
        if text.startswith("*") and not value.quoted:
            rest, _ = _prefix(Value(text[1:], value.column + 1, quoted=True))
            if "*" in rest or len(rest) <= 1:
                raise SearchError("a name has one *: at its start or at its end", value.column)
            return lambda row: begins(row["reversed"], rest[::-1])
        wanted, is_prefix = _prefix(Value(text, value.column, value.quoted))

        def test(row: Columns) -> ColumnElement[bool]:
            own = self._own(row[column], context)
            # Written out, so that the index of rows with a value serves.
            return and_(row[column].is_not(None), begins(own, wanted) if is_prefix else own == wanted)

        return test

    def _own(self, column: ColumnElement[str], context: Context) -> ColumnElement[str]:
        return lower(column, context)


class CertificateName(Name):
    """Names in certificates: in a table of their own, in lower case."""

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        named = super()._test("name", compare, value, context)
        fitting = select(certificate_names.c.fingerprint).where(named(certificate_names.c))
        return lambda row: row[column].in_(fitting)

    def _own(self, column: ColumnElement[str], context: Context) -> ColumnElement[str]:  # noqa: ARG002
        return column


class OfCertificate(ValueKind):
    """A part of a certificate, where a certificate was seen."""

    def __init__(self, kind: ValueKind) -> None:
        """`kind`: the type of the part."""
        self._kind = kind
        self.word, self.compares = kind.word, kind.compares

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        fits = self._kind.test(column, compare, value, context)
        fitting = select(certificates.c.fingerprint).where(fits(certificates.c))
        return lambda row: row["fingerprint"].in_(fitting)


class TimeKind(ValueKind):
    """Times: dates (UTC), or an age such as 7d; with operators and ranges. Before now, or after it (`ahead`)."""

    compares = True

    def __init__(self, word: str, *, ahead: bool = False) -> None:
        """`word` names the type; `ahead`: durations count from now into the future."""
        self.word = word
        self._ahead = ahead

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        first, dots, last = value.text.partition("..")
        if dots and not compare:
            low, high = sorted(self._read(text, value, context)[0] for text in (first, last))
            return lambda row: row[column].between(low, high)
        moment, is_duration = self._read(value.text, value, context)
        if is_duration and not self._ahead:
            # "Less than 7 days" is an age: later than 7 days ago.
            compare = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "": ">="}[compare]
        elif is_duration:
            compare = compare or "<="
        elif not compare:
            return lambda row: and_(row[column] >= moment, row[column] < moment + _SECONDS["d"])
        return _compared(column, compare, moment)

    def _read(self, text: str, value: Value, context: Context) -> tuple[float, bool]:
        if match := _DURATION.fullmatch(text):
            seconds = float(match[1]) * _SECONDS[match[2]]
            return context.now + (seconds if self._ahead else -seconds), True
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), False
        except (ValueError, OverflowError):
            message = f"{text!r} is no time: write an age such as 12h, 7d or 2w, or a date such as 2026-11-01"
            raise SearchError(message, value.column) from None


class Networks(ValueKind):
    """Addresses and networks in CIDR notation."""

    word = "network"

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        text = canonical(value.text) or value.text
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            message = f"{value.text!r} is no address and no network, such as 192.0.2.0/24; text stands in double quotes"
            raise SearchError(message, value.column) from None
        return _within(column, [network])


class Label(ValueKind):
    """A site or tag of the own networks."""

    word = "label"

    def __init__(self, label: str) -> None:
        """`label`: "site" or "tag"."""
        self._label = label

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        known = context.labels().get(self._label, {})
        if value.text.lower() not in known:
            names = ", ".join(sorted(known)) or "none: networks.toml names them"
            raise SearchError(f"there is no {self._label} {value.text!r}; there are {names}", value.column)
        return _within(column, known[value.text.lower()])


class Flag(ValueKind):
    """Yes or no."""

    word = "yes or no"
    _WORDS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        wanted = self._WORDS.get(value.text.lower())
        if wanted is None:
            raise SearchError("write yes or no", value.column)
        return lambda row: row[column] == wanted


class FreeText(ValueKind):
    """Words that stand behind each other in a text, with * at the end for the rest of the last word."""

    word = "words"

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        found = words(value.text)
        if not found:
            raise SearchError("there is no letter and no digit to search for", value.column)
        is_prefix = value.text.endswith("*") and not value.quoted
        if context.is_sqlite:
            query = '"' + " ".join(found) + '"' + ("*" if is_prefix else "")
            fitting = select(_FTS.c.rowid).where(literal_column("search_index").op("MATCH")(query))
            return lambda row: row["id"].in_(fitting)
        query = " <-> ".join(found) + (":*" if is_prefix else "")
        return lambda row: func.to_tsvector(_SIMPLE, row["body"]).op("@@")(func.to_tsquery(_SIMPLE, query))


def lower(column: ColumnElement[str], context: Context) -> ColumnElement[str]:
    """Return `column` in lower case, as the indexes of folded text have it; `context` names the database."""
    return func.lower(column) if context.is_sqlite else func.lower(column).collate("C")


def fold(text: str, context: Context) -> str:
    """Return `text` in lower case, as the database of `context` does it: SQLite knows the case of ASCII only."""
    if context.is_sqlite:
        return "".join(character.lower() if character.isascii() else character for character in text)
    return text.lower()


def _prefix(value: Value) -> tuple[str, bool]:
    """Return the text and whether it is only the start of one."""
    is_prefix = value.text.endswith("*") and not value.quoted
    text = value.text[:-1] if is_prefix else value.text
    if "*" in text and not value.quoted:
        raise SearchError("* stands at the end only; put text with a * into double quotes", value.column)
    return text, is_prefix


def begins(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Return the condition that a `column` (in byte order) starts with `text`."""
    return and_(column >= text, column < text + _LAST)


def _compared(column: str, compare: str, wanted: float | str) -> Test:
    function = _OPERATORS[compare]
    return lambda row: function(row[column], wanted)


def _within(column: str, networks: Sequence[Network]) -> Test:
    spans = [sort_keys(network) for network in networks]
    return lambda row: or_(*(row[column].between(first, last) for first, last in spans))
