r"""The protocols: one file each, and one line here for each. There is no other list of them.

To add a protocol, write a file in this folder with a `PROTOCOL`, and add its name to `_MODULES`; the order there decides
which recogniser looks at an answer first. A third party's package adds its own without touching this one, by an entry point
of the group `cobalt.protocols`::

    [project.entry-points."cobalt.protocols"]
    inventory = "my_package.inventory:PROTOCOL"

A whole protocol::

    def recognise(raw: bytes) -> Fingerprint | None:
        found = re.match(rb"Inventory server ([!-~]{1,32})", raw)
        return Fingerprint("inventory", "inventoryd", clean(found[1])) if found else None

    PROTOCOL = Protocol(name="inventory", ports=(1979,), words=lambda _: b"\r\n", recognise=recognise)

That is enough to try it on port 1979, and to recognise its answers wherever they turn up: on other ports, inside TLS, in the
output of other tools. Three more fields make it better: `likelihood` tries its words on every port, `ask_more` asks for the
version on the same connection, `starttls` reaches the certificate of a port that starts in the clear (base.py has them all).
Nothing here opens a socket or reads a clock: a conversation yields steps, and workers/net.py takes them. Its test
is a table of bytes (tests/unit/protocols).
"""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from cobalt_tasks.protocols.base import Protocol

GROUP: Final = "cobalt.protocols"
_IN_TLS: Final = "ssl/"

_MODULES: Final = (
    "ssh",
    "ssdp",
    # Programs that speak HTTP, before HTTP in general.
    "etcd",
    "docker",
    "kubernetes",
    "node_inspector",
    "http2",
    "web",
    "tls",
    "smtp",
    "ftp",
    "lmtp",
    "imap",
    "redis",
    "pop3",
    "mysql",
    "postgresql",
    "vnc",
    "rdp",
    "telnet",
    "rtsp",
    "rsync",
    "amqp",
    "amqp1",
    "memcached",
    "irc",
    "dict_",
    "nats",
    "sip",
    "ldap",
    "mongodb",
    "mqtt",
    "smb",
    "mdns",
    "dns",
    "mssql",
    "rpcbind",
    "ajp",
    "xmpp",
    "x11",
    "git",
    "nntp",
    "ident",
    "modbus",
    "enip",
    "s7",
    "bacnet",
    "dnp3",
    "ntp",
    "snmp",
    "stun",
    "openvpn",
    "quic",
    "netbios_ns",
    "kerberos",
    "radius",
    "ike",
    "tftp",
    "mpd",
    "beanstalkd",
    "gearman",
    "epmd",
    "zabbix",
    "nrpe",
    "bacula",
    "svn",
    "socks5",
    "socks4",
    "zookeeper",
    "stomp",
    "nfs",
    "mumble",
    "minecraft",
    "pjl",
    "cassandra",
    "kafka",
    "oracle",
    "openwire",
    "distcc",
    "munin",
    "gpsd",
    "nut",
    "spamd",
    "clamd",
    "managesieve",
    "tarantool",
    "finger",
    "varnish_cli",
    "ganglia",
    "iscsi",
    "quassel",
    "bzflag",
    "firebird",
    "nbd",
    "coap",
    "pptp",
    "l2tp",
    "tacacs",
    "jdwp",
    "rmi",
    "rtmp",
    "fastcgi",
    "drda",
    "cvs",
    "qemu",
    "zmtp",
    "dap",
    "opcua",
    "ceph",
    "apcupsd",
    "lcdproc",
    "twemproxy",
    "daytime",
    "chargen",
)


def _load() -> tuple[Protocol, ...]:
    own = [import_module(f"{__package__}.{name}").PROTOCOL for name in _MODULES]
    others = [entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]
    protocols = (*own, *others)
    for each in protocols:
        if not isinstance(each, Protocol):
            raise TypeError(f"{each!r} in the group {GROUP} is no Protocol")
    if twice := {each.name for each in protocols if [other.name for other in protocols].count(each.name) > 1}:
        raise ValueError(f"two protocols are called {', '.join(sorted(twice))}")
    return protocols


