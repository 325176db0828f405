package expect

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

var (
	mutants       = flag.Int("mutants", 20, "how many changed profiles proposed expectations are held against")
	mutantDirs    = flag.String("mutant-dirs", "", "directories of the profiles, such as /etc/apparmor.d; \"\" for those that are built in")
	mutantsMissed = flag.Bool("mutants-missed", false, "list the changes that no expectation catches")
)

// changesEach is how often a profile is changed.
const changesEach = 20

// TestMutants writes the expectations that are proposed of a workload's log, changes one rule of
// the profile, and counts how many of the changed profiles an expectation catches: of those that
// answer an access of the log otherwise, and of all that answer any access otherwise, as
// CompareProfiles proves; what is logged of what is granted does not count, as no expectation is of
// it. What the log has is said at logOf.
func TestMutants(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 23))
	profiles := mutated(t)
	caught, other := map[bool]int{}, map[bool]int{} // by whether the log has an access that is answered otherwise
	for n, tries := 0, 0; n < *mutants && tries < 40**mutants; tries++ {
		m := profiles[tries%len(profiles)]
		changed, about := m.change(r)
		if changed == nil {
			continue
		}
		c := apparmor.CompareProfiles(m.profile, changed)
		if !c.Complete || len(c.Gains)+len(c.Losses)+len(c.Silenced)+len(c.Logged) == 0 {
			continue
		}
		n++
		seen := slices.ContainsFunc(m.log, func(req apparmor.Request) bool { return answerOf(m.profile, req) != answerOf(changed, req) })
		other[seen]++
		switch failed := m.fails(t, changed); {
		case failed:
			caught[seen]++
		case *mutantsMissed:
			t.Logf("not caught, seen in the log %v: %s", seen, about)
		}
	}
	all := other[true] + other[false]
	t.Logf("%d changes of one rule of %d profiles: %d answer an access of the log otherwise, %d of them are caught; of all, %d (%.1f %%)",
		all, len(profiles), other[true], caught[true], caught[true]+caught[false], 100*float64(caught[true]+caught[false])/float64(all))
	require.Equal(t, *mutants, all)
	assert.Zero(t, caught[false], "an expectation fails, and nothing of the log is answered otherwise")
	assert.GreaterOrEqual(t, 100*caught[true], 95*all)
}

// A mutant is a profile that is to be changed, with what is expected of it.
type mutant struct {
	loader       *apparmor.Loader
	profile      *apparmor.Profile
	log          []apparmor.Request
	expectations []Expectation
	problems     []rules.Diagnostic // of the text as it is
}

// mutated returns the profiles that are changed, with the expectations of their logs.
func mutated(t *testing.T) (list []*mutant) {
	loader := &apparmor.Loader{}
	var files []*rules.File
	for _, name := range []string{"docker-default", "cri-containerd.apparmor.d", "crio-default", "containers-default-0.50.1"} {
		texts, _ := apparmor.Builtins(name, "")
		for _, b := range texts {
			files = append(files, b.File)
		}
	}
	if *mutantDirs != "" {
		loader.Include, files = []string{"/etc/apparmor.d"}, nil
		for dir := range strings.SplitSeq(*mutantDirs, ":") {
			names, err := apparmor.PolicyFiles(nil, dir)
			require.NoError(t, err)
			for _, name := range names {
				text, err := rules.ReadFile(name)
				require.NoError(t, err)
				files = append(files, rules.NewFile(name, text))
			}
		}
	}
	for _, file := range files {
		policy, problems := loader.Load(file)
		if len(list)*changesEach >= *mutants || len(policy.Profiles) == 0 || len(rules.Errors(problems)) > 0 && *mutantDirs != "" {
			continue
		}
		m := &mutant{loader: loader, profile: policy.Profiles[0], problems: problems}
		if len(m.own()) < 3 || m.profile.HasFlag("unconfined") {
			continue
		}
		m.log = logOf(m.profile, m.own())
		for _, req := range m.log {
			text, owner, err := access.Written(req)
			require.NoError(t, err, text)
			d, err := access.Parse(text, owner)
			require.NoError(t, err, text)
			proposed, err := Propose(d, m.profile)
			require.NoError(t, err, text)
			for _, p := range proposed {
				m.expectations = append(m.expectations, p.Expectation)
			}
		}
		list = append(list, m)
	}
	return list
}

// own are the rules that stand in the profile itself.
func (m *mutant) own() (own []apparmor.Rule) {
	for _, r := range m.profile.Rules {
		if at := r.Location(); at.File == m.profile.At.File && len(r.Head().Via) == 0 {
			own = append(own, r)
		}
	}
	return own
}

// A workload is the log of one: its accesses, each once.
type workload struct {
	log   []apparmor.Request
	known map[string]bool
}

// add adds an access that query has words for, as a record of it is read.
func (w *workload) add(req apparmor.Request) {
	text, owner, err := access.Written(req)
	if key := fmt.Sprint(owner, text); err == nil && !w.known[key] {
		w.known[key] = true
		w.log = append(w.log, req)
	}
}

