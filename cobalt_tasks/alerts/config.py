"""alerts.toml in COBALT_HOME: receivers, rules and expected scans. Its secrets stand in no message, log or table."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from cobalt_tasks.alerts import quiet
from cobalt_tasks.alerts.quiet import QuietHours
from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.durations import DAY, span
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.threat.rules import RULE_NAMES

FILE: Final = "alerts.toml"
_LARGEST: Final = 1 << 20
_LARGEST_SECRET: Final = 10_000
_LONGEST_GROUP: Final = DAY
_OPEN_BITS: Final = 0o077
ALL_RULES: Final = "*"

T = TypeVar("T")

Severity = Literal["info", "notice", "warning", "critical"]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Names = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=50)]


class ReceiverTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receiver as the file has it: one of `apprise`, `webhook` and `syslog`, each also as the name of a file with it; or
    the key of a plug-in.
    """

    apprise: str | None = None
    apprise_file: str | None = None
    webhook: str | None = None
    webhook_file: str | None = None
    secret: str | None = None
    secret_file: str | None = None
    syslog: str | None = None


class RuleTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as the file has it."""

    name: Name
    send_to: Names
    kinds: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    query: Annotated[str, Meta(max_length=2000)] = ""
    severity: Severity = "notice"
    group: str = "1m"
    lines: Annotated[int, Meta(ge=1, le=200)] = 20
    quiet: str | None = None


class ExpectedTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An expected scan as the file has it."""

    name: Name
    send_to: Names
    source: Annotated[str, Meta(min_length=1, max_length=1000)]
    every: str
    severity: Severity = "warning"
    quiet: str | None = None


class _AlertsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timezone: str = "UTC"
    quiet: str | None = None
    receivers: dict[str, Any] = {}
    rules: Annotated[list[Any], Meta(max_length=500)] = []
    expected: Annotated[list[Any], Meta(max_length=500)] = []


class Receiver(Struct, frozen=True, kw_only=True):
    """Where messages go. `url` and `secret` are secrets.

    Attributes:
        name: as rules name it.
        sort: apprise, webhook, syslog, or the name of a plug-in.
        url: where it is.
        secret: what webhooks are signed with; '' for none.

    """

    name: str
    sort: str
    url: str
    secret: str = ""

    def __repr__(self) -> str:
        """Return no secret: a traceback with values shows this."""
        return f"Receiver({self.name!r}, {self.sort!r})"


class ChangeRule(Struct, frozen=True, kw_only=True):
    """When messages are sent about changes, or about findings that are new.

    Attributes:
        name: its name.
        send_to: names of receivers.
        kinds: kinds of changes, None for all.
        findings: threat rules whose new findings it is about, or "*" for those of all.
        query: in the search language, over the host or port that changed; '' for all.
        severity: how bad it is.
        group: seconds for which changes are gathered into one message.
        lines: changes that one message lists, at most.
        quiet: when nothing is sent; None for never.

    """

    name: str
    send_to: tuple[str, ...]
    kinds: frozenset[str] | None
    findings: frozenset[str]
    query: str
    severity: str
    group: float
    lines: int
    quiet: QuietHours | None


class ExpectedScan(Struct, frozen=True, kw_only=True):
    """A scan that is to arrive every so many seconds. `source`: its name, with * for any characters."""

    name: str
    send_to: tuple[str, ...]
    source: str
    every: float
    severity: str
    quiet: QuietHours | None


class Alerting(Struct, frozen=True, kw_only=True):
    """All that alerts.toml describes. `written_at`: when the file was changed last, in epoch seconds."""

    receivers: Mapping[str, Receiver]
    rules: tuple[ChangeRule, ...]
    expected: tuple[ExpectedScan, ...]
    written_at: float
    warnings: tuple[str, ...] = ()


def load(home: Path) -> Alerting | None:
    """Read alerts.toml in `home`; None where the file does not exist.

    Raises:
        ConfigurationError: it cannot be read or used; the message names the line or the key, and no value that may be secret.

    """
    file = home / FILE
    try:
        state = file.stat()
        if state.st_size > _LARGEST:
            raise ConfigurationError(f"{file} is larger than {_LARGEST >> 20} MiB")
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is no TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {_reason(error)}") from None
    found = _convert(document, _AlertsFile, str(file))
    receivers = {name: _receiver(file, name, table) for name, table in found.receivers.items()}
    rules = tuple(_rule(file, number, table, found) for number, table in enumerate(found.rules, 1))
    expected = tuple(_expected(file, number, table, found) for number, table in enumerate(found.expected, 1))
    _check_names(file, receivers, rules, expected)
    open_to_others = state.st_mode & _OPEN_BITS and any(_is_secret(each) for each in found.receivers.values())
    warning = f"other users may read {file}, which has secrets: run chmod 600 {file}"
    return Alerting(
        receivers=receivers,
        rules=rules,
        expected=expected,
        written_at=state.st_mtime,
        warnings=(warning,) if open_to_others else (),
    )


def _is_secret(table: dict[str, object]) -> bool:
    return any(key != "syslog" and not key.endswith("_file") for key in table)


