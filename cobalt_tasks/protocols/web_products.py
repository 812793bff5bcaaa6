"""Web products by what their pages and headers show: a title, a header, a realm, a cookie. Data, most exact first."""

import re
from typing import Final

from msgspec import Struct


class WebProduct(Struct, frozen=True):
    """One product.

    where: `title`, `body`, or a header's name in lower case.
    pattern: its group, if it has one, is the version.
    device: the kind of device it runs on, if that follows.
    """

    name: str
    where: str
    pattern: re.Pattern[bytes]
    device: str | None = None


def _table(*rows: tuple[str, str, bytes] | tuple[str, str, bytes, str]) -> tuple[WebProduct, ...]:
    return tuple(WebProduct(row[0], row[1], re.compile(row[2]), *row[3:]) for row in rows)


WEB_PRODUCTS: Final = _table(
    ("InfluxDB", "x-influxdb-version", rb"v?([0-9][\w.]*)"),
    ("Jenkins", "x-jenkins", rb"([0-9][\w.]*)"),
    ("Elasticsearch", "body", rb'"number" ?: ?"([0-9][\w.-]{0,40})"(?s:.{0,600}?)You Know, for Search'),
    ("OpenSearch", "body", rb'"distribution" ?: ?"opensearch",\s{0,20}"number" ?: ?"([0-9][\w.-]{0,40})"'),
    ("Elasticsearch", "x-elastic-product", rb"Elasticsearch"),
    ("CouchDB", "body", rb'"couchdb":"Welcome","version":"([0-9][\w.-]{0,40})"'),
    ("Apache Tomcat", "body", rb"<h3>Apache Tomcat/([0-9][\w.-]{0,40})"),
    ("Apache Tomcat", "title", rb"Apache Tomcat(?:/([0-9][\w.-]{0,40}))?"),
    ("Eclipse Jetty", "body", rb"Powered by Jetty:// ([0-9][\w.-]{0,40})"),
    ("Prometheus", "body", rb'BUILD_VERSION = "([0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4})'),
    ("Prometheus", "title", rb"Prometheus Time Series Collection"),
    ("HAProxy", "title", rb"^Statistics Report for HAProxy"),
    ("HAProxy", "body", rb"<h1>503 Service Unavailable</h1>\nNo server is available to handle this request\.\n</body>"),
    ("Privoxy", "reason", rb"^Invalid header received from (?:client|browser)$"),
    ("Prosody", "body", rb"\np\.warning>span\{font-size:large;background-color:yellow\}"),
    ("Tor", "title", rb"^(?:Tor's ControlPort is not an HTTP proxy|This is a SOCKS Proxy, Not An HTTP Proxy)"),
    ("Radicale", "title", rb"^Radicale Web Interface"),
    ("Jupyter Server", "title", rb"^Jupyter Server$"),
    ("JupyterLab", "title", rb"^JupyterLab$"),
    ("Jupyter Notebook", "title", rb"^Jupyter Notebook$"),
    ("Streamlit", "title", rb"^Streamlit$"),
    ("pypiserver", "body", rb'running version ([0-9][\w.]{0,20}) of the\s{1,20}<a href="[^">]{1,100}">pypiserver</a>'),
    ("pypiserver", "title", rb"^Welcome to pypiserver!"),
    ("Supervisor", "body", rb'<a href="https?://supervisord\.org">Supervisor</a> <span>([0-9][\w.]{0,20})</span>'),
    ("Supervisor", "title", rb"^Supervisor Status$"),
    ("Node-RED", "title", rb"^Node-RED$"),
    ("JSON Server", "title", rb"^JSON Server$"),
    ("Syncthing", "x-syncthing-version", rb"^v?([0-9][\w.-]{0,30})"),
    ("NATS server", "body", rb'<link rel="shortcut icon" href="https?://nats\.io/'),
    ("Sanic", "body", rb"^\xe2\x9a\xa0\xef\xb8\x8f \d{3} \xe2\x80\x94 [A-Z][A-Za-z ]{1,40}\n={3,60}\n"),
    ("Fastify", "body", rb'^\{"message":"Route GET:/[^"\s]{0,500} not found","error":"Not Found","statusCode":404\}$'),
    ("devpi-server", "x-devpi-server-version", rb"^([0-9][\w.]{0,20})"),
    ("hapi", "body", rb'^\{"statusCode":404,"error":"Not Found","message":"Not Found"\}$'),
    ("Xandikos", "title", rb"^Xandikos WebDAV server$"),
    ("Alertmanager", "title", rb"Alertmanager"),
    ("Prometheus node exporter", "title", rb"Node Exporter"),
    ("Grafana", "body", rb'"version":"([0-9][\w.-]{0,40})"(?s:.{0,2000}?)[gG]rafana'),
    ("Grafana", "title", rb"Grafana"),
    ("Kibana", "kbn-name", rb""),
    ("Kibana", "title", rb"Kibana"),
    ("RabbitMQ", "title", rb"RabbitMQ Management"),
    ("Kubernetes", "body", rb'"kind": ?"Status",\s{0,20}"apiVersion": ?"v1"'),
    ("Docker Registry", "docker-distribution-api-version", rb""),
    ("Consul", "title", rb"Consul by HashiCorp"),
    ("Vault", "title", rb"^Vault$"),
    ("Nomad", "title", rb"^Nomad$"),
    ("Portainer", "title", rb"Portainer"),
    ("Traefik", "title", rb"^Traefik"),
    ("Rancher", "title", rb"^Rancher$"),
    ("Argo CD", "title", rb"^Argo CD"),
    ("GitLab", "title", rb"GitLab"),
    ("Gitea", "set-cookie", rb"i_like_gitea="),
    ("Forgejo", "title", rb"Forgejo"),
    ("Gogs", "set-cookie", rb"i_like_gogs="),
    ("SonarQube", "title", rb"^SonarQube"),
    ("Nexus Repository Manager", "title", rb"Nexus Repository Manager"),
    ("Artifactory", "x-artifactory-id", rb""),
    ("TeamCity", "set-cookie", rb"TCSESSIONID="),
    ("Confluence", "x-confluence-request-time", rb""),
    ("Jira", "title", rb"\bJIRA\b|- Jira$"),
    ("MinIO", "title", rb"^MinIO (?:Browser|Console)"),
    ("phpMyAdmin", "title", rb"phpMyAdmin(?: ([0-9][\w.-]{0,40}))?"),
    ("pgAdmin", "title", rb"^pgAdmin 4"),
    ("Adminer", "title", rb"Adminer"),
    ("WordPress", "generator", rb"WordPress(?: ([0-9][\w.]{0,40}))?"),
    ("Drupal", "x-generator", rb"Drupal ([0-9]{1,4})"),
    ("Joomla", "generator", rb"Joomla!"),
    ("TYPO3", "generator", rb"TYPO3"),
    ("MediaWiki", "generator", rb"MediaWiki ([0-9][\w.-]{0,40})"),
    ("Nextcloud", "title", rb"Nextcloud"),
    ("ownCloud", "title", rb"ownCloud"),
    ("Roundcube", "title", rb"Roundcube Webmail"),
    ("Outlook Web Access", "x-owa-version", rb"([0-9][\d.]{0,40})"),
    ("Zimbra", "title", rb"Zimbra"),
    ("Zabbix", "title", rb"Zabbix"),
    ("Nagios", "www-authenticate", rb"Nagios"),
    ("Icinga Web", "title", rb"Icinga Web"),
    ("Netdata", "title", rb"netdata dashboard"),
    ("Home Assistant", "title", rb"^Home Assistant$"),
    ("Pi-hole", "x-pi-hole", rb""),
    ("AdGuard Home", "title", rb"AdGuard Home"),
    ("Plex Media Server", "x-plex-protocol", rb""),
    ("Jellyfin", "title", rb"^Jellyfin$"),
    ("Emby", "title", rb"^Emby$"),
    ("Transmission", "www-authenticate", rb'"Transmission"'),
    ("qBittorrent", "title", rb"qBittorrent"),
    ("Proxmox VE", "title", rb"Proxmox Virtual Environment"),
    ("VMware ESXi", "title", rb"VMware ESXi|ID_EESX_Welcome"),
    ("VMware vCenter", "title", rb"ID_VC_Welcome"),
    ("Webmin", "title", rb"Login to Webmin"),
    ("Cockpit", "title", rb"^Cockpit$"),
    ("cPanel", "title", rb"cPanel Login"),
    ("Plesk", "title", rb"Plesk"),
    ("pfSense", "title", rb"pfSense", "firewall"),
    ("OPNsense", "title", rb"OPNsense", "firewall"),
    ("FortiGate", "set-cookie", rb"SVPNCOOKIE=|ccsrftoken", "firewall"),
    ("RouterOS", "title", rb"RouterOS (?:router configuration page|v([0-9][\w.]{0,20}))", "router"),
    ("OpenWrt LuCI", "title", rb"LuCI", "router"),
    ("FRITZ!Box", "title", rb"FRITZ!Box", "router"),
    ("UniFi Network", "title", rb"UniFi", "router"),
    ("Synology DSM", "title", rb"Synology", "storage"),
    ("QNAP QTS", "title", rb"QNAP", "storage"),
    ("TrueNAS", "title", rb"TrueNAS", "storage"),
    ("Hikvision web interface", "server", rb"^(?:App-webs/|DNVRS-Webs|Hikvision-Webs)", "camera"),
    ("Dahua web interface", "title", rb"^WEB SERVICE$", "camera"),
    ("AXIS camera", "title", rb"AXIS", "camera"),
    ("HP printer", "server", rb"HP HTTP Server|Virata-EmWeb", "printer"),
    ("Dell iDRAC", "title", rb"iDRAC", "management"),
    ("HPE iLO", "title", rb"\biLO\b", "management"),
    ("Supermicro IPMI", "title", rb"Supermicro", "management"),
    ("CUPS", "title", rb"CUPS v?([0-9][\w.]{0,20})"),
    ("Express", "x-powered-by", rb"^Express"),
    ("Next.js", "x-powered-by", rb"^Next\.js(?: ([0-9][\w.]{0,20}))?"),
    ("ASP.NET", "x-powered-by", rb"^ASP\.NET"),
    ("PHP", "x-powered-by", rb"^PHP(?:/([0-9][\w.]{0,20}))?"),
)

