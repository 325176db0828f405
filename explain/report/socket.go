package report

import (
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/escape"
)

// socketVerbs word the operations on sockets; the socket follows.
var socketVerbs = map[string]escape.Text{
	"create":          "create",
	"post_create":     "create",
	"bind":            "bind",
	"connect":         "connect",
	"listen":          "listen on",
	"accept":          "accept connections on",
	"sendmsg":         "send on",
	"recvmsg":         "receive on",
	"getsockname":     "read the address of",
	"getpeername":     "read the peer's address of",
	"getsockopt":      "read options of",
	"setsockopt":      "set options of",
	"socket_shutdown": "shut down",
	"file_lock":       "lock",
}

// socket words an operation on a socket: "create an inet stream socket".
func socket(op string, d Fields) []escape.Text {
	verb, known := socketVerbs[op]
	byServer := servedBy(op, d)
	if byServer {
		op, known = "accept", false
	}
	if !known {
		// file_perm and others carry what was tried in the mask: "send receive"
		verbs := escape.Prose(mask(d))
		if len(verbs) == 0 {
			return nil
		}
		verb = join(verbs) + " on"
	}
	family := d.Get("family")
	var article escape.Text = "a"
	if strings.ContainsAny(family[:1], "aeio") || strings.HasPrefix(family, "unk") { // "a unix socket"
		article = "an"
	}
	what := append(escape.Fields(verb), article, escape.Name(family))
	kind := d.Get("sock_type")
	if kind != "" {
		what = append(what, escape.Name(kind))
	}
	what = append(what, "socket")
	if p := d.Get("protocol"); p != "" && p != "0" && (kind == "raw" || family == "netlink" || family == "packet") {
		what = append(what, escape.Words("(protocol %)", p)...)
	}
	what = append(what, addresses(op, d)...)
	if byServer {
		what = append(what, escape.Fields("as the server, of which this process is the client")...)
	}
	return what
}

// servedBy reports whether a record of a connection is one of the server's profile, which
// refused it: it has the process of the client, but asks for what a server does.
func servedBy(op string, d Fields) bool {
	asked := d.Get("requested_mask")
	return op == "connect" && d.Get("family") == "unix" && asked != "" && !strings.Contains(asked, "connect")
}

// addresses words a socket's own address and the peer's.
func addresses(op string, d Fields) []escape.Text {
	own := endpoint(access.AbstractAddr(d.Get("addr", "laddr", "saddr")), d.Get("lport", "src"))
	other := endpoint(access.AbstractAddr(d.Get("peer_addr", "faddr", "daddr")), d.Get("fport", "dest"))
	var words []escape.Text
	if own != "" {
		var preposition escape.Text = "at"
		switch op {
		case "bind":
			preposition = "to"
		case "connect":
			preposition = "from"
		}
		words = append(words, preposition, own)
	}
	if other != "" {
		var preposition escape.Text = "with"
		if op == "connect" {
			preposition = "to"
		}
		words = append(words, preposition, other)
	}
	if label := d.Get("peer", "peer_label"); label != "" {
		words = append(words, escape.Words("(peer %)", label)...)
	}
	return words
}

// endpoint words an address and a port; addr=none is a unix socket without one.
func endpoint(addr, port string) escape.Text {
	if addr == "none" {
		addr = ""
	}
	switch {
	case port == "" || port == "0":
		if addr == "" {
			return ""
		}
		return escape.Name(addr)
	case addr == "":
		return "port " + escape.Line(port)
	case strings.Contains(addr, ":"):
		addr = "[" + addr + "]"
	}
	return escape.Name(addr + ":" + port)
}
