"""Elements of HTML. What they hold is text and never markup: the library escapes it when it writes."""

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from cobalt_tasks.views.text import printable

Content = Element | str | int | None

_LONGEST: Final = 300


def element(name: str, /, *contents: Content, **attributes: str | float) -> Element:
    """Return an element.

    name: its tag; contents: text, which is cut behind 300 characters, and elements, None for nothing; attributes: by their
    names, with underscores for dashes, and one behind words of Python.
    """
    made = Element(name, {key.rstrip("_").replace("_", "-"): printable(value) for key, value in attributes.items()})
    last: Element | None = None
    for content in contents:
        if isinstance(content, Element):
            made.append(content)
            last = content
        elif content is not None:
            text = shown(content)
            if last is None:
                made.text = (made.text or "") + text
            else:
                last.tail = (last.tail or "") + text
    return made


def shown(value: object) -> str:
    """Return a value as text that is not too long and has no character that moves or hides others."""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def table(headings: Sequence[str], rows: Iterable[Sequence[Content]]) -> Element:
    """Return a table.

    headings: of its columns; rows: a cell for each column.
    """
    head = element("thead", element("tr", *(element("th", heading, scope="col") for heading in headings)))
    body = element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows))
    return element("div", element("table", head, body), class_="wide")


def as_html(document: Element) -> str:
    """Return a whole document as text."""
    return "<!doctype html>\n" + ET.tostring(document, encoding="unicode", method="html") + "\n"
