"""What each of Zeek's logs reports: connections, and beside them services, names, certificates and MAC addresses."""

from typing import Any, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import names
from cobalt_tasks.ingest.formats.zeek import certificates, known

Record = dict[str, Any]

_UDP: Final = frozenset(
    {
        "ntp",
        "snmp",
        "dhcp",
        "quic",
        "radius",
        "sip",
        "tftp",
        "syslog",
        "stun",
        "bacnet",
        "wireguard",
        "ipsec",
        "ike",
        "coap",
    }
)
"""Logs without a column for the protocol, of what runs on UDP."""

_TCP: Final = frozenset({
    *("ssl", "http", "ssh", "ftp", "smtp", "rdp", "irc", "mysql", "mqtt_connect", "mqtt_publish", "mqtt_subscribe"),
    *("socks", "smb_files", "smb_mapping", "dce_rpc", "ntlm", "rfb", "modbus", "dnp3", "ldap_search", "postgresql"),
    *("redis", "smb", "ldap", "opcua", "s7comm", "cotp", "enip", "cip", "iso", "telnet", "login", "http2", "pop3", "imap"),
    *("xmpp", "gssapi", "finger", "ge", "omron", "spicy", "websocket"),
})  # fmt: skip
"""The same, of what runs on TCP."""

_BY_PORT: Final = frozenset({"kerberos", "dns"})
"""The same, of what runs on both."""

_FLOWS: Final = frozenset({"conn", "quic"})
"""Logs of which the first line is that of the connection: TLS inside QUIC has a line in ssl.log too, which knows no protocol."""

_TUNNELS: Final = ("Tunnel::TEREDO", "Tunnel::VXLAN", "Tunnel::GENEVE", "Tunnel::GTPv1", "Tunnel::AYIYA")
"""Types of tunnels in UDP."""

_TCP_TUNNELS: Final = ("Tunnel::HTTP", "Tunnel::SOCKS")

_WITH_ENDS: Final = _TCP | _UDP | _BY_PORT | {"conn"}
_ENDS: Final = frozenset({"id.orig_h", "id.resp_h"})
TRACEROUTE: Final = frozenset({"ts", "src", "dst", "proto"})
"""The columns of a log that no other one has together."""

_NOT_DETAILS: Final = frozenset({
    *("ts", "uid", "proto", "_path", "_system_name", "_write_ts", "_node_name", "_log_ext"),
    *("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"),
    *("password", "cookie"),
})  # fmt: skip
"""Columns that are kept elsewhere, that describe the sensor, or that are secrets."""

_COUNTS: Final = frozenset({
    *("orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts", "missed_bytes", "orig_ip_bytes", "resp_ip_bytes", "ip_proto"),
    *("status_code", "request_body_len", "response_body_len", "trans_depth"),
})  # fmt: skip
_MANY: Final = frozenset(
    {"dns", "http", "notice", "weird", "files", "smb_files", "dce_rpc", "kerberos", "ftp", "sip", "snmp"}
)
"""Logs with several lines for a connection: their columns are a list in the details."""

_LONGEST: Final = 512
_LONGEST_COUNT: Final = 19
_MOST: Final = 32
_LONGEST_IDENTITY: Final = 64

_SIGNS: Final = (
    ("conn", "conn_state"),
    # Both have a method too.
    ("sip", "call_id"),
    ("sip", "response_path"),
    ("dns", "qtype_name"),
    ("dns", "query"),
    ("http", "method"),
    ("http", "user_agent"),
    ("http", "response_body_len"),
    ("ssh", "kex_alg"),
    ("ssh", "auth_attempts"),
    ("quic", "client_initial_dcid"),
    ("ssl", "cipher"),
    ("ssl", "established"),
    ("ssl", "server_name"),
    ("x509", "certificate.serial"),
    ("dhcp", "msg_types"),
    ("ntp", "ref_id"),
    ("ntp", "stratum"),
    ("notice", "note"),
    ("weird", "peer"),
    ("kerberos", "request_type"),
    ("snmp", "community"),
    ("smtp", "helo"),
    ("smtp", "mailfrom"),
    ("rdp", "security_protocol"),
    ("rdp", "cookie"),
    ("ftp", "reply_code"),
    ("socks", "request_p"),
    ("socks", "bound_p"),
    ("radius", "framed_addr"),
    ("radius", "connect_info"),
    ("mysql", "arg"),
    ("irc", "nick"),
    ("rfb", "client_major_version"),
    ("dce_rpc", "named_pipe"),
    ("smb_mapping", "share_type"),
    ("smb_files", "times.modified"),
    ("ntlm", "server_nb_computer_name"),
    ("ntlm", "domainname"),
    ("smb_cmd", "tree_service"),
    ("smb_cmd", "referenced_file.uid"),
    ("modbus", "func"),
    ("dnp3", "fc_request"),
    ("syslog", "facility"),
    ("intel", "seen.indicator"),
    ("signatures", "sig_id"),
    ("ocsp", "hashAlgorithm"),
    ("stats", "mem"),
    ("capture_loss", "percent_lost"),
    ("software", "software_type"),
    ("known_services", "port_num"),
    ("files", "fuid"),
    # Columns of other logs too, which have one of those above as well.
    ("radius", "tunnel_client"),
    ("radius", "reply_msg"),
    ("radius", "username"),
)
"""The log a line of JSON is from, by a column only that log has, where no `_path` names it."""


