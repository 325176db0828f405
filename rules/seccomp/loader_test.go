package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a call answers that is newer than every one of the profile, by what loaded the
// filter: each was seen with runc 1.1.5, runc 1.5.2 and crun.
func TestDecideLoader(t *testing.T) {
	const syscalls = `"syscalls":[{"names":["read","write","stat"],"action":"SCMP_ACT_ALLOW"}]}`
	bare := parse(t, "bare.json", `{"defaultAction":"SCMP_ACT_ERRNO",`+syscalls)
	listed := parse(t, "listed.json", `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],`+syscalls)
	mapped := parse(t, "mapped.json", `{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],`+syscalls)
	other := parse(t, "other.json", `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],`+syscalls)
	trace := parse(t, "trace.json", `{"defaultAction":"SCMP_ACT_TRACE",`+syscalls)
	tests := []struct {
		why    string
		p      *Profile
		loader Loader
		want   []string
	}{
		{"no architectures, before 1.1.15", bare, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 1 (EPERM)"}},
		{"as Debian has it", bare, Loader{Runtime: Runc, Version: "1.1.5+ds1"}, []string{"errno 1 (EPERM)"}},
		{"no architectures, later", bare, Loader{Runtime: Runc, Version: "1.1.15"}, []string{"errno 38 (ENOSYS)"}},
		{"1.2", bare, Loader{Runtime: Runc, Version: "1.2.0-rc.1"}, []string{"errno 38 (ENOSYS)"}},
		{"another architecture", other, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 1 (EPERM)"}},
		{"listed", listed, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 38 (ENOSYS)"}},
		{"listed by archMap", mapped, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 38 (ENOSYS)"}},
		{"before there was a stub", listed, Loader{Runtime: Runc, Version: "1.0.0-rc92"}, []string{"errno 1 (EPERM)"}},
		{"the first with one", listed, Loader{Runtime: Runc, Version: "1.0.0~rc93+ds1"}, []string{"errno 38 (ENOSYS)"}},
		{"crun", listed, Loader{Runtime: Crun, Version: "1.8.1"}, []string{"errno 1 (EPERM)"}},
		{"nothing known", bare, Loader{}, []string{"the filter was loaded by crun, or by runc older than 1.1.15: errno 1 (EPERM)", "errno 38 (ENOSYS)"}},
		{"nothing known", listed, Loader{}, []string{"the filter was loaded by crun, or by runc older than 1.0.0-rc93: errno 1 (EPERM)", "errno 38 (ENOSYS)"}},
		{"some runc", bare, Loader{Runtime: Runc}, []string{"the filter was loaded by runc older than 1.1.15: errno 1 (EPERM)", "errno 38 (ENOSYS)"}},
		{"trace", trace, Loader{}, []string{"trace (ENOSYS without a tracer)"}},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, answersTo(test.p, Call{Arch: X86_64, Name: "statx", Loader: test.loader}), test.why)
	}
	assert.Equal(t, []string{"errno 1 (EPERM)"}, answersTo(bare, Call{Arch: X86_64, Name: "open", Loader: runc15}), "not newer than stat")
}

// answersTo returns the answers to a call with their conditions.
func answersTo(p *Profile, c Call) (answers []string) {
	d := p.Decide(c)
	for _, o := range d.Whens {
		answers = append(answers, o.When+": "+o.String())
	}
	return append(answers, d.Outcome.String())
}

func TestParseRuntime(t *testing.T) {
	l, err := ParseRuntime("runc@1.1.5+ds1")
	require.NoError(t, err)
	assert.Equal(t, Loader{Runtime: Runc, Version: "1.1.5+ds1"}, l)
	l, err = ParseRuntime("crun")
	require.NoError(t, err)
	assert.Equal(t, Loader{Runtime: Crun}, l)
	for _, bad := range []string{"", "docker", "runc@", "runc@new", "runc 1.1.5", "@1.1"} {
		_, err := ParseRuntime(bad)
		assert.Error(t, err, bad)
	}
}

func TestRuntimeVersion(t *testing.T) {
	order := []string{"0.1.1", "1.0.0-rc1", "1.0.0~rc6+dfsg1", "1.0.0-rc93", "1.0.0", "1.0.2", "1.1.5+ds1", "1.1.15", "1.2.0-rc.1", "1.2.0-rc.3", "v1.2.0", "1.5.2"}
	for i := range order[1:] {
		assert.Negative(t, compareVersions(order[i], order[i+1]), "%s %s", order[i], order[i+1])
	}
	assert.Zero(t, compareVersions("1.2", "1.2.0"))
}