// logOf is the log of a workload that uses each of its profile's own rules for some names, one permission at a time,
// and is refused: the other permissions of those names, as the owner of the file or not, and
// names beside them and below; every capability, and a socket, a signal, a trace and a mount
// of each kind.
func logOf(p *apparmor.Profile, own []apparmor.Rule) []apparmor.Request {
	w := &workload{known: map[string]bool{}}
	for _, r := range own {
		switch r := r.(type) {
		case *apparmor.FileRule:
			w.files(namesOf(r.Path), r.Perms)
		case *apparmor.SignalRule:
			w.peers(namesOf(r.Peer))
		case *apparmor.PtraceRule:
			w.peers(namesOf(r.Peer))
		case *apparmor.MountRule:
			w.mounts(r)
		case *apparmor.ChangeProfileRule:
			for _, target := range namesOf(r.Target) {
				w.add(apparmor.ChangeProfileRequest{Target: target})
			}
		case *apparmor.DBusRule:
			w.messages(r)
		}
	}
	for _, name := range strings.Fields(capabilities) {
		w.add(apparmor.CapabilityRequest{Name: name})
	}
	for family := range strings.FieldsSeq("unix inet inet6 netlink packet vsock bluetooth alg") {
		for kind := range strings.FieldsSeq("stream dgram raw seqpacket") {
			w.add(apparmor.NetworkRequest{Family: family, Type: kind, Perms: apparmor.Create})
		}
	}
	w.peers([]string{"unconfined", "another", p.FullName()})
	return w.log
}

const capabilities = `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
	net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice
	sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend`

// files adds what a rule grants of files, and what it does not.
func (w *workload) files(names []string, held apparmor.Perms) {
	for _, name := range names {
		for _, perm := range []apparmor.Perms{apparmor.Read, apparmor.Write, apparmor.Exec, apparmor.Mmap, apparmor.Lock, apparmor.Link} {
			w.add(apparmor.FileRequest{Path: name, Perms: perm})
			w.add(apparmor.FileRequest{Path: name, Perms: perm, Owner: true})
			for _, other := range []string{name + "x", path.Dir(name) + "/beside", strings.TrimSuffix(name, "/") + "/below/it"} {
				if held&perm != 0 {
					w.add(apparmor.FileRequest{Path: other, Perms: perm})
				}
			}
		}
	}
}

// peers adds signals, traces and sockets of peers.
func (w *workload) peers(labels []string) {
	for _, label := range labels {
		for signal := range strings.FieldsSeq("hup int quit kill term usr1 usr2 cont exists stop winch") {
			w.add(apparmor.SignalRequest{Perms: apparmor.Send, Signal: signal, Peer: label})
			w.add(apparmor.SignalRequest{Perms: apparmor.Receive, Signal: signal, Peer: label})
		}
		for _, perm := range []apparmor.Perms{apparmor.Trace, apparmor.TracedBy, apparmor.Read, apparmor.ReadBy} {
			w.add(apparmor.PtraceRequest{Perms: perm, Peer: label})
		}
	}
}

// mounts adds the mounts of a rule, and some that it has not.
func (w *workload) mounts(r *apparmor.MountRule) {
	for _, target := range append(namesOf(r.Target), "/beside/") {
		for _, source := range append(namesOf(r.Source), "/dev/sda1") {
			for fstype := range strings.FieldsSeq("ext4 tmpfs proc") {
				w.add(apparmor.MountRequest{Op: "mount", Source: source, Target: target, Fstype: fstype, Flags: []string{"rw"}})
			}
			w.add(apparmor.MountRequest{Op: "bind", Source: source, Target: target, Flags: []string{"rw", "bind"}})
		}
		w.add(apparmor.MountRequest{Op: "umount", Target: target})
		w.add(apparmor.MountRequest{Op: "remount", Target: target, Flags: []string{"ro", "remount"}})
	}
}

// messages adds what a rule of D-Bus names, and the like of another bus, member and peer.
func (w *workload) messages(r *apparmor.DBusRule) {
	first := func(p *apparmor.Pattern) string { return namesOf(p)[0] }
	req := apparmor.DBusRequest{Bus: first(r.Bus), Path: first(r.Path), Interface: first(r.Interface), Member: first(r.Member), Name: first(r.PeerName), PeerLabel: first(r.PeerLabel)}
	for _, perm := range []apparmor.Perms{apparmor.Send, apparmor.Receive} {
		for _, change := range []func(*apparmor.DBusRequest){func(*apparmor.DBusRequest) {}, func(d *apparmor.DBusRequest) { d.Bus = "another" },
			func(d *apparmor.DBusRequest) { d.Path += "x" }, func(d *apparmor.DBusRequest) { d.Interface += "x" },
			func(d *apparmor.DBusRequest) { d.Member += "x" }, func(d *apparmor.DBusRequest) { d.Name += "x" }, func(d *apparmor.DBusRequest) { d.PeerLabel += "x" }} {
			other := req
			other.Perms = perm
			change(&other)
			w.add(other)
		}
	}
	w.add(apparmor.DBusRequest{Perms: apparmor.Bind, Bus: req.Bus, Name: first(r.Name)})
}

