"""Tables of sockets and connections that operating systems print: ss, netstat, lsof, conntrack."""
