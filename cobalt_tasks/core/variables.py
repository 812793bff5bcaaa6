"""What one environment variable is, declared beside the field of `Settings` that holds its value.

docs/settings.md, `cobalt doctor --settings` and the tests of docker-compose.yml are made from these declarations.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

ABSENT: Final = "not set"


class Variable(Struct, frozen=True, kw_only=True):
    """One environment variable, or several for the same value.

    Attributes:
        name: the variable.
        meaning: what it does, one line of Markdown.
        value: what to write, with its unit; empty where the type of the field is enough (`true` or `false`).
        default: the default in Markdown; empty: the default of the field.
        also: another name, which is read if `name` is not set.
        is_secret: its value is never printed.
        companions: variables that complete this one and have no field of their own.

    """

    name: str
    meaning: str
    value: str = ""
    default: str = ""
    also: str | None = None
    is_secret: bool = False
    companions: tuple["Variable", ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its names, in the order they are read."""
        return (self.name, self.also) if self.also else (self.name,)


def password(stem: str, use: str) -> tuple[Variable, Variable]:
    """Declare a password that is set by itself or in a file.

    Args:
        stem: the name up to `_PASSWORD`.
        use: what the password is for, one line of Markdown.

    """
    variable = f"{stem}_PASSWORD"
    file = f"a file that holds {variable} (its last line ending is left out); read if that is not set"
    return (
        Variable(name=variable, meaning=use, value="text, as it is", default=ABSENT, is_secret=True),
        Variable(name=f"{variable}_FILE", meaning=file, value="a path", default=ABSENT),
    )


def declared(settings: type[Struct]) -> dict[str, Variable]:
    """Return the variable of each field that has one, in the order of the fields."""
    hints = get_type_hints(settings, include_extras=True)
    return {field: found for field, hint in hints.items() if (found := _variable(hint))}


def _variable(hint: Any) -> Variable | None:
    return next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Variable)), None)


def rows(settings: type[Struct]) -> Iterator[Variable]:
    """Yield every variable of the fields, complete with what to write and its default, each companion after its own."""
    hints = get_type_hints(settings, include_extras=True)
    defaults = {field.name: field for field in msgspec.structs.fields(settings)}
    for field, variable in declared(settings).items():
        yield msgspec.structs.replace(
            variable,
            value=_value(variable, hints[field]),
            default=variable.default or _default(defaults[field]),
        )
        yield from variable.companions


def lists(settings: type[Struct]) -> Iterator[str]:
    """Yield the fields that hold lists, which are written with commas."""
    for field, hint in get_type_hints(settings).items():
        if get_origin(hint) is tuple and field in declared(settings):
            yield field


class Listed(Struct, frozen=True, kw_only=True):
    """One variable as `cobalt doctor --settings` prints it.

    Attributes:
        name: the variable.
        now: its value in the environment; "set" for a secret, empty if it is not set.
        value: what to write, with its unit.
        default: the default.
        meaning: what it does.

    """

    name: str
    now: str
    value: str
    default: str
    meaning: str


def with_values(variables: Iterable[Variable], environ: Mapping[str, str]) -> Iterator[Listed]:
    """Yield variables with their values.

    Args:
        variables: the variables, complete with value and default.
        environ: the environment.

    """
    for each in variables:
        now = next((environ[name] for name in each.names if environ.get(name)), "")
        yield Listed(
            name=each.name,
            now="set" if now and each.is_secret else now,
            value=each.value,
            default=each.default,
            meaning=each.meaning,
        )


def _value(variable: Variable, hint: Any) -> str:
    """Return what to write: the text of the declaration, else from the type, with the range of a number."""
    kinds = {bool: "`true` or `false`", str: "text"}
    plain, bounds = hint, ""
    while get_origin(plain) is Annotated:
        bounds += "".join(_range(each) for each in plain.__metadata__ if isinstance(each, msgspec.Meta))
        plain = get_args(plain)[0]
        plain = next((each for each in get_args(plain) if each is not NoneType), plain)
    return (variable.value or kinds[plain]) + bounds


def _range(meta: msgspec.Meta) -> str:
    low = f", above {meta.gt:g}" if meta.gt is not None else ""
    return low + (f", at most {meta.le:,g}" if meta.le is not None else "")


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is None or value == ():
        return ABSENT
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
