//go:build e2e && linux && amd64

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	labSmoke    = flag.Bool("lab.smoke", false, "only the lab's scenarios that are marked smoke")
	labOnly     = flag.String("lab.only", "", "only the lab's scenarios whose name matches this regular expression")
	labResults  = flag.String("lab.results", "", "keep what the lab's scenarios left in this folder")
	labEvidence = flag.String("lab.evidence", "", "write the table of the lab's results to this file")
)

// What testdata/lab/loop says of the guest and of a scenario.
type (
	labGuest    map[string]string
	labScenario struct {
		Name, Title, Outcome string
		Rounds, Probes       int
		Problems, Beyond     []string
		Compared             bool
		Seconds              float64
	}
)

// perBoot is how many scenarios share a boot: one that dies takes their results along.
const perBoot = 40

// The closed loop on a kernel that has AppArmor: every scenario of
// testdata/lab/scenarios, in the lab's guest, with the real binary.
func TestLab(t *testing.T) {
	kernel := os.Getenv("KERNEL")
	if kernel == "" {
		kernel = "6.1"
	}
	results := *labResults
	if results == "" {
		results = t.TempDir()
	}
	began := time.Now()
	guest, scenarios := runLab(t, kernel, results)
	require.NotEmpty(t, scenarios)
	if *labSmoke && *labOnly == "" {
		require.GreaterOrEqual(t, len(scenarios), 20, "the smoke set has shrunk")
	}
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			assert.Empty(t, s.Problems)
		})
	}
	table := labTable(guest, scenarios)
	fmt.Printf("%s\n%d scenarios in %s\n", table, len(scenarios), time.Since(began).Round(time.Second))
	if *labEvidence != "" {
		writeEvidence(t, *labEvidence, kernel, guest, table)
	}
}

// runLab builds what runs in the guest and boots it as often as all wanted scenarios
// need, as many at once as there are processors (go test -parallel).
func runLab(t *testing.T, kernel, results string) (guest labGuest, all []labScenario) {
	program := t.TempDir()
	bin := filepath.Join(program, "bin")
	lab := labOf(t, kernel)
	goBuild(t, filepath.Join(bin, "whydenied"), "../../cmd/whydenied")
	goBuild(t, filepath.Join(bin, "loop"), "../lab/loop")
	command(t, filepath.Join(lab, "tools/build.sh"), bin)
	command(t, "cp", filepath.Join(lab, "lib.sh"), program)
	run := "#!/bin/sh\ncp bin/* /usr/local/bin\nexec loop scenarios /results\n"
	require.NoError(t, os.WriteFile(filepath.Join(program, "run"), []byte(run), 0o755))

	list := exec.Command(filepath.Join(bin, "loop"), "-list", fmt.Sprintf("-smoke=%t", *labSmoke), "-only", *labOnly, "-kernel", kernel, "-programs", os.Getenv("PROGRAMS"), filepath.Join(lab, "scenarios"))
	list.Stderr = os.Stderr
	wanted, err := list.Output()
	require.NoError(t, err)
	boots := slices.Collect(slices.Chunk(strings.Fields(string(wanted)), perBoot))
	some := make([][]labScenario, len(boots))
	t.Run("boots", func(t *testing.T) {
		for i, files := range boots {
			name := fmt.Sprintf("boot-%d", i+1)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				in, out := t.TempDir(), filepath.Join(results, name)
				command(t, "cp", "-r", program+"/.", in)
				command(t, "mkdir", filepath.Join(in, "scenarios"))
				command(t, "cp", append(files, filepath.Join(in, "scenarios"))...)
				runGuest(t, lab, kernel, in, out)
				said, scenarios := readLabResults(t, filepath.Join(out, "results.jsonl"))
				some[i] = scenarios
				if i == 0 {
					guest = said
				}
			})
		}
	})
	return guest, slices.Concat(some...)
}

// labOf returns the lab's folder, if its guest is built.
func labOf(t *testing.T, kernel string) string {
	lab, err := filepath.Abs("../lab")
	require.NoError(t, err)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(cache, "whydenied/lab", guestName(kernel), "built")); err != nil {
		missing(t, "the lab's guest with kernel %s: make lab KERNEL=%s builds it", kernel, kernel)
	}
	return lab
}

// guestName is that of a guest's folder: with PROGRAMS=all it is one that has more programs.
func guestName(kernel string) string {
	if programs := os.Getenv("PROGRAMS"); programs != "" {
		return kernel + "-" + programs
	}
	return kernel
}