// namesOf returns some names that a pattern matches, "any" of one that is not there.
func namesOf(p *apparmor.Pattern) []string {
	if p == nil {
		return []string{"any"}
	}
	e, err := aare.ParseAny(p.Expanded)
	if err != nil {
		return []string{"any"}
	}
	names := e.Samples()
	if len(names) > 2 {
		names = []string{names[0], names[len(names)-1]}
	}
	return names
}

// change returns the profile with one of its rules changed, and what the change is; nil if that is
// no profile.
func (m *mutant) change(r *rand.Rand) (*apparmor.Profile, string) {
	own := m.own()
	rule := own[r.IntN(len(own))]
	at := rule.Location()
	to := mutate(r, at.Text())
	if to == at.Text() {
		return nil, ""
	}
	file := at.File
	policy, problems := m.loader.Load(rules.NewFile(file.Name, file.Text[:at.Span.Start]+to+file.Text[at.Span.End:]))
	if len(rules.Errors(problems)) > len(rules.Errors(m.problems)) || len(policy.Profiles) == 0 {
		return nil, ""
	}
	return policy.Profiles[0], at.String() + ": " + at.Text() + " becomes " + to
}

// What mutate looks for.
var (
	permissions = regexp.MustCompile(`\s([rwamkl]+|[rwamklxiuUpPcC]*x)(,| ->)`)
	glob        = regexp.MustCompile(`\*+`)
	pathEnd     = regexp.MustCompile(`^((?:owner |deny |audit )*[/@"]\S*?)(\s)`)
	condition   = regexp.MustCompile(`\s(peer|set|fstype|options|addr|type|path|interface|member|label|bus)=(\([^)]*\)|\S+?)(,|\s)`)
	listed      = regexp.MustCompile(`\s[a-z_0-9]+`)
)

// mutate changes a rule at one place: it is taken away or turned round, or a permission, who owns
// the file, a glob, a name, a condition or a word of it is another.
func mutate(r *rand.Rand, rule string) string {
	one := func(list []string) string { return list[r.IntN(len(list))] }
	switch r.IntN(8) {
	case 0:
		return ""
	case 1:
		if rest, ok := strings.CutPrefix(rule, "deny "); ok {
			return rest
		}
		return "deny " + rule
	case 2: // a permission less, more, or another way to execute
		m := permissions.FindStringSubmatchIndex(rule)
		if m == nil {
			return rule
		}
		perms := rule[m[2]:m[3]]
		switch letter := one(strings.Split("rwmkl", "")); {
		case strings.ContainsRune(perms, 'x'):
			perms = one([]string{"ix", "ux", "px", "rix"})
		case !strings.Contains(perms, letter):
			perms += letter
		case len(perms) > 1:
			perms = strings.ReplaceAll(perms, letter, "")
		}
		return rule[:m[2]] + perms + rule[m[3]:]
	case 3:
		if rest, ok := strings.CutPrefix(rule, "owner "); ok {
			return rest
		}
		return "owner " + rule
	case 4: // a glob that is wider, narrower or gone
		all := glob.FindAllStringIndex(rule, -1)
		if all == nil {
			return rule
		}
		m := all[r.IntN(len(all))]
		return rule[:m[0]] + one([]string{"**", "*", "x"}) + rule[m[1]:]
	case 5:
		return pathEnd.ReplaceAllString(rule, "${1}"+one([]string{"x", "/below/it", "*"})+"${2}")
	case 6:
		return condition.ReplaceAllString(rule, "${3}")
	}
	words := listed.FindAllStringIndex(rule, -1)
	if words == nil {
		return rule
	}
	m := words[r.IntN(len(words))]
	return rule[:m[0]] + one([]string{"", " sys_admin", " inet", " kill", " send"}) + rule[m[1]:]
}

// An answered is what a profile answers to an access, as expectations can tell.
type answered struct {
	granted, quiet, logged bool
	exec                   string
}

func answerOf(p *apparmor.Profile, req apparmor.Request) (a answered) {
	d := p.Decide(req)
	missing := d.Refused | d.Unmatched
	a = answered{granted: missing == 0, quiet: missing != 0 && d.Quiet, logged: missing != 0 && d.Logged() == missing}
	if d.Exec != nil && a.granted {
		a.exec = d.Exec.Profile
	}
	return a
}

// fails reports whether a changed profile fails an expectation.
func (m *mutant) fails(t *testing.T, changed *apparmor.Profile) bool {
	for _, e := range m.expectations {
		r, err := Check(e, changed)
		require.NoError(t, err, e.Text)
		if !r.Holds {
			return true
		}
	}
	return false
}
