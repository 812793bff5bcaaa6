"""The table of input formats: the only list of them. A reader's class declares all there is to know about its format.

Another package adds formats through entry points, each a class below `base.Format`:

    [project.entry-points."cobalt.formats"]
    example = "example_package.example:ExampleFormat"
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from cobalt_tasks.core import plugins
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.suggestions import did_you_mean
from cobalt_tasks.ingest.formats.arp_scan import ArpScan
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.capture import Capture
from cobalt_tasks.ingest.formats.censys import Censys
from cobalt_tasks.ingest.formats.cowrie import Cowrie
from cobalt_tasks.ingest.formats.firewalls.events import Cef, Leef
from cobalt_tasks.ingest.formats.firewalls.fortigate import FortiGate
from cobalt_tasks.ingest.formats.firewalls.linux import FirewallLog
from cobalt_tasks.ingest.formats.firewalls.pfsense import PfsenseLog
from cobalt_tasks.ingest.formats.flows.argus import ArgusCsv
from cobalt_tasks.ingest.formats.flows.azure import AzureFlowLog
from cobalt_tasks.ingest.formats.flows.gcp import GcpFlowLog
from cobalt_tasks.ingest.formats.flows.nfdump import NfdumpCsv, NfdumpJson
from cobalt_tasks.ingest.formats.flows.packetbeat import Packetbeat
from cobalt_tasks.ingest.formats.flows.vpc import VpcFlowLog
from cobalt_tasks.ingest.formats.leases.dnsmasq import DnsmasqLeases
from cobalt_tasks.ingest.formats.leases.isc import IscLeases
from cobalt_tasks.ingest.formats.leases.kea import KeaLeases
from cobalt_tasks.ingest.formats.masscan.binary import MasscanBinary
from cobalt_tasks.ingest.formats.masscan.json_ import MasscanJson
from cobalt_tasks.ingest.formats.masscan.list_ import MasscanList
from cobalt_tasks.ingest.formats.masscan.text import MasscanText
from cobalt_tasks.ingest.formats.nmap.grepable import MasscanGrepable, NmapGrepable
from cobalt_tasks.ingest.formats.nmap.normal import NmapNormal
from cobalt_tasks.ingest.formats.nmap.xml_ import MasscanXml, NmapXml
from cobalt_tasks.ingest.formats.port_table import PortTable
from cobalt_tasks.ingest.formats.projectdiscovery.dnsx import Dnsx
from cobalt_tasks.ingest.formats.projectdiscovery.fingerprintx import Fingerprintx
from cobalt_tasks.ingest.formats.projectdiscovery.httpx import Httpx
from cobalt_tasks.ingest.formats.projectdiscovery.naabu import NaabuCsv, NaabuJson, NaabuText
from cobalt_tasks.ingest.formats.projectdiscovery.nuclei import Nuclei
from cobalt_tasks.ingest.formats.projectdiscovery.tlsx import Tlsx
from cobalt_tasks.ingest.formats.reports.nessus import Nessus
from cobalt_tasks.ingest.formats.reports.nessus_csv import NessusCsv
from cobalt_tasks.ingest.formats.reports.openvas import OpenVas
from cobalt_tasks.ingest.formats.rustscan import Rustscan
from cobalt_tasks.ingest.formats.shodan import Shodan
from cobalt_tasks.ingest.formats.sockets.conntrack import Conntrack
from cobalt_tasks.ingest.formats.sockets.lsof import Lsof
from cobalt_tasks.ingest.formats.sockets.netstat import Netstat
from cobalt_tasks.ingest.formats.sockets.ss import Ss
from cobalt_tasks.ingest.formats.suricata.eve import SuricataEve
from cobalt_tasks.ingest.formats.tshark.fields import TsharkFields
from cobalt_tasks.ingest.formats.tshark.json_ import TsharkEk, TsharkJson
from cobalt_tasks.ingest.formats.tshark.text import TsharkText
from cobalt_tasks.ingest.formats.zdns import Zdns
from cobalt_tasks.ingest.formats.zeek.json_ import ZeekJson
from cobalt_tasks.ingest.formats.zeek.tsv import ZeekTsv
from cobalt_tasks.ingest.formats.zgrab2.modules import Zgrab2
from cobalt_tasks.ingest.formats.zmap import ZmapCsv, ZmapJson

FORMATS: Final[Sequence[type[Format]]] = (
    Capture,
    MasscanJson,
    # unicornscan's form starts with the list's header.
    MasscanText,
    MasscanList,
    MasscanGrepable,
    MasscanXml,
    MasscanBinary,
    NmapXml,
    NmapNormal,
    NmapGrepable,
    Rustscan,
    # An IPv6 address with a port behind it is an address too.
    NaabuText,
    NaabuCsv,
    ZmapCsv,
    ZmapJson,
    Zgrab2,
    Shodan,
    Censys,
    Nessus,
    NessusCsv,
    OpenVas,
    ArpScan,
    Tlsx,
    Httpx,
    Fingerprintx,
    Dnsx,
    Zdns,
    Nuclei,
    NaabuJson,
    ZeekTsv,
    ZeekJson,
    SuricataEve,
    # What each of its records wraps looks like the form for Elasticsearch.
    TsharkJson,
    TsharkEk,
    TsharkFields,
    TsharkText,
    Ss,
    Netstat,
    Lsof,
    Conntrack,
    NfdumpCsv,
    NfdumpJson,
    ArgusCsv,
    VpcFlowLog,
    AzureFlowLog,
    GcpFlowLog,
    Packetbeat,
    Cowrie,
    FirewallLog,
    PfsenseLog,
    Cef,
    Leef,
    FortiGate,
    IscLeases,
    KeaLeases,
    DnsmasqLeases,
    PortTable,
)
"""The formats of this project. When an input looks equally like two, the first of them counts."""

ENTRY_POINTS: Final = "cobalt.formats"
AUTO: Final = "auto"
"""What `cobalt ingest` calls every family at once."""

_is_name: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*").fullmatch


@cache
def all_formats() -> tuple[type[Format], ...]:
    """Return the formats of this project, then those of other installed packages.

    Raises:
        ConfigurationError: a format of another package cannot be loaded, or its declaration is wrong.

    """
    return checked((*FORMATS, *plugins.load(ENTRY_POINTS, type).values()))


def checked(formats: Iterable[type[Format]]) -> tuple[type[Format], ...]:
    """Return formats whose declarations are complete, and whose names are unique.

    Raises:
        ConfigurationError: one is not; the message names its class.

    """
    known: dict[str, type[Format]] = {}
    for each in formats:
        where = f"{each.__module__}.{each.__qualname__}"
        if not issubclass(each, Format):
            raise ConfigurationError(
                f"{where} is no format: it must be a class below cobalt_tasks.ingest.formats.Format"
            )
        missing = [name for name in ("name", "family", "tool", "summary") if not getattr(each, name, None)]
        if missing:
            raise ConfigurationError(f"the format {where} declares no {', '.join(missing)}")
        if not (_is_name(each.name) and _is_name(each.family)) or each.family == AUTO:
            raise ConfigurationError(f"the format {where}: {each.name!r} of {each.family!r} is no name of a format")
        if each.name in known:
            raise ConfigurationError(f"the format {where}: there is a format {each.name!r} already")
        known[each.name] = each
    return tuple(known.values())


def families() -> tuple[str, ...]:
    """Return the names of the families, in the order of the table."""
    return tuple(dict.fromkeys(each.family for each in all_formats()))


def of_family(family: str | None) -> tuple[type[Format], ...]:
    """Return the formats of a family; those of all families for None."""
    return tuple(each for each in all_formats() if family in {None, each.family})


def find(name: str | None) -> type[Format] | None:
    """Return a format by its name, or None if that is no name of one."""
    return next((each for each in all_formats() if each.name == name), None)


def named(name: str) -> type[Format]:
    """Return a format by its name.

    Raises:
        ConfigurationError: it is no name of a format.

    """
    found = find(name)
    if found is None:
        names = [each.name for each in all_formats()]
        raise ConfigurationError(
            f"there is no format {name!r}.{did_you_mean(name, names)} There are {', '.join(names)}"
        )
    return found


def may_scan(name: str | None, family: str | None) -> bool:
    """Return whether the user asked for a format that reports scans, which make the workers probe what they name.

    Args:
        name: the format asked for, None for any.
        family: the family asked for, None for any.

    Raises:
        ConfigurationError: there is no format of that name.

    """
    if name:
        return not named(name).is_traffic
    return family is not None and any(not each.is_traffic for each in of_family(family))


def table() -> str:
    """Return the table of families and formats for the documentation, in Markdown."""
    rows = ["| family | formats |", "|---|---|"]
    for family in dict.fromkeys(each.family for each in FORMATS):
        formats = "; ".join(f"`{each.name}`: {each.summary}" for each in FORMATS if each.family == family)
        rows.append(f"| `{family}` | {formats} |")
    return "\n".join(rows) + "\n"
