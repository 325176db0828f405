// Package binary reads AppArmor policy as apparmor_parser compiles it and the
// kernel holds it: what `apparmor_parser --stdout` writes, and what raw_data of a
// loaded profile gives. It decides requests with it as the kernel does.
//
// The format is that of security/apparmor/policy_unpack.c: elements with a code and
// often a name, in which there are automata (match.c). Their permissions are packed
// in the automata of versions 5 to 9 (policy_compat.c), and a table of their own
// where the kernel's features have permstable32 (Linux 6.17).
package binary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// MaxSize is how many bytes of policy Decode reads, uncompressed: some 30 times of
// what the profiles of an Ubuntu host are together.
const MaxSize = 32 << 20

const (
	maxProfiles = 1 << 12
	maxEntries  = 1 << 16 // of an array, whose length has 16 bits
	maxData     = 1 << 10 // of the data of a profile
	maxRlimits  = 16      // RLIM_NLIMITS
)

// The versions of the format that the kernel takes.
const (
	minABI = 5
	maxABI = 9

	abiMask       = 0x3ff
	forceComplain = 1 << 11
)

// A Profile is a profile, child or hat as it is loaded. It is not changed once it
// is decoded, and safe for concurrent use.
type Profile struct {
	Name         string // full name without the namespace: parent//child
	Namespace    string // that it is loaded to, or "" for the loader's own
	ABI          int    // version of the format, 5 to 9
	Attachment   string // glob, "" if it has none of its own or is too old to say
	Disconnected string // what stands before the names of disconnected files
	// Flags are the names of flags=(...) that are set: complain, kill, unconfined,
	// prompt, audit, hat.
	Flags        []string
	Capabilities Capabilities
	Rlimits      map[int]uint64 // hard limits by their number in setrlimit(2)
	Xattrs       []string       // names of extended attributes that the attachment asks for
	Secmarks     []Secmark
	Data         map[string][]byte
	// Unknown are the names of elements that were not understood, each once. What
	// they say is not in the answers.
	Unknown []string

	attach, policy, file *database
	attachLength         uint32
	asked                *apparmor.Profile
	place                place
}

// Capabilities are sets of capabilities by number: those granted, those of which
// the use is logged, and those of which the refusal is not.
type Capabilities struct{ Allow, Audit, Quiet uint64 }

// A Secmark is a rule on packets with a security mark.
type Secmark struct {
	Label       string
	Audit, Deny bool
}

// AppArmor returns the profile in the form that all questions about policy take. It
// has no rules; its decisions are those of Decide.
func (p *Profile) AppArmor() *apparmor.Profile { return p.asked }

// Decide answers a request as the kernel does with the profile. A class that the
// policy was not compiled for is granted, as the kernel leaves it to others; Notes
// say so.
func (p *Profile) Decide(req apparmor.Request) apparmor.Decision { return p.asked.Decide(req) }

// Decode reads one or more compiled profiles, plain or compressed by zstd, as
// raw_data of a loaded policy is.
func Decode(policy []byte) ([]*Profile, error) {
	policy, err := decompress(policy)
	if err != nil {
		return nil, err
	}
	s := &stream{data: policy}
	var profiles []*Profile
	namespace, abi := "", uint64(0)
	for !s.done() {
		start := s.pos
		name, code := s.head()
		switch {
		case name == "version" && code == codeU32:
			abi = s.number(code)
		case name == "namespace" && code == codeString:
			namespace = s.text()
		case name == "profile" && code == codeStruct:
			if n := abi & abiMask; n < minABI || n > maxABI {
				s.fail("version %d of the format is not known; there are %d to %d", n, minABI, maxABI)
			}
			if len(profiles) == maxProfiles {
				s.fail("the policy has more than %d profiles", maxProfiles)
			}
			d := &decoder{stream: s, p: &Profile{Namespace: namespace, ABI: int(abi & abiMask)}}
			if abi&forceComplain != 0 {
				d.p.Flags = append(d.p.Flags, "complain")
			}
			d.p.place = place{start: start, abi: abi}
			profiles = append(profiles, d.profile())
			d.p.place.end = s.pos
		default:
			s.fail("%q is not what compiled policy begins with", name)
		}
	}
	switch {
	case s.err != nil:
		return nil, fmt.Errorf("not compiled AppArmor policy: %w", s.err)
	case len(profiles) == 0:
		return nil, errors.New("not compiled AppArmor policy: it holds no profile")
	}
	return profiles, nil
}

