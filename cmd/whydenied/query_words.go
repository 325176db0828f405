package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const accessHelp = `  open PATH PERMS               exec PATH [-> PROFILE]        link NEW -> OLD
  capable NAME                  network FAMILY TYPE [PERMS]   rlimit NAME VALUE
  signal PERM SIGNAL [PEER]     ptrace PERM [PEER]            userns
  mount [fstype=T] [options=(F,..)] SRC -> DIR/               umount DIR/
  remount [options=(F,..)] DIR/                               pivot_root [oldroot=OLD/] NEW/
  change_profile [PROGRAM] -> PROFILE                         io_uring PERM [label=L]
  unix PERMS [type=T] [addr=A] [label=L] [peer_addr=A] [peer_label=L]
  dbus PERM [bus=B] [path=P] [interface=I] [member=M] [name=N] [peer_label=L]
  mqueue PERMS [type=T] NAME    PERMS of files: r w a x m k l; else words: send,receive
`

// parseAccess reads an access in the words of policy, such as
// "open /etc/shadow r".
func parseAccess(text string) (*request, error) {
	all, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("it is empty; write such as 'open /etc/shadow r'")
	}
	verb, args := all[0], all[1:]
	if strings.HasPrefix(verb, "/") { // as a rule has it: /etc/shadow r
		verb, args = "open", all
	}
	shape, ok := shapes[verb]
	if !ok {
		return nil, fmt.Errorf("%q is no access; the words are %s", verb, strings.Join(slices.Sorted(maps.Keys(shapes)), " "))
	}
	r := &request{Class: verb, Operation: shape.operation}
	args, err = r.conditions(args, shape.conditions)
	if err != nil {
		return nil, err
	}
	if err := shape.read(r, args); err != nil {
		return nil, fmt.Errorf("%w; write %s", err, shape.usage)
	}
	return r, nil
}

// A shape is what follows the verb of an access.
type shape struct {
	usage      string
	operation  string
	conditions []string // keys of key=value words
	read       func(r *request, args []string) error
}

var errWords = errors.New("words are missing or too many")

// fill sets fields from words: the first least fields must be there.
func fill(args []string, least int, fields ...*string) error {
	if len(args) < least || len(args) > len(fields) {
		return errWords
	}
	for i, arg := range args {
		*fields[i] = arg
	}
	return nil
}

