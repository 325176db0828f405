package explain

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
)

// A flooder makes denials of invented names.
type flooder struct {
	t      *testing.T
	denial parser.Denial
	n      int
}

func newFlooder(t *testing.T, tail string) *flooder {
	const record = `apparmor="DENIED" operation="open" profile="p" name="/a" pid=7 comm="evil" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	return &flooder{t: t, denial: denials(t, apparmorRecord(record+tail))[0]}
}

// next is a denial of another name, of a program and a profile.
func (f *flooder) next(comm, profile string) parser.Denial {
	f.n++
	d := f.denial
	a := *d.AppArmor
	a.Name, a.Profile = fmt.Sprint("/invented/", f.n), profile
	d.AppArmor, d.Subject.Comm, d.Subject.Label = &a, comm, profile
	return d
}

func inContainer(name string, confidence container.Confidence) func(container.Subject) container.Container {
	return func(container.Subject) container.Container {
		return container.Container{Name: name, Confidence: confidence}
	}
}

// A denial of another container, profile or user finds room after any flood, and what
// has none is counted in few findings.
func TestFloodLeavesRoom(t *testing.T) {
	for name, flood := range map[string]func(g *Group, f *flooder, i int){
		"names":    func(g *Group, f *flooder, _ int) { g.Add(f.next("evil", "p")) },
		"programs": func(g *Group, f *flooder, i int) { g.Add(f.next(fmt.Sprint("evil", i), "p")) },
		"profiles": func(g *Group, f *flooder, i int) { g.Add(f.next("evil", fmt.Sprint("p", i))) },
		"containers that nobody vouches for": func(g *Group, f *flooder, i int) {
			g.Find = inContainer(fmt.Sprint("c", i), container.Low)
			g.Add(f.next("evil", "p"))
		},
		"containers of a user": func(g *Group, f *flooder, i int) {
			g.Find = func(container.Subject) container.Container {
				return container.Container{Name: fmt.Sprint("c", i), Confidence: container.High, CgroupPath: "/user.slice/user-1000.slice/x"}
			}
			g.Add(f.next("evil", "p"))
		},
		"containers in a container": func(g *Group, f *flooder, i int) {
			g.Find = func(container.Subject) container.Container {
				return container.Container{ID: fmt.Sprint("c", i), Parent: "outer", Confidence: container.High}
			}
			g.Add(f.next("evil", "p"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, f := NewGroup(inContainer("evil", container.High), Filter{}), newFlooder(t, "")
			const calls = 60000
			for i := range calls {
				flood(g, f, i)
			}
			kept := len(g.Findings())
			assert.LessOrEqual(t, kept, maxFindings+maxBudgets*(ownFindings+maxFurther))
			assert.NotZero(t, g.Beyond)
			assert.NotEmpty(t, g.Spent())
			assert.Empty(t, g.Spent(), "once for each")
			counted := 0
			for _, found := range g.Findings() {
				counted += found.Count
			}
			assert.Equal(t, calls, counted)

			g.Find = inContainer("web", container.High)
			for i := range ownFindings {
				found, isNew := g.Add(f.next(fmt.Sprint("nginx", i), "web"))
				require.True(t, isNew)
				assert.Nil(t, found.Further)
			}
			g.Find = nil
			for uid := range 3 { // processes of the host
				d := f.next("sshd", "sshd")
				d.Subject.UID = uid
				found, isNew := g.Add(d)
				assert.True(t, isNew)
				assert.Nil(t, found.Further)
			}
		})
	}
}

// Each budget has its bound, with that of what it is in.
func TestBudgets(t *testing.T) {
	g, f := NewGroup(inContainer("c", container.High), Filter{}), newFlooder(t, "")
	fill := func(profile string) (kept int) {
		for range 30000 {
			if found, _ := g.Add(f.next("evil", profile)); found.Further == nil {
				kept++
			}
		}
		return kept
	}
	assert.Equal(t, maxProfile+ownFindings, fill("p"))
	assert.Equal(t, maxProfile+ownFindings, fill("q"))
	assert.Equal(t, ownFindings, fill("r"), "the container has spent what its profiles share")
	g.Find = inContainer("d", container.High)
	assert.Equal(t, maxProfile+ownFindings, fill("p"))
	assert.Equal(t, maxProfile+ownFindings, fill("q"))
	g.Find = inContainer("e", container.High)
	assert.Equal(t, ownFindings, fill("p"), "what all share is spent")
	why := strings.Join(g.Spent(), "\n")
	assert.Contains(t, why, "container c under profile p has room for 5016 distinct findings, and they are there")
	assert.Contains(t, why, "container c under profile r has room for 10000 distinct findings with those of its other profiles")
	assert.Contains(t, why, "there is room for 20000 distinct findings in all, and for 16 that container e under profile p has of its own")
}

// Containers whose IDs begin alike do not share a budget.
func TestBudgetsOfLikeIDs(t *testing.T) {
	b := newBudgets()
	d := newFlooder(t, "").denial
	of := func(c container.Container) *budget {
		c.Confidence = container.High
		return b.of(&d, &c)
	}
	a, z := strings.Repeat("0", 63)+"a", strings.Repeat("0", 63)+"b"
	assert.NotSame(t, of(container.Container{ID: a}), of(container.Container{ID: z}))
	assert.Same(t, of(container.Container{ID: a}), of(container.Container{ID: a}))
	assert.NotSame(t, of(container.Container{ID: "1", Parent: a}), of(container.Container{ID: "1", Parent: z}))
	assert.Same(t, of(container.Container{ID: "1", Parent: a}), of(container.Container{ID: "2", Parent: a}))
	assert.NotSame(t, of(container.Container{Name: "app", Pod: "a"}), of(container.Container{Name: "app", Pod: "b"}))
}

// A finding with long records takes the room of several.
func TestLongRecordsTakeMoreRoom(t *testing.T) {
	g, f := NewGroup(nil, Filter{}), newFlooder(t, "")
	f.denial.Event.Records[f.denial.Record].Text = strings.Repeat("x", 3*findingSize)
	for range maxProfile {
		g.Add(f.next("evil", "p"))
	}
	assert.Equal(t, maxProfile-maxProfile/4-ownFindings, g.Beyond)
}

// What a process writes into the log takes no room from what the kernel logs.
func TestLookAlikesHaveTheirOwnBudget(t *testing.T) {
	g, f := NewGroup(nil, Filter{}), newFlooder(t, "")
	for range maxProfile + 2*ownFindings {
		d := f.next("evil", "p")
		d.Event.Records[d.Record].Origin.UserSpace = true
		g.Add(d)
	}
	assert.Equal(t, ownFindings, g.Beyond)
	f = newFlooder(t, "")
	found, _ := g.Add(f.next("cat", "p"))
	assert.Nil(t, found.Further)
}

// A finding of further names counts on, has an ID of its own in each run, some of the
// names, and what its records share; it is explained without them and never fixed.
func TestFurtherNames(t *testing.T) {
	fold := func() (*Group, *Finding) {
		g, f := NewGroup(inContainer("web", container.High), Filter{}), newFlooder(t, "")
		var last *Finding
		for range maxProfile + ownFindings + 100 {
			last, _ = g.Add(f.next("evil", "p"))
		}
		return g, last
	}
	g, f := fold()
	require.NotNil(t, f.Further)
	assert.Equal(t, 100, f.Count)
	assert.Equal(t, 100, g.Beyond)
	assert.Equal(t, "file", f.Further.Class)
	assert.Equal(t, []string{"/invented/5017", "/invented/5018", "/invented/5019", "/invented/5020", "/invented/5021"}, f.Further.Samples)
	assert.Equal(t, "web", f.Container.Name)
	for _, p := range f.Denial.Pairs() {
		assert.Contains(t, []string{"type", "time", "serial", "apparmor", "profile", "comm"}, p.Key)
	}
	_, again := fold()
	assert.Equal(t, f.ID, again.ID)

	explainer := New(library.New(filepath.Join(t.TempDir(), "none"), nil))
	e := explainer.Explain(*f)
	assert.Equal(t, FurtherNames, e.Cause)
	assert.Equal(t, Undecidable, e.Decision)
	assert.Empty(t, e.Fixes)
	assert.Empty(t, e.Quiet)
	assert.Nil(t, e.Request)
}

// A process that invents system calls, names of itself and actions has few findings
// beyond its budget, and of each kind at most one.
func TestFurtherSyscalls(t *testing.T) {
	g := NewGroup(inContainer("web", container.High), Filter{})
	for i := range uint32(maxProfile + 1000) {
		d := tracedDenial(1000+i, 0x50000, 1)
		d.Subject.Comm = fmt.Sprint("evil", i%100)
		g.Add(d)
	}
	further := 0
	for _, f := range g.Findings() {
		if f.Further == nil {
			continue
		}
		further++
		assert.NotEqual(t, uint32(0), f.Denial.Seccomp.Syscall)
		if f.Further.Class == "" {
			assert.Empty(t, f.Denial.Subject.Comm)
			continue
		}
		assert.Equal(t, "syscall", f.Further.Class)
		assert.NotEmpty(t, f.Denial.Subject.Comm)
	}
	assert.Equal(t, maxFurther, further)
}
