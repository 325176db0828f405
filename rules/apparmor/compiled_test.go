package apparmor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file reads the policy that apparmor_parser compiles, and answers requests
// as the kernel does with it: the stream of security/apparmor/policy_unpack.c,
// the tables of match.c, and the permissions of file.c, in their version 5 to 8
// form, Linux 6.1.

// compile runs apparmor_parser on a policy, for a kernel that mediates every
// class that AppArmor 3.0 knows, and decodes what it makes.
func compile(t testing.TB, policy string) (map[string]*compiledProfile, error) {
	t.Helper()
	tool := parserTool(t)
	file := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(file, []byte(policy), 0o600))
	cmd := exec.Command(tool, "-Q", "-K", "-q", "-S", "--config-file", os.DevNull, "-M", features, file)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	r := &unpacker{data: stdout.Bytes()}
	return r.profiles(), nil
}

// An item is one element of the stream.
type item struct {
	name  string
	code  byte
	num   uint64
	bytes []byte
	items []item // of structs, lists and arrays
}

func (it *item) child(name string) *item {
	for i := range it.items {
		if it.items[i].name == name {
			return &it.items[i]
		}
	}
	return nil
}

type unpacker struct {
	data []byte
	pos  int
}

func (r *unpacker) take(n int) []byte {
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b
}

// next reads one element. The codes are those of enum aa_code.
func (r *unpacker) next() item {
	var it item
	it.code = r.take(1)[0]
	if it.code == 4 { // AA_NAME
		n := int(binary.LittleEndian.Uint16(r.take(2)))
		it.name = strings.TrimRight(string(r.take(n)), "\x00")
		it.code = r.take(1)[0]
	}
	switch it.code {
	case 0:
		it.num = uint64(r.take(1)[0])
	case 1:
		it.num = uint64(binary.LittleEndian.Uint16(r.take(2)))
	case 2:
		it.num = uint64(binary.LittleEndian.Uint32(r.take(4)))
	case 3:
		it.num = binary.LittleEndian.Uint64(r.take(8))
	case 5: // AA_STRING
		n := int(binary.LittleEndian.Uint16(r.take(2)))
		it.bytes = bytes.TrimRight(r.take(n), "\x00")
		if n > 0 && len(it.bytes)+1 < n {
			it.bytes = r.data[r.pos-n : r.pos-1]
		}
	case 6: // AA_BLOB
		n := int(binary.LittleEndian.Uint32(r.take(4)))
		it.bytes = r.take(n)
	case 7, 9, 11: // AA_STRUCT, AA_LIST, AA_ARRAY
		if it.code == 11 {
			r.take(2)
		}
		for {
			child := r.next()
			if child.code == it.code+1 {
				break
			}
			it.items = append(it.items, child)
		}
	case 8, 10, 12:
	default:
		panic(fmt.Sprintf("unknown code %d at %d", it.code, r.pos))
	}
	return it
}

// compiledProfile is one unpacked profile.
type compiledProfile struct {
	name         string
	file, policy *dfaTable
	allow, quiet uint64 // capabilities
	xtable       []string
}

func (r *unpacker) profiles() map[string]*compiledProfile {
	all := map[string]*compiledProfile{}
	for r.pos < len(r.data) {
		it := r.next()
		if it.name == "profile" {
			p := unpackProfile(&it)
			all[p.name] = p
		}
	}
	return all
}

func unpackProfile(it *item) *compiledProfile {
	p := &compiledProfile{name: string(it.items[0].bytes)}
	// The capability words follow the flags without a name.
	for i := range it.items {
		if it.items[i].name == "flags" {
			caps := it.items[i+1 : i+4]
			p.allow, p.quiet = caps[0].num, caps[2].num
		}
	}
	if high := it.child("caps64"); high != nil {
		p.allow |= high.items[0].num << 32
		p.quiet |= high.items[2].num << 32
	}
	if db := it.child("policydb"); db != nil {
		p.policy = unpackDFA(db.child("aadfa").bytes)
	}
	// Before the file DFA there may be one of the attachment, which stands before the flags.
	for i := len(it.items) - 1; i >= 0; i-- {
		if it.items[i].name == "flags" {
			break
		}
		if it.items[i].name == "aadfa" {
			p.file = unpackDFA(it.items[i].bytes)
		}
	}
	if x := it.child("xtable"); x != nil {
		for _, s := range x.items[0].items {
			p.xtable = append(p.xtable, string(s.bytes))
		}
	}
	return p
}

// A dfaTable is a compressed automaton. The indexes are enum YYTD_ID.
type dfaTable struct {
	accept, accept2, base, def, next, check, ec []uint32
}

func unpackDFA(blob []byte) *dfaTable {
	start := bytes.Index(blob, []byte{0x1b, 0x5e, 0x78, 0x3d})
	blob = blob[start:]
	pos := int(binary.BigEndian.Uint32(blob[4:]))
	end := int(binary.BigEndian.Uint32(blob[8:]))
	d := &dfaTable{}
	for pos+12 <= end {
		id := binary.BigEndian.Uint16(blob[pos:])
		width := int(binary.BigEndian.Uint16(blob[pos+2:]) & 7)
		count := int(binary.BigEndian.Uint32(blob[pos+8:]))
		table := make([]uint32, count)
		for i := range table {
			at := blob[pos+12+i*width:]
			switch width {
			case 1:
				table[i] = uint32(at[0])
			case 2:
				table[i] = uint32(binary.BigEndian.Uint16(at))
			case 4:
				table[i] = binary.BigEndian.Uint32(at)
			}
		}
		switch id {
		case 1:
			d.accept = table
		case 2:
			d.base = table
		case 3:
			d.check = table
		case 4:
			d.def = table
		case 5:
			d.ec = table
		case 7:
			d.accept2 = table
		case 8:
			d.next = table
		}
		pos += (12 + count*width + 7) &^ 7
	}
	return d
}

