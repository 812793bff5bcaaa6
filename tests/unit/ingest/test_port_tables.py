"""Tables of ports: naabu's own CSV, and those of any other program."""

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import recognise
from cobalt_tasks.ingest.formats.port_table import PortTable
from tests.support.reading import about, names, ports, read, services


def test_a_table_of_any_program_is_no_scan_of_naabu() -> None:
    """Its service is a name that stands there, and nothing is probed for it.

    Break: the timestamp or host that `NaabuCsv.is_header` needs.
    """
    batch = read("ip,port,service\n192.0.2.5,22,ssh\n192.0.2.6,80,http\n", "csv")
    assert services(batch) == {("192.0.2.5", 22): ("ssh", None, None), ("192.0.2.6", 80): ("http", None, None)}
    assert batch.in_traffic == {("192.0.2.5", "tcp", 22), ("192.0.2.6", "tcp", 80)}


@pytest.mark.parametrize(
    "text",
    [
        "Host,IP Address,Port,Protocol,Product,Version,State,Owner\nwww.example.com,192.0.2.5,443,TCP,nginx,1.24,open,web\n",
        "ip_address;fqdn;port;product;service version;owner\n192.0.2.5;www.example.com;443/tcp;nginx;1.24;web\n",
        '"IP"\t"Hostname"\t"Port Number"\t"Software"\t"Version"\t"Owner"\n192.0.2.5\twww.example.com\t443\tnginx\t1.24\tweb\n',
    ],
    ids=["comma", "semicolon", "tab"],
)
def test_columns_by_their_names(text: str) -> None:
    """Whatever stands between the cells; a column that is not known is kept."""
    batch = read(text, "csv")
    assert ports(batch) == [("192.0.2.5", "tcp", 443)]
    assert services(batch)[("192.0.2.5", 443)][1:] == ("nginx", "1.24")
    assert names(batch) == {("192.0.2.5", "www.example.com")}
    assert about(batch) == [{"owner": "web"}]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("ssh,OpenSSH 8.2", ("ssh", "OpenSSH", "8.2")),
        ("http,1.18.0", ("http", None, "1.18.0")),
        ("N/A,-", None),
    ],
)
def test_what_one_column_holds(cells: str, expected: tuple[str | None, ...] | None) -> None:
    """Product and version in one, and words for nothing.

    Break: `version_parts` or `_NOTHING` in port_table.py.
    """
    batch = read(f"IP,Hostname,Port,Protocol,State,Service,Version\n192.0.2.5,,9999,tcp,open,{cells}\n", "csv")
    assert services(batch).get(("192.0.2.5", 9999)) == expected


def test_a_port_that_is_not_open_is_left_out() -> None:
    """A table may list closed and filtered ones too."""
    batch = read("ip,port,state\n192.0.2.5,22,closed\n192.0.2.5,80,Open\n192.0.2.5,81,filtered\n")
    assert (ports(batch), batch.ignored) == ([("192.0.2.5", "tcp", 80)], 2)


@pytest.mark.parametrize(
    "header",
    [
        "src_ip,dst_ip,ip,port",
        "Source IP,Destination IP,Address,Port",
        "IP,Port,Timestamp,Data,Hostnames",
        "IP,Hostname,Port,Port Protocol,CVSS,Severity",
        "ip,hostname",
    ],
)
def test_other_tables_are_refused(header: str) -> None:
    """Lists of connections, reports whose cells have several lines, and tables without ports."""
    assert recognise(f"{header}\n192.0.2.5,192.0.2.6,192.0.2.5,80,x,y\n".encode()) is None


HEAD = "host,ip,port,protocol,tls,cdn,cdn-name,timestamp"
TIME = "2026-11-26 16:26:22.123456789 +0000 UTC"


@pytest.mark.parametrize(
    ("text", "service"),
    [
        (f"{HEAD}\nwww.example.com,192.0.2.7,443,tcp,true,false,,{TIME}\n", None),
        (f"ip,port,timestamp\n192.0.2.7,443-0-true,{TIME}\n", None),
        (
            f"{HEAD},mac_address,\n,192.0.2.7,443,tcp,true,false,,{TIME},,,,,,,probed,https,Linux,nginx,,,,ssl,1.24.0,10\n",
            ("https", "nginx", "1.24.0"),
        ),
    ],
    ids=["2.3", "2.1", "with services"],
)
def test_naabus_csv_of_several_versions(text: str, service: tuple[str, str, str] | None) -> None:
    """Its time is Go's, its port was once three values, and the columns of services have no names.

    Break: `_OF_GO` in values.py, `_OLD_PORT` or `_UNNAMED` in projectdiscovery/naabu.py.
    """
    batch = read(text, "naabu-csv")
    assert ports(batch) == [("192.0.2.7", "tcp", 443)]
    assert batch.discoveries[0][5] == pytest.approx(1795710382.123456)
    assert services(batch).get(("192.0.2.7", 443)) == service


MULTI_LINE = (
    "ip,port,protocol,service,version,notes\r\n"
    '192.0.2.5,22,tcp,ssh,OpenSSH 8.2,"first line\r\nsecond, ""quoted"" line\r\n\r\n192.0.2.9,23,tcp"\r\n'
    '192.0.2.6,80,tcp,http,,"one line"\r\n'
    '"192.0.2.7","443","tcp","https","","a\nb"\r\n'
)


@pytest.mark.parametrize("size", [7, 64, 10_000])
def test_a_cell_of_several_lines(size: int) -> None:
    """A quoted cell may hold line ends: they end no row, and what stands behind them is no row, wherever the input is cut.

    Break: `_rows` or `CsvTable.split`.
    """
    data = MULTI_LINE.encode()
    parser, batch, held, at = PortTable(), Batch(1, 2e9, "csv"), b"", 0
    for start in range(0, len(data), size):
        held += data[start : start + size]
        cut = parser.split(held)
        parser.parse(held[:cut], at, batch)
        at, held = at + cut, held[cut:]
    assert held == b""
    assert ports(batch) == [("192.0.2.5", "tcp", 22), ("192.0.2.6", "tcp", 80), ("192.0.2.7", "tcp", 443)]
    assert about(batch)[0]["notes"] == 'first line\r\nsecond, "quoted" line\r\n\r\n192.0.2.9,23,tcp'
    assert batch.rejects == []


def test_a_quote_that_opens_no_cell() -> None:
    """A mark of inches, or a quote that nothing closes, takes no other row with it.

    Break: `_opens_cell`, or `_MOST_LINES_OF_ROW`.
    """
    rows = "".join(f"192.0.2.{number},22,tcp\n" for number in range(1, 100))
    batch = read('ip,port,protocol,owner\n192.0.2.100,22,tcp,5" disk\n192.0.2.101,22,tcp,"cut\n' + rows, "csv")
    assert len(batch.discoveries) == 101