PROTOCOLS: Final = _load()
BY_NAME: Final = {each.name: each for each in PROTOCOLS}

TLS_PORTS: Final = frozenset(port for each in PROTOCOLS for port in each.tls_ports)
"""TCP ports on which TLS starts with the first byte."""

ALIASES: Final = {alias: each.name for each in PROTOCOLS for alias in each.aliases}
"""What scanners call services, in our words."""

PARTS: Final = {part: recogniser for each in PROTOCOLS for part, recogniser in each.parts.items()}
"""Recognisers of services whose banner is only a part of an answer."""


def our_name(service: str) -> str:
    """Return our name for what a scanner calls a service: itself if we have none. `ssl/NAME` is NAME inside TLS."""
    if service.startswith(_IN_TLS) and service != _IN_TLS:
        inside = our_name(service.removeprefix(_IN_TLS))
        return (inside in BY_NAME and BY_NAME[inside].name_in_tls) or inside
    return ALIASES.get(service, service)


def named(service: str) -> Protocol | None:
    """Return the protocol of a service: by its name, its name inside TLS, or what a scanner calls it."""
    name = our_name(service)
    return BY_NAME.get(name) or _in_tls().get(name)


def default_port(service: str) -> int | None:
    """Return the port on which a service usually listens; None if it is not known."""
    protocol = named(service)
    if protocol is None:
        return None
    ports = (
        protocol.tls_ports
        if service == protocol.name_in_tls
        else protocol.ports or protocol.udp_ports or protocol.tls_ports
    )
    return next(iter(ports), None)


def at_port(port: int, *, in_tls: bool = False) -> list[Protocol]:
    """Return the protocols that live on a TCP port: in the clear or, with `in_tls`, inside TLS."""
    return [each for each in PROTOCOLS if port in (each.tls_ports if in_tls else each.ports)]


def words_at(port: int, *, in_tls: bool = False, industrial: bool = False) -> list[Protocol]:
    """Return the protocols to try on a TCP port in their order: those that live there, then the others by likelihood.

    Without `in_tls`, TLS itself is one of them, the first on ports where it starts with the first byte.
    port: its number; industrial: the protocols of industrial controllers are among them.
    """
    own = at_port(port, in_tls=in_tls)
    if any(each.exclusive for each in own):
        return _spoken(own, industrial=industrial)
    tls = [BY_NAME["tls"]] if port in TLS_PORTS else []
    order = (*own, *(tls if not own else ()), *_likely(), *(tls if own else ()))
    return _spoken((each for each in order if not (in_tls and each.name == "tls")), industrial=industrial)


def udp_words_at(port: int, *, industrial: bool = False) -> list[Protocol]:
    """Return the protocols to try on a UDP port in their order: those that live there, then the others by likelihood.

    port: its number; industrial: the protocols of industrial controllers are among them.
    """
    own = [each for each in PROTOCOLS if port in each.udp_ports]
    others = () if any(each.exclusive for each in own) else _likely_over_udp()
    return _spoken((*own, *others), industrial=industrial, udp=True)


@cache
def _likely() -> tuple[Protocol, ...]:
    likely = [(each.likelihood, each.name) for each in PROTOCOLS if each.likelihood is not None]
    return tuple(BY_NAME[name] for _, name in sorted(likely))


@cache
def _likely_over_udp() -> tuple[Protocol, ...]:
    likely = [(each.udp_likelihood, each.name) for each in PROTOCOLS if each.udp_likelihood is not None]
    return tuple(BY_NAME[name] for _, name in sorted(likely))


def _spoken(protocols: Iterable[Protocol], *, industrial: bool, udp: bool = False) -> list[Protocol]:
    """Return those that have words and may be asked, each once."""
    spoken = (each for each in protocols if (each.udp_words if udp else each.words))
    return list({each.name: each for each in spoken if industrial or not each.industrial}.values())


@cache
def _in_tls() -> dict[str, Protocol]:
    return {each.name_in_tls: each for each in PROTOCOLS if each.name_in_tls}
