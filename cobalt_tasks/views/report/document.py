"""A report as one HTML file: no script, nothing from elsewhere, and it prints well."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final
from xml.etree.ElementTree import Element

from cobalt_tasks.views.certificates import ports_in_words
from cobalt_tasks.views.host_tables import place
from cobalt_tasks.views.report.contents import CERTIFICATES, HOSTS, Contents
from cobalt_tasks.views.report.elements import Content, as_html, element, table
from cobalt_tasks.views.report.world_map import world_map
from cobalt_tasks.views.text import day

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_NAMES: Final = {"country": "Countries", "port": "Ports", "service": "Services", "product": "Products"}
_TOP: Final = 10
_PORTS: Final = 5

Row = Mapping[str, Any]


def render(contents: Contents) -> str:
    """Return the report."""
    style = files("cobalt_tasks.views.report").joinpath("report.css").read_text(encoding="utf-8")
    css = element("style")
    # Of our own file, and not shortened as text is.
    css.text = style
    title = f"Cobalt report, {day(contents.asked.until)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        css,
    )
    sections = (_summary, _map, _changes, _riskiest, _certificates, _hosts, _origin)
    main = element("main", element("h1", title), *(make(contents) for make in sections))
    return as_html(element("html", head, element("body", main), lang="en"))


def _section(heading: str, *contents: Content) -> Element:
    """Return a section under a `heading`; contents: its elements."""
    return element("section", element("h2", heading), *contents)


def _summary(contents: Contents) -> Element:
    asked = contents.asked
    about = f"Hosts that match {asked.query}" if asked.query else "All hosts of the ledger"
    expired, expiring = (
        _number(len(some), exact=len(some) < CERTIFICATES) for some in (contents.expired, contents.expiring)
    )
    facts = (
        (_number(contents.total.count, exact=contents.total.exact), "hosts"),
        (_number(sum(n for _, n in contents.kinds), exact=contents.all_changes), f"changes since {day(asked.since)}"),
        (expired, "expired certificates in use"),
        (expiring, "certificates that expire within 30 days"),
    )
    tiles = (element("div", element("strong", number), element("span", what), class_="tile") for number, what in facts)
    lists = (
        element("div", element("h3", _NAMES[name]), table(("", "hosts"), [(v.value, v.count) for v in values[:_TOP]]))
        for name, values in contents.counts.facets.items()
        if values
    )
    return _section(
        "Summary",
        element("p", f"{about}. Changes since {_time(asked.since)}; made {_time(asked.until)}. Times are in UTC."),
        element("div", *tiles, class_="tiles"),
        element("div", *lists, class_="columns"),
    )


def _map(contents: Contents) -> Element:
    placed = sum(place.hosts for place in contents.places)
    note = f"{placed:,} hosts have a place on the map; squares are own sites."
    if contents.asked.query and contents.total.count > HOSTS:
        note = f"Of the first {HOSTS:,} of {_number(contents.total.count, exact=contents.total.exact)} hosts. {note}"
    return _section("Where the hosts are", element("p", note), world_map(contents.places))


def _changes(contents: Contents) -> Element:
    if not contents.changes:
        return _section("Changes", element("p", "Nothing changed in this time."))
    kinds = table(("kind", "changes"), contents.kinds)
    rows = [(_time(row["observed_at"]), row["address"] or "", row["text"]) for row in contents.changes]
    total = sum(number for _, number in contents.kinds)
    note = _first("newest", len(rows), total, exact=contents.all_changes)
    return _section("Changes", kinds, element("p", note), table(("time", "host", "what changed"), rows))


def _riskiest(contents: Contents) -> Element:
    if not contents.riskiest:
        return _section("Riskiest hosts", element("p", "No host has a finding."))
    rows = [
        (
            row["address"],
            ", ".join(row["names"][:2]),
            place(row),
            f"{row['score']:.2f}",
            element("ul", *(element("li", each.detail) for each in contents.reasons.get(row["address"], ()))),
        )
        for row in contents.riskiest
    ]
    headings = ("host", "names", "where and whose", "score", "reasons")
    return _section("Riskiest hosts", element("p", "The score goes from 0 to 1."), table(headings, rows))


def _certificates(contents: Contents) -> Element:
    rows = [
        (
            "expired" if is_expired else "expires",
            day(row["not_after"]),
            ", ".join(row["names"][:3]) or row["subject"],
            row["issuer"],
            ports_in_words(row, _PORTS),
        )
        for is_expired, some in ((True, contents.expired), (False, contents.expiring))
        for row in some
    ]
    if not rows:
        return _section("Certificates", element("p", "No certificate in use has expired or expires within 30 days."))
    note = f"In use: at least one open port shows it. At most {CERTIFICATES} of each sort are listed."
    return _section(
        "Certificates", element("p", note), table(("", "when", "for", "issuer", "shown by"), rows)
    )  # fmt: skip


def _hosts(contents: Contents) -> Element:
    rows = [
        (
            row["address"],
            ", ".join(row["names"][:3]),
            place(row),
            "" if row["score"] is None else f"{row['score']:.2f}",
            ", ".join(_service(port) for port in row["ports"][:12]),
            day(row["last_seen"]),
        )
        for row in contents.hosts
    ]
    headings = ("host", "names", "where and whose", "score", "open ports", "last seen")
    note = _first("last seen", len(rows), contents.total.count, exact=contents.total.exact)
    return _section("Appendix: hosts", element("p", note if rows else "No host matches."), table(headings, rows))


def _origin(contents: Contents) -> Element:
    totals = contents.totals
    scope = ", ".join(contents.scope) or "no scope is set: what the user's own scans reported"
    rows = [(s.name, s.format or "", s.read, s.accepted, s.rejected, _time(s.updated_at)) for s in contents.sources]
    records = (
        f"{totals['read']:,} records of {totals['sources']:,} inputs were read: {totals['accepted']:,} accepted, "
        f"{totals['duplicates']:,} duplicates, {totals['rejected']:,} rejected, {totals['ignored']:,} ignored."
    )
    facts = (
        ("Hosts and ports", "from scanners' reports and from connections seen in traffic."),
        ("Services and banners", "from scanners, from traffic, and from probes within the scope."),
        ("Names", "from DNS, certificates, and redirects."),
        ("Places and owners", "from geolocation databases and providers; they are estimates."),
        ("Scores", "the sum of what threat rules found; each reason names its evidence."),
        ("Probed", f"{scope}. Never: {', '.join(contents.excluded) or 'nothing is excluded'}."),
    )
    terms = (part for name, text in facts for part in (element("dt", name), element("dd", text)))
    return _section(
        "Appendix: how this was found",
        element("dl", *terms),
        element("p", records),
        table(("input", "format", "read", "accepted", "rejected", "last read"), rows),
    )


def _first(which: str, shown: int, total: int, *, exact: bool) -> str:
    """Return how many of all are listed.

    which: the order, such as "newest"; shown: how many; total: of how many; exact: whether these are all.
    """
    if shown >= total and exact:
        return f"All {total:,}, the {which} first."
    return f"The first {shown:,} of {_number(total, exact=exact)}, the {which} first."


def _number(number: int, *, exact: bool) -> str:
    """Return a `number`; `exact`: it is no bound."""
    return f"{number:,}" if exact else f"at least {number:,}"


def _service(port: Row) -> str:
    what = " ".join(filter(None, (port["product"] or port["service"], port["version"])))
    return f"{port['port']}/{port['protocol']}{f' {what}' if what else ''}"


def _time(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(moment)
