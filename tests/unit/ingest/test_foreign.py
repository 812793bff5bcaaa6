"""Forms that are known and not read: the error names what to do."""

import gzip

import pytest

from cobalt_tasks.ingest.formats import advice, recognise


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "tshark -r FILE -T ek | cobalt ingest -"),
        (b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "tshark -r FILE -T ek | cobalt ingest -"),
        (b"192.0.2.2\t203.0.113.80\t443\n", "-E header=y"),
        (b"1700000000.1,192.0.2.2,203.0.113.80,443\n", "-E header=y"),
        (b"12:00:01.123456 IP 192.0.2.2.54321 > 203.0.113.80.443: Flags [S], seq 1\n", "tcpdump -w FILE.pcap"),
        (b"\x0c\xa5\x01\x00", "nfdump -r FILE -o csv"),
        (b"PK\x03\x04\x14\x00", "unzip"),
        (b'192.0.2.2 - - [10/Oct/2025:13:55:36 +0000] "GET / HTTP/1.1" 200 12\n', "access log"),
        ("\ufefftext".encode("utf-16"), "iconv"),
        (gzip.compress(b"x", mtime=0), "compressed"),
        (b"[*] Nmap: Starting Nmap 7.40 ( https://nmap.org )\n[*] Nmap: 22/tcp   open  ssh\n", "sed 's/^"),
        (
            b'{"took":5,"timed_out":false,"hits":{"total":1,"hits":[{"_source":{"source":{}}}]}}',
            "answer of Elasticsearch",
        ),
        (b'lease {\n  interface "eth0";\n  fixed-address 192.0.2.5;\n}\n', "dhcpd.leases"),
        (b"once upon a time\n", "--format"),
    ],
)
def test_the_advice_is_what_helps(sample: bytes, words: str) -> None:
    """For each, one line; and none of them is taken for a format."""
    assert recognise(sample) is None
    assert words in advice(sample)
    assert "\n" not in advice(sample)


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(order: str) -> None:
    """As some programs on Windows write it.

    Break: `_has_every_second_zero` in recognition.py.
    """
    assert "UTF-16" in advice("# Nmap 7.92 scan initiated Mon Sep 12".encode(order))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"5 641111 eni-0 192.0.2.1 192.0.2.2 5 3 17 52 1 1 2 REJECT OK ingress 1\n", "put a header before it"),
        (b"3 - 748335378900 tgw-0a tgw-attach-0 - - 192.0.2.1 192.0.2.2\n", "put a header before it"),
        (b"router (192.0.2.1) at 02:00:00:00:00:01 [ether] on eth0\n", "arp-scan"),
        (b"192.0.2.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE\n", "arp-scan"),
        (b"\nFlow Record: \n  src addr = 192.0.2.1\n", "-o csv"),
        (b"05/13/2026-06:52:29.000000  [**] [1:2:7] x [**] {TCP} 192.0.2.1:80 -> 192.0.2.2:47592\n", "eve.json"),
        (
            b"IP,Hostname,Port,Port Protocol,CVSS,Severity,Solution Type\n192.0.2.1,,443,tcp,5.0,Medium,x\n",
            "as XML",
        ),
        (b"Aug 11 16:05:52 fw %ASA-6-302013: Built outbound TCP for x:192.0.2.1/443\n", "pfSense"),
        (b"#Version: 1.5\n#Software: Microsoft Windows Firewall\n", "pfSense"),
        (b"  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A\n", "ss -tunap"),
        (b'{"records":[{"flowTuples":["1542110377,10.0.0.4,13.67.143.118,44931,443,T,O,A,B"]}]}\n', "not recognised"),
        (b"https://www.example.com \x1b[35m[\x1b[0m200\x1b[35m]\x1b[0m [Hi] [nginx]\n", "-json"),
        (b"www.example.com [A] [203.0.113.80]\n", "-json"),
        (b"www.example.com:443 [tls13] [TLS_AES_128_GCM_SHA256]\n", "-json"),
        (b'[ssh-auth] [javascript] [info] 192.0.2.10:22 ["publickey"]\n', "-jsonl"),
        (b"p700\ncsshd\nf3\nPTCP\nn*:22\nTST=LISTEN\n", "lsof -nP -i"),
        (b"1760000000.3\tCMdzit1AMNsmfAIiQc\t192.0.2.2\t5\t192.0.2.3\t4\ttcp\n", "zeek-cut -c"),
    ],
)
def test_what_to_do_about_other_forms(text: bytes, words: str) -> None:
    """Forms of known tools that are not read are refused with the form to use.

    Break: their rows in foreign.py.
    """
    assert recognise(text) is None
    assert words in advice(text)
