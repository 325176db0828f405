package apparmor

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The corpus holds profiles, what real kernels logged under them, and the same
// profiles with the rule added that was seen to end the refusal.

// notByRules are the scenarios that the kernel refuses for a reason outside the
// profile's rules; the fix is elsewhere too.
var notByRules = map[string]string{
	"exec-nnp":     "no_new_privs forbids the transition",
	"exec-ux-nnp":  "no_new_privs forbids the transition",
	"disconnected": "the path has no name in the task's namespace",
}

// silent are requests that the kernel refused without a record.
var silent = map[string]Request{
	"deny-partial":      FileRequest{Path: "/srv/lab/rw", Perms: Write, Owner: true},
	"deny-complain":     FileRequest{Path: "/srv/lab/r", Perms: Read, Owner: true},
	"deny-cap-silent":   CapabilityRequest{Name: "sys_admin"},
	"ct-guide-nginx":    FileRequest{Path: "/usr/sbin/nginx", Perms: Exec, Owner: true},
	"aa4-priority":      FileRequest{Path: "/srv/lab/r", Perms: Read, Owner: true},
	"cap-noprivs":       nil, // the task lacks the capability itself
	"change-hat":        nil, // there is no hat of that name
	"change-hat-other":  nil,
	"mount-new-api":     nil, // permitted: the kernel did not mediate it
	"unshare-userns":    nil,
	"file-perm":         nil, // permitted
	"file-setxattr":     nil,
	"file-utime":        nil,
	"net-unix-abstract": nil,
	"net-unix-connect":  nil,
}

// loadCorpus loads a profile of the corpus with the includes of testdata.
func loadCorpus(t *testing.T, file string) *Policy {
	t.Helper()
	loader := Loader{Include: []string{"testdata/corpus/include"}}
	policy, problems, err := loader.LoadFile(file)
	require.NoError(t, err)
	for _, p := range problems {
		require.NotZero(t, p.Severity, "%s", p) // no Error
	}
	return policy
}

func TestCorpus(t *testing.T) {
	profiles, err := filepath.Glob("testdata/corpus/*/*/profile")
	require.NoError(t, err)
	require.Greater(t, len(profiles), 100)
	for _, file := range profiles {
		dir := filepath.Dir(file)
		t.Run(filepath.ToSlash(strings.TrimPrefix(dir, "testdata/corpus/")), func(t *testing.T) {
			scenario := filepath.Base(dir)
			before := loadCorpus(t, file)
			records, err := os.ReadFile(filepath.Join(dir, "records.log"))
			if os.IsNotExist(err) {
				req, known := silent[scenario]
				require.True(t, known, "a scenario without records that the test does not know")
				if req != nil {
					checkSilent(t, dir, before, req)
				}
				return
			}
			require.NoError(t, err)
			var refused []map[string]string
			for _, record := range strings.Split(strings.TrimSpace(string(records)), "\n") {
				if f := fields(record); checkRecord(t, before, scenario, f) {
					refused = append(refused, f)
				}
			}
			checkFixed(t, filepath.Join(dir, "profile.fixed"), refused)
		})
	}
}

func checkSilent(t *testing.T, dir string, before *Policy, req Request) {
	d := before.Profiles[0].Decide(req)
	assert.Zero(t, d.Granted)
	assert.False(t, d.Permitted)
	assert.True(t, d.Quiet, "the kernel logged nothing")
	assert.NotEmpty(t, d.Deny)
	fixed := loadCorpus(t, filepath.Join(dir, "profile.fixed"))
	d = fixed.Profiles[0].Decide(req)
	assert.True(t, d.Permitted)
	assert.Zero(t, d.Refused|d.Unmatched)
}

