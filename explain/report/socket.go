package report

import "strings"

// socketVerbs word the operations on sockets; the socket follows.
var socketVerbs = map[string]string{
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
}

// socket words an operation on a socket: "create an inet stream socket".
func socket(op string, d Fields) []string {
	verb, known := socketVerbs[op]
	if !known {
		// file_perm and others carry what was tried in the mask: "send receive"
		verbs := strings.Fields(mask(d))
		if len(verbs) == 0 {
			return nil
		}
		verb = Escape(join(verbs)) + " on"
	}
	family := d.Get("family")
	article := "a"
	if strings.ContainsAny(family[:1], "aeio") || strings.HasPrefix(family, "unk") { // "a unix socket"
		article = "an"
	}
	what := append(strings.Fields(verb), article, quoted(family))
	kind := d.Get("sock_type")
	if kind != "" {
		what = append(what, quoted(kind))
	}
	what = append(what, "socket")
	if p := d.Get("protocol"); p != "" && p != "0" && (kind == "raw" || family == "netlink" || family == "packet") {
		what = append(what, say("(protocol %)", p)...)
	}
	return append(what, addresses(op, d)...)
}

// addresses words a socket's own address and the peer's.
func addresses(op string, d Fields) []string {
	own := endpoint(d.Get("addr", "laddr", "saddr"), d.Get("lport", "src"))
	other := endpoint(d.Get("peer_addr", "faddr", "daddr"), d.Get("fport", "dest"))
	var words []string
	if own != "" {
		preposition := "at"
		switch op {
		case "bind":
			preposition = "to"
		case "connect":
			preposition = "from"
		}
		words = append(words, preposition, own)
	}
	if other != "" {
		preposition := "with"
		if op == "connect" {
			preposition = "to"
		}
		words = append(words, preposition, other)
	}
	if label := d.Get("peer", "peer_label"); label != "" {
		words = append(words, say("(peer %)", label)...)
	}
	return words
}

// endpoint words an address and a port; addr=none is a unix socket without one.
func endpoint(addr, port string) string {
	if addr == "none" {
		addr = ""
	}
	switch {
	case port == "" || port == "0":
		if addr == "" {
			return ""
		}
		return quoted(addr)
	case addr == "":
		return "port " + Escape(port)
	case strings.Contains(addr, ":"):
		addr = "[" + addr + "]"
	}
	return quoted(addr + ":" + port)
}
