"""Values of fields that know all of theirs."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import and_

from cobalt_tasks.hosts.search.language import SearchError, Value
from cobalt_tasks.hosts.search.values import Context, Exact, Test, ValueKind

_COMMON: Final = ("tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "gre", "esp", "ah")
_LIST: Final = (
    "3pc a/n ara argus aris arp ax.25 bbn-rcc-mon bna br-sat-mon cbt cftp chaos compaq-peer cphb cpnx crtp crudp dccp dcn-meas"
    " ddp ddx dgp dsr egp eigrp emcon encap etherip fc fire ggp gmtp hip hmp hopopt i-nlsp iatp idpr idpr-cmtp idrp ifmp igp"
    " il ip ipcomp ipcv ipencap ipip iplt ippc iptm ipv4 ipv6 ipv6-frag ipv6-nonxt ipv6-opts ipv6-route ipx-in-ip irtp isis iso-ip"
    " iso-tp4 kryptolan l2tp larp leaf-1 leaf-2 manet merit-inp mfe-nsp micp mobile mobility-header mpls-in-ip mptcp mtp mux narp"
    " netblt nsfnet-igp nvp nvp-ii ospf ospfigp pgm pim pipe pnni prm ptp pup pvp qnx rdp rohc rsvp rvd sat-expak sat-mon scc-sp scps"
    " sdrp secure-vmtp shim6 skip sm smp snp spite-rpc sps srp sscopmce st st2 stp sun-nd swipe tcf tlsp tp++ trunk-1 trunk-2"
    " ttp udplite uti vines visa vmtp vrrp wb-expak wb-mon wesp wsn xnet xns-idp xtp"
)
_OTHERS: Final = frozenset(_LIST.split())
"""Further names of IANA's registry, as tools write them."""

_NUMBERS: Final = frozenset(f"ip-{number}" for number in range(256))
_SPELLINGS: Final = {"icmpv6": "icmp6", "ipv6-icmp": "icmp6", "icmp-v6": "icmp6"}


class Word(Exact):
    """One of the words of a closed set."""

    def __init__(self, words: Collection[str]) -> None:
        """`words`: the set."""
        super().__init__("word")
        self._words = words

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        if value.text.lower() not in self._words:
            known = ", ".join(sorted(self._words))
            raise SearchError(f"{value.text!r} is none of the known: {known}", value.column)
        return super()._test(column, compare, value, context)


class PortState(ValueKind):
    """Whether a port is open, not confirmed by the last scan that looked, or closed."""

    word = "open, unconfirmed or closed"

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        match value.text.lower():
            case "open":
                return lambda row: row["unconfirmed_since"].is_(None)
            case "unconfirmed":
                return lambda row: and_(row["unconfirmed_since"].is_not(None), row["closed_since"].is_(None))
            case "closed":
                # Written out, so that the index of ports that are not open serves.
                return lambda row: and_(row["unconfirmed_since"].is_not(None), row["closed_since"].is_not(None))
            case _:
                raise SearchError("write open, unconfirmed or closed", value.column)


class TransportProtocol(Exact):
    """A transport protocol: one with a name of IANA's, a number such as ip-89, or one that has been seen."""

    def __init__(self) -> None:
        """Bring the spellings of a protocol into the one that is stored."""
        super().__init__("protocol", lambda text: _SPELLINGS.get(text.lower(), text.lower()))

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:
        name = self._fold(value.text)
        if not (name in _COMMON or name in _OTHERS or name in _NUMBERS or context.has_protocol(name)):
            hint = (
                f"{value.text!r} is no transport protocol such as {', '.join(_COMMON)}; a service is found by service:"
            )
            raise SearchError(hint, value.column)
        return super()._test(column, compare, value, context)