// checkRecord compares a decision with what the kernel did, and reports whether
// it refused the access because of the rules.
func checkRecord(t *testing.T, before *Policy, scenario string, f map[string]string) bool {
	req := requestOf(f)
	require.NotNil(t, req, "%v", f)
	if strings.Contains(f["profile"], "//null-") {
		return false // a profile that complain mode made up
	}
	prof := before.Profile(f["profile"])
	require.NotNil(t, prof, f["profile"])
	d := prof.Decide(req)
	switch {
	case f["apparmor"] == "AUDIT":
		assert.Equal(t, req.wanted(), d.Granted)
		assert.Equal(t, req.wanted(), d.Audited)
		return false
	case notByRules[scenario] != "":
		return false
	case f["info"] == "profile transition not found":
		require.NotNil(t, d.Exec)
		assert.True(t, d.Exec.Missing)
		return true
	}
	assert.Zero(t, d.Granted, "%+v", req)
	assert.Equal(t, f["apparmor"] == "ALLOWED", d.Permitted)
	// The noquiet scenarios ran with the module parameter that logs every deny.
	assert.Equal(t, strings.HasSuffix(scenario, "noquiet"), d.Quiet, "%+v", req)
	assert.Equal(t, d.Quiet, d.Logged() == 0)
	return f["apparmor"] != "ALLOWED"
}

// checkFixed checks that the repaired profile grants one of the requests: the
// kernel tries several capabilities in turn, and one is enough.
func checkFixed(t *testing.T, file string, refused []map[string]string) {
	if _, err := os.Stat(file); err != nil || len(refused) == 0 {
		return // a scenario with nothing to repair
	}
	fixed := loadCorpus(t, file)
	granted := 0
	for _, f := range refused {
		prof := fixed.Profile(f["profile"])
		require.NotNil(t, prof, f["profile"])
		d := prof.Decide(requestOf(f))
		if d.Permitted && (d.Exec == nil || !d.Exec.Missing) {
			granted++
		}
	}
	assert.NotZero(t, granted, "the fix grants none of %v", refused)
}

var fieldPattern = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)

// fields splits a record. Names that are not quoted are in hexadecimal.
func fields(record string) map[string]string {
	f := map[string]string{}
	for _, m := range fieldPattern.FindAllStringSubmatch(record, -1) {
		value, quoted := strings.CutPrefix(m[2], `"`)
		value = strings.TrimSuffix(value, `"`)
		if decoded, err := hex.DecodeString(value); err == nil && !quoted && (m[1] == "name" || m[1] == "srcname") {
			value = string(decoded)
		}
		f[m[1]] = value
	}
	return f
}

// requestOf reads the request of a record. c and d are w to a profile.
func requestOf(f map[string]string) Request {
	switch f["operation"] {
	case "capable":
		return CapabilityRequest{Name: f["capname"]}
	case "create":
		return NetworkRequest{Family: f["family"], Type: f["sock_type"]}
	case "mount", "umount":
		return MountRequest{Op: f["operation"], Source: f["srcname"], Target: f["name"], Fstype: f["fstype"], Flags: strings.Split(f["flags"], ", ")}
	case "pivotroot":
		return PivotRootRequest{NewRoot: f["name"], OldRoot: f["srcname"]}
	case "ptrace":
		return PtraceRequest{Perms: ptraceWords.perms[f["denied_mask"]], Peer: f["peer"]}
	case "signal":
		return SignalRequest{Perms: signalWords.perms[f["denied_mask"]], Signal: f["signal"], Peer: f["peer"]}
	case "change_profile":
		return ChangeProfileRequest{Target: f["name"]}
	case "setrlimit":
		n, _ := strconv.ParseUint(f["value"], 10, 64)
		return RlimitRequest{Name: f["rlimit"], Value: n}
	}
	mask := f["denied_mask"]
	if mask == "" { // of an access that was permitted
		mask = f["requested_mask"]
	}
	perms, _, problem := parsePerms(strings.NewReplacer("c", "w", "d", "w").Replace(mask))
	if perms == 0 || problem != "" || f["name"] == "" {
		return nil
	}
	return FileRequest{Path: f["name"], Perms: perms, Owner: f["fsuid"] == f["ouid"], Target: f["target"]}
}