func decompress(policy []byte) ([]byte, error) {
	if !bytes.HasPrefix(policy, []byte(zstdMagic)) {
		if len(policy) > MaxSize {
			return nil, fmt.Errorf("not compiled AppArmor policy: it has more than %d MiB", MaxSize>>20)
		}
		return policy, nil
	}
	r, err := zstd.NewReader(bytes.NewReader(policy), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxSize), zstd.WithDecoderMaxWindow(MaxSize))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("not compiled AppArmor policy: %w", err)
	case len(plain) > MaxSize:
		return nil, fmt.Errorf("not compiled AppArmor policy: it has more than %d MiB", MaxSize>>20)
	}
	return plain, nil
}

// A decoder reads one profile: unpack_profile() of policy_unpack.c, but in whatever
// order, so that elements of later versions are passed over.
type decoder struct {
	*stream
	p        *Profile
	seen     map[string]bool // names of elements
	table    []perms         // of the automaton that follows
	permsv   uint64
	last     *database // the automaton that was read last
	caps     int       // numbers of capabilities that were read
	identity bool      // the flags were read
}

func (d *decoder) profile() *Profile {
	d.seen = map[string]bool{}
	if d.expect(codeString) {
		d.name(d.text())
	}
	for d.err == nil {
		name, code := d.head()
		if name == "" && code == codeStructEnd {
			break
		}
		if name != "" && d.seen[name] && name != "aadfa" && name != "perms" && name != "permsv" && name != "dfa_start" && name != "start" {
			d.fail("a profile has the element %q twice", name)
		}
		d.seen[name] = true
		d.element(name, code)
	}
	d.finish()
	return d.p
}

// name sets the name, which may begin with a namespace: :ns:name or :ns://name.
func (d *decoder) name(name string) {
	if rest, ok := strings.CutPrefix(name, ":"); ok {
		namespace, local, ok := strings.Cut(rest, ":")
		if !ok || namespace == "" {
			d.fail("the profile is named %q", name)
			return
		}
		d.p.Namespace, name = namespace, strings.TrimPrefix(local, "//")
	}
	if d.p.Name = name; name == "" {
		d.fail("a profile has no name")
	}
}

func (d *decoder) element(name string, code byte) {
	p := d.p
	switch {
	case name == "attach" && code == codeString:
		p.Attachment = d.text()
	case name == "disconnected" && code == codeString:
		p.Disconnected = d.text()
	case name == "flags" && code == codeStruct:
		d.flags()
	case name == "" && code == codeU32:
		d.unnamed(uint32(d.number(code)))
	case name == "caps64" && code == codeStruct:
		c := &p.Capabilities
		for _, set := range []*uint64{&c.Allow, &c.Audit, &c.Quiet, new(uint64)} {
			*set |= uint64(d.u32()) << 32
		}
		d.expect(codeStructEnd)
	case name == "policydb" && code == codeStruct:
		d.policydb()
	case name == "rlimits" && code == codeStruct:
		d.rlimits()
	case name == "xattrs" && code == codeStruct:
		d.array(maxEntries, func(int) { p.Xattrs = append(p.Xattrs, d.string()) })
	case name == "secmark" && code == codeStruct:
		d.array(maxEntries, func(int) {
			p.Secmarks = append(p.Secmarks, Secmark{Audit: d.u8() != 0, Deny: d.u8() != 0, Label: d.string()})
		})
	case name == "data" && code == codeStruct:
		d.data()
	case d.automaton(name, code):
	case name == "path_flags" || name == "rename" || name == "capsx" || name == "kill" || name == "error" || name == "disconnected_ipc":
		d.skip(code, 0) // known to say nothing that a decision needs
	case name == "":
		d.fail("an element of code %d has no name", code)
	default:
		if len(p.Unknown) < maxData {
			p.Unknown = append(p.Unknown, name)
		}
		d.skip(code, 0)
	}
}

func (d *decoder) string() string {
	if !d.expect(codeString) {
		return ""
	}
	return d.text()
}

func (d *decoder) u8() byte {
	if !d.expect(codeU8) {
		return 0
	}
	return byte(d.number(codeU8))
}

// modes are the flags of the packed modes, PACKED_MODE_* of policy_unpack.h.
var modes = []string{"", "complain", "kill", "unconfined", "prompt"}

func (d *decoder) flags() {
	if bits := d.u32(); bits&1 != 0 {
		d.p.Flags = append(d.p.Flags, "hat")
	}
	mode := d.u32()
	d.p.place.mode = d.pos - 4
	if int64(mode) >= int64(len(modes)) {
		d.fail("there is no mode %d", mode)
		return
	}
	if flag := modes[mode]; flag != "" && !slices.Contains(d.p.Flags, "complain") {
		d.p.Flags = append(d.p.Flags, flag)
	}
	if d.u32() != 0 {
		d.p.Flags = append(d.p.Flags, "audit")
	}
	d.expect(codeStructEnd)
	d.identity = true
}

