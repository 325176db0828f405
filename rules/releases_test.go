package rules

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The rows of an engine are in order, each is of one branch, and no two overlap.
func TestReleases(t *testing.T) {
	for engine, all := range releasesOf() {
		require.NotEmpty(t, EngineTitles[engine])
		last := []int{}
		for _, r := range all {
			assert.NotEmpty(t, r.Seccomp, r)
			assert.NotEmpty(t, r.AppArmor, r)
			if r.From == "" {
				assert.Equal(t, all[len(all)-1].From, "", "releases that are not known come last")
				continue
			}
			from, to := VersionNumbers(r.From), VersionNumbers(r.To)
			require.Len(t, from, 3, r)
			assert.Equal(t, from[:2], to[:2], r)
			assert.Positive(t, slices.Compare(from, last), r)
			assert.GreaterOrEqual(t, slices.Compare(to, from), 0, r)
			last = to
		}
	}
}

func TestFindReleases(t *testing.T) {
	for _, test := range []struct{ engine, version, seccomp, appArmor, unknown string }{
		{"docker", "20.10.24+dfsg1", "Docker 20.10.23 to 20.10.25", "Docker 20.10.23 to 20.10.25", ""},
		{"Docker", "v29.4.2", "Docker 29.4.2", "Docker 29.4.2", ""},
		{"docker", "28.1", "Docker 28.1.0 to 28.1.1", "Docker 28.1.0 to 28.1.1", ""},
		{"docker", "25.0", "Docker 25.0.0 to 25.0.2, Docker 25.0.3 to 25.0.6, Docker 25.0.7 to 25.0.17", "Docker 25.0.0 to 25.0.5, Docker 25.0.6 to 25.0.17", "which Docker 25.0 it is, is not known"},
		{"docker", "19.03.15", "Docker 20.10.0 to 20.10.3", "Docker 20.10.0 to 20.10.3", "Docker 19.03.15 is not known, older than 20.10.0"},
		{"docker", "30.1.0", "Docker 29.7.0 to 29.7.2, Docker later than all known ones, Docker later than all known ones", "Docker 29.7.0 to 29.7.2, Docker later than all known ones", "Docker 30.1.0 is not known, newer than 29.7.2"},
		{"containerd", "1.6.50", "containerd 1.6.32 to 1.6.39, containerd 1.7.0 to 1.7.2, containerd 2.4.2", "containerd 1.6.32 to 1.6.39, containerd 1.7.0 to 1.7.2, containerd 2.4.2", "containerd 1.6.50 is not known, between 1.6.39 and 1.7.0"},
		{"containerd", "2.9.0", "containerd 2.4.2", "containerd 2.4.2", "containerd 2.9.0 is not known, newer than 2.4.2"},
		{"crio", "1.30.5", "CRI-O 1.30.0 to 1.30.5", "CRI-O 1.30.0 to 1.30.5", ""},
		{"podman", "4.3.1", "Podman 4.3.0 to 4.3.1", "Podman 4.3.0 to 4.3.1", ""},
	} {
		r, ok := FindReleases(test.engine, test.version)
		require.True(t, ok, test)
		seccomp, unknown := r.Texts(func(r Release) string { return r.Seccomp })
		assert.Equal(t, test.unknown, unknown, test)
		assert.Equal(t, test.seccomp, joined(seccomp), test)
		appArmor, _ := r.Texts(func(r Release) string { return r.AppArmor })
		assert.Equal(t, test.appArmor, joined(appArmor), test)
	}
	_, ok := FindReleases("lxc", "1.0")
	assert.False(t, ok)
	all, _ := FindReleases("docker", "latest")
	texts, unknown := all.Texts(func(r Release) string { return r.Seccomp })
	assert.Equal(t, "the version of Docker is not known", unknown)
	assert.Equal(t, "Docker 20.10.18 to 20.10.21 or 20.10.23 to 20.10.25", texts[3].String())
	assert.Equal(t, "Docker 20.10.0 to 20.10.9", ReleaseNames(texts[1], texts[0]))
}

func joined(texts []ReleaseText) (s string) {
	for i, t := range texts {
		if i > 0 {
			s += ", "
		}
		s += t.String()
	}
	return s
}