LIBRARIES: Final = frozenset(
    {
        "aiohttp",
        "Cheroot",
        "CherryPy",
        "Cowboy",
        "daphne",
        "granian",
        "gunicorn",
        "Hypercorn",
        "Kestrel",
        "Medusa",
        "Mojolicious",
    }
    | {"Python", "Tornado", "TwistedWeb", "uvicorn", "waitress", "Werkzeug", "WSGIServer"}
)
"""Servers that run others' applications: a page's product shows more than the Server header."""

RENAMED: Final = {
    "apache-coyote": ("Apache Tomcat", False),
    "simplehttp": ("SimpleHTTPServer", True),
    "microsoft-iis": ("Microsoft IIS", True),
    "microsoft-httpapi": ("Microsoft HTTPAPI", True),
    "jetty": ("Eclipse Jetty", True),
    "tomcat": ("Apache Tomcat", True),
    "apache-advancedextranetserver": ("Apache", True),
    "varnish-cache": ("Varnish", True),
    "tornadoserver": ("Tornado", True),
    "openresty": ("OpenResty", True),
    "glassfish server open source": ("GlassFish Server", False),
    "miniupnpd": ("MiniUPnPd", True),
    "cpsrvd": ("cPanel", True),
    "pve-api-daemon": ("Proxmox VE", False),
    "netdata embedded http server": ("Netdata", True),
    "ibm_http_server": ("IBM HTTP Server", False),
    "ats": ("Apache Traffic Server", True),
    "hypercorn-h11": ("Hypercorn", False),
    "hypercorn-h2": ("Hypercorn", False),
}
"""Products by their token in Server, in lower case, and whether the version there is the product's."""