// unnamed takes the numbers that have no name: the length of the attachment before
// the flags, and the lower halves of the capabilities after them.
func (d *decoder) unnamed(n uint32) {
	c := &d.p.Capabilities
	if !d.identity {
		d.p.attachLength = n
		return
	}
	sets := []*uint64{&c.Allow, &c.Audit, &c.Quiet, new(uint64)}
	if d.caps == len(sets) {
		d.fail("a profile has a number too many")
		return
	}
	*sets[d.caps] |= uint64(n)
	d.caps++
}

// automaton reads an element of an automaton: the table of permissions before it,
// itself, and what comes after it. It reports false for any other.
func (d *decoder) automaton(name string, code byte) bool {
	switch {
	case name == "perms" && code == codeStruct:
		d.table, d.permsv = d.perms(), 0
	case name == "permsv" && code == codeU32:
		d.permsv = d.number(code)
	case name == "aadfa" && code == codeBlob:
		place := &d.p.file
		if !d.identity {
			place = &d.p.attach
		}
		d.dfa(place)
	case (name == "start" || name == "dfa_start") && code == codeU32 && d.last != nil:
		// The kernel takes start for the classes and dfa_start for files.
		d.last.start = uint32(d.number(code))
	case name == "xtable" && code == codeStruct && d.last != nil:
		d.array(maxEntries, func(int) {
			name := strings.ReplaceAll(d.string(), "\x00", ":") // after a namespace
			d.last.names = append(d.last.names, name)
		})
	default:
		return false
	}
	return true
}

func (d *decoder) dfa(place **database) {
	blob := d.blob()
	if d.err != nil {
		return
	}
	if *place != nil {
		d.fail("a profile has an automaton too many")
		return
	}
	dfa, err := unpackAutomaton(blob)
	if err != nil {
		d.fail("%v", err)
		return
	}
	d.last = &database{dfa: dfa, table: d.table, owned: d.table != nil && d.permsv >= 3, start: startState}
	*place, d.table, d.permsv = d.last, nil, 0
}

func (d *decoder) policydb() {
	if d.p.policy != nil {
		d.fail("a profile has an automaton too many")
	}
	for d.err == nil {
		name, code := d.head()
		switch {
		case name == "" && code == codeStructEnd:
			return
		case name == "aadfa" && code == codeBlob:
			d.dfa(&d.p.policy)
		case d.automaton(name, code):
		default:
			d.skip(code, 0)
		}
	}
}

// perms reads a table of permissions: unpack_perms_table().
func (d *decoder) perms() (table []perms) {
	if version := d.u32(); version != 1 {
		d.fail("version %d of the table of permissions is not known", version)
		return nil
	}
	d.array(maxEntries, func(int) {
		var n [14]uint32
		for i := range n {
			n[i] = d.u32()
		}
		// reserved allow deny subtree cond kill complain prompt audit quiet hide xindex tag label
		table = append(table, perms{allow: n[1], deny: n[2], audit: n[8], quiet: n[9], exec: n[11]})
	})
	if table == nil {
		d.fail("a table of permissions is empty")
	}
	return table
}

func (d *decoder) rlimits() {
	mask := d.u32()
	d.p.Rlimits = map[int]uint64{}
	d.array(maxRlimits, func(i int) {
		if !d.expect(codeU64) {
			return
		}
		if limit := d.number(codeU64); mask&(1<<i) != 0 {
			d.p.Rlimits[i] = limit
		}
	})
}

func (d *decoder) data() {
	d.p.Data = map[string][]byte{}
	for d.err == nil {
		name, code := d.head()
		if name == "" && code == codeStructEnd {
			return
		}
		if !d.want(name, code, codeString) || len(d.p.Data) == maxData {
			d.fail("the data of a profile are no pairs, or more than %d", maxData)
			return
		}
		key := d.text()
		if d.expect(codeBlob) {
			d.p.Data[key] = bytes.Clone(d.blob())
		}
	}
}

// finish verifies what was read, and makes the profile ready for questions.
func (d *decoder) finish() {
	p := d.p
	if d.err == nil && !d.identity {
		d.fail("the profile %q has no flags", p.Name)
	}
	for _, db := range []struct {
		*database
		file bool
	}{{p.attach, false}, {p.policy, false}, {p.file, true}} {
		if problem := db.verify(db.file); problem != "" {
			d.fail("%s", problem)
		}
	}
	p.asked = apparmor.NewLoaded(p.Name, p.Namespace, p.Flags, p.answer)
}

// Is reports whether a file begins as compiled policy does, plain or compressed.
func Is(text string) bool {
	return strings.HasPrefix(text, "\x04\x08\x00version\x00\x02") || strings.HasPrefix(text, zstdMagic)
}

const zstdMagic = "\x28\xb5\x2f\xfd"
