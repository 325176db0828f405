package fix

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// TestChosenNames holds that names which programs choose for files of their own stand
// for themselves, also where they are made as temporary files are.
func TestChosenNames(t *testing.T) {
	for _, name := range []string{
		"state", "lock", "app.pid", "p.db", "data.db-journal", "cookies.sqlite-wal", "id_rsa", "known_hosts.old", "config.json.tmp",
		"cache-v2", "index.lock", ".lock", "session.lock", "mysql.sock.lock", ".foo.swp", "machine-id", "hosts.new", "ibdata1",
		"ib_logfile0", "authorized_keys", "backup2", "log.1", "README.md", "ttyS0", "PostgreSQL", "shm_open_test",
		"app-lock", "node_modules", "SingletonLock", "sem.mysem", "my-App.conf", "aquota.user",
	} {
		assert.Equal(t, Names{}, NamesOf("/srv/"+name, Caller{Temporary: true}, nil), name)
	}
}

// A message in a Maildir has a name that no other has, of any delivery agent.
func TestMaildirNames(t *testing.T) {
	second := strings.Repeat("[0-9]", 10)
	for name, want := range map[string]string{
		"1796138086.M611888P1157Q1.lab":                        second + ".M[0-9]*P[0-9]*Q[0-9]*.lab", // CPython's mailbox
		"1796138086.M611888P1157.lab,S=812,W=830:2,S":          `"` + second + `.M[0-9]*P[0-9]*.lab\,S=[0-9]*\,W=[0-9]*:2\,S"`,
		"1796138086.M611888P1157V000000000000FD01I0012a_0.lab": second + ".M[0-9]*P[0-9]*V[0-9a-f]*I[0-9a-f]*_0.lab",
		"1796138086.Vfd01I12aM611888.lab":                      second + ".V[0-9a-f]*I[0-9a-f]*M[0-9]*.lab",
		"report,S=812":                                         "",
	} {
		assert.Equal(t, want, strings.Replace(NamesOf("/srv/Mail/new/"+name, Caller{Makes: true}, nil).Glob, "/srv/Mail/new/", "", 1), name)
	}
}

// A name of rsync's that looks like a word and a number is by chance where the call says so, and there alone.
func TestRsyncNames(t *testing.T) {
	for name, want := range map[string][2]bool{".five.NEPHN1": {true, false}, ".five.TASK42": {true, false}, ".five.EOgpxs": {true, true}, ".app.backup": {}, ".app.lock01": {}} {
		for i, called := range []bool{true, false} {
			names := NamesOf("/srv/"+name, Caller{Makes: true, Temporary: called}, nil)
			assert.Equal(t, want[i], names.First, name)
			assert.True(t, !names.First || strings.HasSuffix(names.Glob, ".??????"), names.Glob)
		}
	}
}

// Jobs and messages have names of their own in spools.
func TestSpoolNames(t *testing.T) {
	for name, want := range map[string]string{
		"/var/spool/cups/c00012":                                 "/var/spool/cups/c[0-9]*",
		"/var/spool/cups/d00012-001":                             "/var/spool/cups/d[0-9]*-[0-9]*",
		"/var/spool/exim4/input/1rAbCd-00AbCd-12-H":              "/var/spool/exim4/input/??????-??????-??-H",
		"/var/spool/exim4/input/1rAbCd-00000000abC-12ab-D":       "/var/spool/exim4/input/??????-???????????-????-D",
		"/var/spool/exim4/msglog/1rAbCd-00AbCd-12":               "/var/spool/exim4/msglog/??????-??????-??",
		"/tmp/CASESENSITIVETEST0123456789abcdef0123456789abcdef": "/tmp/CASESENSITIVETEST????????????????????????????????",
	} {
		assert.Equal(t, want, NamesOf(name, Caller{Makes: true, Temporary: strings.HasPrefix(name, "/tmp/")}, nil).Glob)
	}
}