def read(path: str | None, record: Record, batch: Batch) -> None:
    """Read one line of a log.

    Args:
        path: the name of the log, None if the input has no name for it.
        record: the columns that are set, by name.
        batch: what the line is added to.

    Raises:
        RefusedError: it has no address, or one of its values is none.

    """
    path = path or _guess(record)
    if "id.orig_h" in record and "id.resp_h" in record:
        _connection(path, record, batch)
    elif path == "x509":
        certificates.describe(record, batch)
    elif reader := known.READERS.get(path):
        reader(record, batch)
    elif not path or path in _WITH_ENDS or not _ENDS.isdisjoint(record):
        raise RefusedError("id.orig_h or id.resp_h is missing")
    else:
        batch.ignore()


def _guess(record: Record) -> str:
    named = record.get("_path")
    if isinstance(named, str):
        return named
    if record.keys() == TRACEROUTE:
        return "traceroute"
    if "host" in record and record.keys() <= {"ts", "host", "_write_ts", "_system_name"}:
        return "known_hosts"
    return next((path for path, sign in _SIGNS if sign in record), "")


def _connection(path: str, record: Record, batch: Batch) -> None:
    server = values.address(record["id.resp_h"], "id.resp_h")
    when = values.timestamp(record.get("ts"))
    protocol = _protocol(path, record)
    src_port = values.port(record.get("id.orig_p", 0), "id.orig_p")
    dst_port = values.port(record.get("id.resp_p", 0), "id.resp_p")
    details = _details(path, record)
    if protocol.startswith("icmp"):
        # Zeek writes type and code where the ports are.
        details |= {"icmp_type": src_port, "icmp_code": dst_port}
        src_port = dst_port = 0
    batch.observe(
        Observation(
            src_ip=values.address(record["id.orig_h"], "id.orig_h"),
            src_port=src_port,
            dst_ip=server,
            dst_port=dst_port,
            protocol=protocol,
            observed_at=when,
            identity=values.text(record.get("uid"), _LONGEST_IDENTITY),
            # A log that does not know the protocol decides before none that does.
            authority=Authority.FLOW if path in _FLOWS else Authority.PACKET if protocol == "ip" else Authority.LOG,
            details=values.details(details),
        ),
    )
    _facts(path, record, batch, (server, protocol, dst_port), when)


def _protocol(path: str, record: Record) -> str:
    """Return the protocol: the line's own, else that of what the log is about."""
    named = record.get("proto")
    if named not in (None, "unknown_transport"):
        return values.protocol(named)
    if isinstance(number := record.get("ip_proto"), int | str) and str(number).isdecimal():
        return values.protocol(int(str(number)[:_LONGEST_COUNT]))
    version = record.get("version")
    if path in _UDP or (path == "ssl" and isinstance(version, str) and version.upper().startswith(("DTLS", "QUIC"))):
        return "udp"
    # Packages have several logs for one protocol: modbus_detailed, bacnet_discovery.
    families = {path, path.partition("_")[0]}
    if not families.isdisjoint(_UDP) or record.get("tunnel_type") in _TUNNELS:
        return "udp"
    if not families.isdisjoint(_TCP) or record.get("tunnel_type") in _TCP_TUNNELS:
        return "tcp"
    return "udp" if path in _BY_PORT else "ip"


def _details(path: str, record: Record) -> Record:
    found: Record = {}
    for name, value in record.items():
        if name in _NOT_DETAILS:
            continue
        if type(value) is str:
            if name in _COUNTS and value.isdigit() and value.isascii() and len(value) < _LONGEST_COUNT:
                found[name] = int(value)
            else:
                found[name] = value if len(value) <= _LONGEST else value[:_LONGEST]
        elif value is not None:
            found[name] = values.bounded(value, 1)
    return {path: [found]} if path in _MANY and found else found


def _facts(path: str, record: Record, batch: Batch, server: tuple[str, str, int], when: float | None) -> None:
    address = server[0]
    if "cert_chain_fps" in record or "cert_chain_fuids" in record:
        certificates.show(record, batch, server, when)
    if "server_name" in record or "subject" in record:
        batch.name(address, record.get("server_name"), "zeek", when)
        batch.name(address, names.common_name(record.get("subject")), "certificate", when)
    elif "host" in record and path in {"http", ""}:
        if not record.get("proxied") and record.get("method") != "CONNECT" and names.is_own_request(record.get("uri")):
            batch.name(address, names.without_port(record["host"]), "zeek", when)
    elif "answers" in record:
        names.answers(batch, record.get("query"), record["answers"], when)
    elif path == "dhcp":
        # Before version 2.6 it is a log of connections.
        if values.is_address(assigned := str(record.get("assigned_ip"))):
            batch.hardware(values.address(assigned, "assigned_ip"), record.get("mac"), None, when)
    elif path == "ntlm":
        batch.name(address, record.get("server_dns_computer_name"), "zeek", when)
    elif path == "ssh" and isinstance(words := record.get("server"), str) and words.startswith("SSH-"):
        batch.serve(server, "ssh", words.encode()[:_LONGEST], when)
