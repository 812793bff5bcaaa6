"""A DNS server for a handful of names, over UDP and TCP, that refuses what it does not know (RFC 1035, RFC 7766)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

from cobalt_tasks.lab.services import Service

TTL: Final = 3600
_NEGATIVE_TTL: Final = 900
_LARGEST_UDP: Final = 512
_MOST_QUESTIONS: Final = 50

Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


class Names:
    """What a name server knows: one forward zone and the reverse records of its addresses."""

    def __init__(self, domain: str, addresses: Mapping[str, str], pointers: Mapping[str, Sequence[str]]) -> None:
        """Build the records. Reverse zones are those of the /24 (or /64) networks.

        Args:
            domain: the forward zone.
            addresses: name → its address.
            pointers: address → its PTR names.

        """
        self._records: dict[Key, dns.rrset.RRset] = {}
        self._zones = {dns.name.from_text(domain)}
        for name, address in addresses.items():
            self._add(dns.name.from_text(name), "AAAA" if ":" in address else "A", [address])
        for address, names in pointers.items():
            reverse = dns.reversename.from_address(address)
            self._zones.add(dns.name.Name(reverse.labels[16 if ":" in address else 1 :]))
            self._add(reverse, "PTR", [f"{name}." for name in names])

    def answer(self, wire: bytes) -> dns.message.Message | None:
        """Return the response to a query, or None for what is none."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return None
        if query.flags & dns.flags.QR or query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return None
        response = dns.message.make_response(query)
        question = query.question[0]
        zone = next((zone for zone in self._zones if question.name.is_subdomain(zone)), None)
        if zone is None:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        response.flags |= dns.flags.AA
        found = self._records.get((question.name, question.rdtype))
        if found:
            response.answer.append(found)
            return response
        if not any(name == question.name for name, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(_soa(zone))
        return response

    def _add(self, name: dns.name.Name, kind: str, values: Sequence[str]) -> None:
        found = dns.rrset.from_text_list(name, TTL, "IN", kind, values)
        self._records[name, found.rdtype] = found


class UdpNameServer(asyncio.DatagramProtocol):
    """Answers datagrams; longer answers are truncated, so that the client asks again over TCP."""

    def __init__(self, names: Names) -> None:
        """Serve these names."""
        self._names = names
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep what answers are sent with."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one query: `data` from the client at `addr`."""
        response = self._names.answer(data)
        if response is None or self._transport is None:
            return
        wire = response.to_wire()
        if len(wire) > _LARGEST_UDP:
            response.answer.clear()
            response.authority.clear()
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        self._transport.sendto(wire, addr)


def tcp_service(names: Names) -> Service:
    """Return a service for messages with their length in front."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(_MOST_QUESTIONS):
            length = int.from_bytes(await reader.readexactly(2), "big")
            response = names.answer(await reader.readexactly(length))
            if response is None:
                return
            wire = response.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()

    return serve


def _soa(zone: dns.name.Name) -> dns.rrset.RRset:
    text = f"ns.lab.example. root.lab.example. 1 7200 900 1209600 {_NEGATIVE_TTL}"
    return dns.rrset.from_text(zone, _NEGATIVE_TTL, "IN", "SOA", text)