// What apparmor_parser would make a hundred thousand states of is a * (dovecot's temporary files).
func TestUncountedNames(t *testing.T) {
	names := NamesOf("/srv/.temp.lab.273.2e65302c2967baa6", Caller{PID: 273, Makes: true}, nil)
	assert.Equal(t, "/srv/.temp.lab.[0-9]*.*", names.Glob)
	assert.Equal(t, "/srv/a[0-9]*.*.*-??", uncounted("/srv/a[0-9]*.?????????.??????????-??"))
	assert.Equal(t, "/srv/[0-9]*/??????????", uncounted("/srv/[0-9]*/??????????"))
}

// A glob is spelled with the variable that a path is spelled with, and is found so spelled.
func TestSpelledGlob(t *testing.T) {
	const run = "@{run}=/run/ /var/run/\nprofile p {\n  owner @{run}/a.pid rw,\n"
	made := apparmor.FileRequest{Path: "/run/a.pid.zYlR53", Perms: apparmor.Write, Owner: true}
	for before, want := range map[string]string{"": "owner @{run}/a.pid.?????? w,", "  owner @{run}/a.pid.?????? r,\n": "owner @{run}/a.pid.?????? rw,"} {
		p, profile := loadedFix(t, run+before+"}\n")
		r := p.Access(profile, made, Caller{Temporary: true})
		require.NotEmpty(t, r.Fixes)
		assert.Equal(t, want, r.Fixes[0].Rule)
	}
}

// Letters that could be a word and an abbreviation are by chance where the call and the folder
// are those of temporary files.
func TestMixedNames(t *testing.T) {
	for path, want := range map[string]string{
		"/tmp/lab-RboYLF":    "/tmp/lab-??????",
		"/tmp/app.boRNAe.db": "/tmp/app.??????.db",
		"/tmp/lab-config":    "",
		"/srv/.two.Qus344":   "/srv/.two.??????",
		"/srv/x.sha256":      "",
		"/srv/lab-RboYLF":    "",
	} {
		assert.Equal(t, want, NamesOf(path, Caller{Temporary: true, Makes: true}, nil).Glob, path)
	}
	assert.Empty(t, NamesOf("/tmp/lab-RboYLF", Caller{Makes: true}, nil))
}

// Perl's File::Temp has _ among its letters.
func TestPerlNames(t *testing.T) {
	for name, want := range map[string]string{
		"outnmh_89": "out??????", "out_wBDAC": "out??????", "job_scDMO": "job??????", "job8_kQz2": "job??????", "spool.qT_c4w.log": "spool.??????.log",
		"state_db01": "", "my_config": "", "data_v2.db": "", "ib_logfile0": "", "log_level": "", "test_API2": "", "README_en": "", "app_2026": "",
	} {
		glob := NamesOf("/srv/"+name, Caller{Temporary: true, Makes: true}, nil).Glob
		assert.Equal(t, want, strings.TrimPrefix(glob, "/srv/"), name)
	}
	assert.Empty(t, NamesOf("/srv/out_wBDAC", Caller{Makes: true}, nil))
}

// TestGenerators holds that each expression of the tables is one, and that its groups are
// of known alphabets.
func TestGenerators(t *testing.T) {
	for _, g := range slices.Concat(times(), generators()) {
		if g.in != nil {
			g.in()
		}
		groups := strings.Join(g.name().SubexpNames(), "")
		assert.NotEmpty(t, groups, g.name())
		assert.Empty(t, strings.Trim(groups, "rahtnmvxyzqcwp"), g.name())
	}
}

// A rule whose path is spelled with a variable is for that name, and gets permissions where
// it stands.
func TestSpelledRule(t *testing.T) {
	p, profile := loadedFix(t, "@{run}=/run/ /var/run/\nprofile p {\n  owner @{run}/a.pid rw,\n}\n")
	r := p.Access(profile, apparmor.FileRequest{Path: "/run/a.pid", Perms: apparmor.Lock, Owner: true}, Caller{})
	require.NotEmpty(t, r.Fixes)
	assert.Equal(t, "owner @{run}/a.pid rwk,", r.Fixes[0].Rule)
}