// runGuest boots the guest and waits for what "run" in the folder in leaves.
func runGuest(t *testing.T, lab, kernel, in, results string) {
	const died = 125 // of boot.sh
	err := boot(lab, in, results, kernel)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == died {
		fmt.Printf("the guest died, and is booted once more: %v\n", err)
		err = boot(lab, in, results, kernel)
	}
	require.NoError(t, err)
}

// boot boots the guest and waits for its end. The error has what it said.
func boot(lab, in, results, kernel string) error {
	cmd := exec.Command(filepath.Join(lab, "boot.sh"), in, results)
	cmd.Env = append(os.Environ(), "KERNEL="+kernel)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := string(out)
	for _, name := range []string{"qemu.log", "console"} {
		said, _ := os.ReadFile(filepath.Join(results, name))
		text += string(said[max(0, len(said)-4000):])
	}
	return fmt.Errorf("%w: %s", err, text)
}

func goBuild(t *testing.T, file, pkg string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func readLabResults(t *testing.T, file string) (guest labGuest, scenarios []labScenario) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	require.True(t, lines.Scan())
	require.NoError(t, json.Unmarshal(lines.Bytes(), &guest))
	for lines.Scan() {
		var s labScenario
		require.NoError(t, json.Unmarshal(lines.Bytes(), &s))
		scenarios = append(scenarios, s)
	}
	return guest, scenarios
}

// labTable is the table of docs/evidence.md.
func labTable(guest labGuest, scenarios []labScenario) string {
	var b strings.Builder
	outcomes := map[string]int{}
	problems := 0
	for _, s := range scenarios {
		outcomes[s.Outcome]++
		problems += min(len(s.Problems), 1)
	}
	fmt.Fprintf(&b, "%d scenarios: %d fixed, %d not fixed, %d silent, %d explained; %d are not as they should be.\n\n", len(scenarios),
		outcomes["fixed"], outcomes["not fixed"], outcomes["silent"], outcomes["explained"], problems)
	b.WriteString("| scenario | what | rounds | outcome | beyond need |\n|---|---|---|---|---|\n")
	for _, s := range scenarios {
		beyond := "-"
		if s.Compared {
			beyond = fmt.Sprintf("%d of %d", len(s.Beyond), s.Probes)
		}
		outcome := s.Outcome
		if len(s.Problems) > 0 {
			outcome += ": " + strings.ReplaceAll(s.Problems[0], "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", s.Name, strings.ReplaceAll(s.Title, "|", `\|`), s.Rounds, outcome, beyond)
	}
	return b.String()
}

// attacksHeading begins what writeEvidence keeps of the file that was there.
const attacksHeading = "\n## Attacks\n"

// writeEvidence writes docs/evidence.md anew, but for what was seen of attacks, which
// people write.
func writeEvidence(t *testing.T, file, kernel string, guest labGuest, table string) {
	var b strings.Builder
	target := "lab-evidence"
	if os.Getenv("PROGRAMS") != "" {
		target = "lab-programs"
	}
	fmt.Fprintf(&b, `# The closed loop on a real kernel

    sudo make %s KERNEL=%s

%s. In the lab's guest (docs/lab.md): Linux %s; %s; %s.

**rounds** is how many times %s changed the policy before the workload passed. **beyond need** is how many of the
accesses asked about the patched policy grants and the scenario's known good one does not; "-" where there is
none to compare with. **silent** is what the kernel does not log; **explained** is what no change of the policy should
remedy.

%s`, target, kernel, time.Now().UTC().Format(time.DateOnly), guest["kernel"], guest["packages"], guest["whydenied"],
		"`patch --write`", table)
	old, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	if i := strings.Index(string(old), attacksHeading); i >= 0 {
		b.Write(old[i:])
	}
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
}

// The evidence can be had anew without losing what was seen of attacks.
func TestEvidenceKeepsAttacks(t *testing.T) {
	page, err := os.ReadFile("../../docs/evidence.md")
	require.NoError(t, err)
	i := strings.Index(string(page), attacksHeading)
	require.Positive(t, i)
	file := filepath.Join(t.TempDir(), "evidence.md")
	require.NoError(t, os.WriteFile(file, page, 0o644))
	for range 2 {
		writeEvidence(t, file, "6.1", labGuest{}, "| anew |\n")
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "| anew |\n"+string(page[i:]), string(text[strings.Index(string(text), "| anew |"):]))
	assert.Equal(t, 1, strings.Count(string(text), attacksHeading))
}
