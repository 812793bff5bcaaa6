"""What was not looked at for a host, and why: that no rule found anything means something only where it could have.

Works on the document of one host, as `views.hosts.host` puts it together.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.records import ACTIVE_STATES, State
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat.rules import Rules

_OURS = frozenset({"no provider", "no resolver", "out of scope", "held up"})
"""Outcomes that are the reason why no look-up was made, and no fact about the host."""


class Unchecked(Struct, frozen=True, kw_only=True):
    """One thing that was not looked at.

    Attributes:
        check: a fact (location, name, banner, certificate), or a rule of rules.toml.
        reason: why, in a few words.

    """

    check: str
    reason: str


def of_host(host: Mapping[str, Any], settings: Settings) -> list[Unchecked]:
    """Return what was not looked at for one host, facts first.

    Args:
        host: all that is known about it, as `views.hosts.host` puts it together.
        settings: they name the providers, and the folder with the rules.

    """
    facts = {name: reason for name, reason in _facts(host, settings) if reason}
    found = [*facts.items(), *_rules(host, facts, settings)]
    return [Unchecked(check=check, reason=reason) for check, reason in found]


def _facts(host: Mapping[str, Any], settings: Settings) -> Iterator[tuple[str, str | None]]:
    yield "location", None if host["provider"] else _location(host, settings)
    names = [name for name in host["hostnames"] if name["source"] == "ptr"]
    yield "name", None if names else _by_jobs(host, "domain", "not looked up")
    ports = host["ports"]
    if not ports:
        reason = "no scan reported an open port" if host["discovered"] else "it was only seen in traffic, not scanned"
        yield "banner", reason
        yield "certificate", reason
        return
    read = any(port["banner"] or port["service"] for port in ports)
    yield "banner", None if read else _by_jobs(host, "banner", "no port was probed")
    seen = host["certificates"]
    yield "certificate", None if seen else _by_jobs(host, "certificate", "no port was found to speak TLS")


def _location(host: Mapping[str, Any], settings: Settings) -> str | None:
    if not is_public(host["address"]):
        return "not a public address"
    if not settings.usable_providers:
        return "no provider is configured"
    return _by_jobs(host, "geolocation", "not looked up")


def _by_jobs(host: Mapping[str, Any], kind: str, without: str) -> str | None:
    """Return why the jobs of a kind did not look at a host, or None if one of them did.

    `without` is the reason if there is no such job.
    """
    jobs = [job for job in host["jobs"] if job["kind"] == kind]
    if not jobs:
        return without
    if any(_looked(job) for job in jobs):
        return None
    last = jobs[0]
    if last["state"] in ACTIVE_STATES:
        return "waits to be looked up"
    if last["state"] == State.CANCELLED:
        return "the job was cancelled"
    return " ".join(part for part in (last["outcome"] or "our own failure", last["detail"]) if part)


def _looked(job: Mapping[str, Any]) -> bool:
    """Return whether a job ended with an answer about the host, even if the answer is that there is nothing."""
    if job["state"] == State.DONE:
        return True
    return bool(
        job["state"] == State.FAILED and job["kind"] in {"geolocation", "domain"} and job["outcome"] not in _OURS
    )


def _rules(host: Mapping[str, Any], facts: Mapping[str, str], settings: Settings) -> Iterator[tuple[str, str]]:
    if host["score"] is None:
        yield "score", "not scored yet"
    try:
        rules = _load(settings.home)
    except ConfigurationError as error:
        yield "rules", f"they cannot be read: {error}"
        return
    without_ports = None if host["ports"] else facts["banner"]
    inputs = {
        "risky_port": without_ports,
        "cleartext_service": facts.get("banner"),
        "expired_certificate": facts.get("certificate"),
        "expiring_certificate": facts.get("certificate"),
        "self_signed_certificate": facts.get("certificate"),
        "weak_key": facts.get("certificate"),
        "weak_signature": facts.get("certificate"),
        "name_mismatch": facts.get("certificate"),
        "old_tls": facts.get("certificate"),
        "new_listener_talks": without_ports,
        "unknown_country": facts.get("location"),
        "country": facts.get("location"),
        "network": facts.get("location") or (None if host["asn"] is not None else "its network is not known"),
    }
    for rule, missing in inputs.items():
        if reason := rules.idle(rule) or missing:
            yield rule, reason
    if reason := rules.idle("blocklist"):
        yield "blocklist", reason


_current: dict[Path, Rules] = {}


def _load(home: Path) -> Rules:
    """Return the rules as their files are now; they are read again only when a file changed."""
    rules = _current.get(home)
    if rules is None or not rules.are_current():
        rules = _current[home] = threat.load(home)
    return rules