// walk is aa_dfa_match_len().
func (d *dfaTable) walk(state uint32, key string) uint32 {
	for i := range len(key) {
		c := uint32(key[i])
		if d.ec != nil {
			c = d.ec[c]
		}
		for {
			b := d.base[state]
			at := b&0xffffff + c
			if d.check[at] == state {
				state = d.next[at]
				break
			}
			state = d.def[state]
			if b&0x80000000 == 0 { // MATCH_FLAG_DIFF_ENCODE
				break
			}
		}
	}
	return state
}

// The permission bits of the compiled policy.
const (
	kExec = 1 << iota
	kWrite
	kRead
	kAppend
	kLink
	kLock // of a link pair: subset
	kMmap
)

const (
	kOnExec        = 1 << 30
	kChangeProfile = 1 << 31
)

// filePerms are what the kernel reads from a state: compute_fperms().
type kernelPerms struct {
	allow, quiet uint32
	xindex       uint32
}

func (d *dfaTable) filePerms(state uint32, owner bool) kernelPerms {
	a, q := d.accept[state], d.accept2[state]
	if !owner {
		return kernelPerms{a >> 14 & 0x7f, q >> 21 & 0x7f, a >> 14 & 0x3f80}
	}
	return kernelPerms{a & 0x7f, q >> 7 & 0x7f, a & 0x3f80}
}

// file answers a file request: what is allowed, and whether the refusal is
// quiet.
func (p *compiledProfile) fileAccess(path string, owner bool) kernelPerms {
	if p.file == nil {
		return kernelPerms{}
	}
	return p.file.filePerms(p.file.walk(1, path), owner)
}

// link is profile_path_link().
func (p *compiledProfile) link(link, target string, owner bool) (allowed, quiet bool) {
	if p.file == nil {
		return false, false
	}
	state := p.file.walk(1, link)
	name := p.file.filePerms(state, owner)
	if name.allow&kLink == 0 {
		return false, name.quiet&kLink != 0
	}
	pair := p.file.filePerms(p.file.walk(state, "\x00"+target), owner)
	if pair.allow&kLink == 0 {
		return false, pair.quiet&kLink != 0
	}
	if pair.allow&kLock == 0 {
		return true, false
	}
	to := p.fileAccess(target, owner)
	if name.allow&^kLink&^to.allow != 0 {
		return false, false
	}
	const changes = kOnExec | kChangeProfile // the kernel counts these as permissions of the name
	if p.file.accept[state]&changes&^p.file.accept[p.file.walk(1, target)] != 0 {
		return false, false
	}
	if name.allow&kExec != 0 {
		const unsafe = 0x100
		same := name.xindex&^unsafe == to.xindex&^unsafe
		if !same || name.xindex&unsafe != 0 && to.xindex&unsafe == 0 {
			return false, false
		}
	}
	return true, false
}

// exec spells the exec transition of a state: mode, and the named target.
func (p *compiledProfile) exec(x uint32) (mode, target string) {
	safe := x&0x100 == 0
	index := x >> 10 & 0xf
	var word string
	switch {
	case index == 1:
		word = "u"
	case index == 2:
		word = "p"
	case index == 3:
		word = "c"
	case index >= 4:
		word = "t"
		target = p.xtable[index-4]
	}
	switch {
	case word == "" && x&0x200 != 0:
		return "ix", ""
	case x&0x200 != 0:
		word += "i"
	case x&0x80 != 0:
		word += "u"
	}
	if safe {
		word = strings.Replace(strings.ToUpper(word), "I", "i", 1)
	}
	return word + "x", target
}

// classPerms answers for the other classes: the low byte of the permissions and
// those of them that are quiet.
func (p *compiledProfile) classPerms(key string) (allow, quiet uint32) {
	state := p.policy.walk(1, key)
	return p.policy.accept[state], p.policy.accept2[state] >> 7
}

// changeProfile answers change_profile at once or, with a program, at its
// execution: aa_change_profile() and change_profile_perms() in domain.c.
func (p *compiledProfile) changeProfile(target, program string) bool {
	if p.file == nil {
		return false
	}
	if program == "" {
		return p.file.accept[p.file.walk(1, target)]&kChangeProfile != 0
	}
	state := p.file.walk(1, program)
	if p.file.accept[state]&kOnExec == 0 {
		return false
	}
	return p.file.accept[p.file.walk(state, "\x00"+target)]&kOnExec != 0
}

// mount is do_match_mnt() in mount.c.
func (p *compiledProfile) mount(r MountRequest) bool {
	const mayMount, mayUmount, matchCont = 2, 4, 0x40
	if r.Op == "umount" {
		allow, _ := p.classPerms("\x07" + r.Target)
		return allow&mayUmount != 0
	}
	flags := flagsOf(append(r.Flags, r.Op), mountFlags)
	source, fstype := r.Source, r.Fstype
	switch kindOf(flags) {
	case remount:
		source, fstype = "", ""
	case changeType:
		source, fstype = "", ""
		flags &= msMakeFlags
	case bindMount:
		flags, fstype = flags&msBindFlags, ""
	case moveMount:
		flags, fstype = msMove, ""
	}
	key := "\x07" + r.Target + "\x00" + source + "\x00" + fstype + "\x00"
	for bit := range 32 {
		if flags&(1<<bit) != 0 {
			key += string([]byte{byte(bit + 1)})
		}
	}
	allow, _ := p.classPerms(key)
	return allow&mayMount != 0
}