// arrow splits words at "->".
func arrow(args []string) (before, after []string) {
	if i := slices.Index(args, "->"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// shapes are the accesses by verb.
var shapes = map[string]shape{
	"open":       {usage: "open PATH PERMS", read: readFile},
	"file":       {usage: "file PATH PERMS", read: readFile},
	"capable":    {usage: "capable NAME", read: readCapability},
	"capability": {usage: "capability NAME", read: readCapability},
	"exec": {usage: "exec PATH [-> PROFILE]", read: func(r *request, args []string) error {
		before, after := arrow(args)
		return cmp.Or(fill(before, 1, &r.Name), fill(after, 0, &r.Target))
	}},
	"link": {usage: "link NEW -> OLD", read: func(r *request, args []string) error {
		before, after := arrow(args)
		return cmp.Or(fill(before, 1, &r.Name), fill(after, 1, &r.Target))
	}},
	"network": {usage: "network FAMILY TYPE [PERMS]", conditions: []string{"ip", "port", "peer_ip", "peer_port"},
		read: func(r *request, args []string) error { return fill(args, 2, &r.Family, &r.SockType, &r.Mask) }},
	"signal": {usage: "signal PERM SIGNAL [PEER]",
		read: func(r *request, args []string) error { return fill(args, 2, &r.Mask, &r.Signal, &r.Peer) }},
	"ptrace": {usage: "ptrace PERM [PEER]",
		read: func(r *request, args []string) error { return fill(args, 1, &r.Mask, &r.Peer) }},
	"mount": {usage: "mount [fstype=T] [options=(F,..)] SRC -> DIR/", conditions: []string{"fstype", "options", "data"},
		read: func(r *request, args []string) error {
			before, after := arrow(args)
			return cmp.Or(fill(before, 0, &r.SrcName), fill(after, 1, &r.Name))
		}},
	"remount":    {usage: "remount [options=(F,..)] DIR/", conditions: []string{"options"}, read: readName},
	"umount":     {usage: "umount DIR/", read: readName},
	"pivot_root": {usage: "pivot_root [oldroot=OLD/] NEW/", conditions: []string{"oldroot"}, read: readName},
	"change_profile": {usage: "change_profile [PROGRAM] -> PROFILE", read: func(r *request, args []string) error {
		before, after := arrow(args)
		if after == nil {
			return fill(before, 1, &r.Target)
		}
		return cmp.Or(fill(before, 0, &r.Exec), fill(after, 1, &r.Target))
	}},
	"rlimit": {usage: "rlimit NAME VALUE",
		read: func(r *request, args []string) error { return fill(args, 2, &r.RLimit, (*string)(&r.Value)) }},
	"unix": {usage: "unix PERMS [type=T] [addr=A] [peer_addr=A] [peer_label=L]",
		conditions: []string{"type", "addr", "label", "peer_addr", "peer_label"}, read: readMask},
	"dbus": {usage: "dbus PERM [bus=B] [path=P] [interface=I] [member=M] [name=N] [peer_label=L]",
		conditions: []string{"bus", "path", "interface", "member", "name", "peer_label"}, read: readMask},
	"userns": {usage: "userns", read: func(r *request, args []string) error { return fill(args, 0, &r.Mask) }},
	"mqueue": {usage: "mqueue PERMS [type=posix|sysv] NAME", conditions: []string{"type", "label"},
		read: func(r *request, args []string) error { return fill(args, 2, &r.Mask, &r.Name) }},
	"io_uring": {usage: "io_uring PERM [label=L]", conditions: []string{"label"}, read: readMask},
}

func readFile(r *request, args []string) error       { return fill(args, 2, &r.Name, &r.Mask) }
func readName(r *request, args []string) error       { return fill(args, 1, &r.Name) }
func readMask(r *request, args []string) error       { return fill(args, 1, &r.Mask) }
func readCapability(r *request, args []string) error { return fill(args, 1, &r.CapName) }

// conditions takes the key=value words out of args.
func (r *request) conditions(args []string, keys []string) (rest []string, err error) {
	flags := ""
	fields := map[string]*string{
		"ip": &r.LAddr, "port": (*string)(&r.LPort), "peer_ip": &r.FAddr, "peer_port": (*string)(&r.FPort),
		"fstype": &r.FSType, "options": &flags, "data": &r.Data, "oldroot": &r.SrcName,
		"type": &r.Type, "addr": &r.Addr, "label": &r.Label, "peer_addr": &r.PeerAddr, "peer_label": &r.PeerLabel,
		"bus": &r.Bus, "path": &r.Path, "interface": &r.Interface, "member": &r.Member, "name": &r.Name,
	}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || strings.ContainsAny(key, "/@ ") {
			rest = append(rest, arg)
			continue
		}
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("%q is no condition of %s", key+"=", r.Class)
		}
		*fields[key] = value
	}
	r.Flags = splitFlags(flags)
	return rest, nil
}

// splitWords splits text at spaces. Double quotes keep spaces, and in them a
// backslash keeps a quote or a backslash; so do single quotes, and the
// parentheses of a list: options=(ro, bind).
func splitWords(text string) ([]string, error) {
	var out []string
	var word strings.Builder
	in, started := byte(0), false // in is the quote or parenthesis to end
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case in == '"' && c == '\\' && i+1 < len(text) && strings.IndexByte(`"\`, text[i+1]) >= 0:
			i++
			word.WriteByte(text[i])
		case in != 0 && c == in:
			in = 0
			if c == ')' {
				word.WriteByte(c)
			}
		case in != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			in, started = c, true
		case c == '(' && (!started || strings.HasSuffix(word.String(), "=")):
			in, started = ')', true
			word.WriteByte(c)
		case strings.IndexByte(" \t\n", c) < 0:
			started = true
			word.WriteByte(c)
		case started:
			out = append(out, word.String())
			word.Reset()
			started = false
		}
	}
	if in != 0 {
		return nil, fmt.Errorf("a %q is missing at the end", in)
	}
	if started {
		out = append(out, word.String())
	}
	return out, nil
}