def _receiver(file: Path, name: str, table: object) -> Receiver:
    # Imported late: it knows what each sort accepts.
    from cobalt_tasks.alerts.receivers import notifiers, require_usable  # noqa: PLC0415

    where = f"{file}: [receivers.{name}]"
    sorts = list(notifiers())
    given = _texts(table, sorts, where)
    texts = {sort: _given(file.parent, given, sort, where) for sort in sorts}
    named = [sort for sort, text in texts.items() if text]
    if len(named) != 1:
        raise ConfigurationError(f"{where}: write one of {', '.join(sorts[:-1])} and {sorts[-1]}")
    sort = named[0]
    secret = _given(file.parent, given, "secret", where)
    if secret and sort != "webhook":
        raise ConfigurationError(f"{where}: secret: only a webhook is signed")
    receiver = Receiver(name=name, sort=sort, url=texts[sort] or "", secret=secret or "")
    require_usable(receiver, where)
    return receiver


def _texts(table: object, sorts: Sequence[str], where: str) -> dict[str, str | None]:
    """Return what the file has of a receiver, by key. table: as it was read; sorts: what delivers; where: for messages."""
    every: dict[str, object] = table if isinstance(table, dict) else {}
    known = {key for sort in sorts for key in (sort, f"{sort}_file")} - set(ReceiverTable.__struct_fields__)
    added = {key: text for key, text in every.items() if key in known}
    ours = {key: text for key, text in every.items() if key not in known} if isinstance(table, dict) else table
    return {**msgspec.structs.asdict(_convert(ours, ReceiverTable, where)), **_convert(added, dict[str, str], where)}


def _given(home: Path, table: Mapping[str, str | None], key: str, where: str) -> str | None:
    text = table.get(key)
    name = table.get(f"{key}_file")
    if text is not None and name is not None:
        raise ConfigurationError(f"{where}: {key} and {key}_file exclude each other")
    if name is None:
        return text and text.strip()
    try:
        with (home / name).open(encoding="utf-8") as lines:
            return lines.read(_LARGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where}: {key}_file: {name} cannot be read: {_reason(error)}") from None


def _rule(file: Path, number: int, table: object, document: _AlertsFile) -> ChangeRule:
    given = _convert(table, RuleTable, f"{file}: [[rules]] number {number}")
    where = f"{file}: rule {given.name!r}"
    known = [each.value for each in ChangeKind]
    for kind in given.kinds:
        if kind not in known:
            raise ConfigurationError(f"{where}: kinds: there is no {kind!r}; there are {', '.join(known)}")
    for name in given.findings:
        if name not in {*RULE_NAMES, ALL_RULES}:
            raise ConfigurationError(
                f"{where}: findings: there is no {name!r}; there are {', '.join(RULE_NAMES)}, and *"
            )
    group = span(given.group)
    if group is None or group > _LONGEST_GROUP:
        raise ConfigurationError(f"{where}: group: write a length of time up to 24h, such as 30s or 10m")
    return ChangeRule(
        name=given.name,
        send_to=given.send_to,
        kinds=frozenset(given.kinds) if given.kinds or given.findings else None,
        findings=frozenset(given.findings),
        query=given.query,
        severity=given.severity,
        group=group,
        lines=given.lines,
        quiet=_quiet(document, given.quiet, given.severity, where),
    )


def _expected(file: Path, number: int, table: object, document: _AlertsFile) -> ExpectedScan:
    given = _convert(table, ExpectedTable, f"{file}: [[expected]] number {number}")
    where = f"{file}: expected {given.name!r}"
    every = span(given.every)
    if not every:
        raise ConfigurationError(f"{where}: every: write a length of time such as 24h or 7d")
    return ExpectedScan(
        name=given.name,
        send_to=given.send_to,
        source=given.source,
        every=every,
        severity=given.severity,
        quiet=_quiet(document, given.quiet, given.severity, where),
    )


def _quiet(document: _AlertsFile, own: str | None, severity: str, where: str) -> QuietHours | None:
    """Return the quiet hours of a rule: its own, else those of the file, which do not hold for what is critical."""
    text = own if own is not None else None if severity == "critical" else document.quiet
    if not text:
        return None
    try:
        zone = ZoneInfo(document.timezone)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(f"{where}: timezone: write a name such as Europe/Berlin or UTC") from None
    try:
        return quiet.read(text, zone)
    except ValueError:
        raise ConfigurationError(f"{where}: quiet: write a part of the day such as 22:00-07:00") from None


def _check_names(
    file: Path, receivers: Mapping[str, Receiver], rules: tuple[ChangeRule, ...], expected: tuple[ExpectedScan, ...]
) -> None:
    every: list[ChangeRule | ExpectedScan] = [*rules, *expected]
    names = [each.name for each in every]
    for each in every:
        if names.count(each.name) > 1:
            raise ConfigurationError(f"{file}: {each.name!r} is the name of two rules: choose another name for one")
        for name in each.send_to:
            if name not in receivers:
                known = ", ".join(receivers) or "none: add [receivers.NAME]"
                message = f"{file}: {each.name!r}: send_to: there is no receiver {name!r}; there are {known}"
                raise ConfigurationError(message)


def _convert(table: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
