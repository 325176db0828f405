package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A part is a member of a bundle: unit, repeated.
type part struct {
	name, unit string
	times      int
}

// bundle writes a bundle by hand, which need not be one that whydenied would write.
func (f folder) bundle(manifest map[string]any, parts ...part) string {
	type member struct {
		Name   string `json:"name"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
	}
	members := []member{}
	for _, p := range parts {
		sum := sha256.New()
		p.to(sum)
		members = append(members, member{p.name, int64(len(p.unit) * p.times), hex.EncodeToString(sum.Sum(nil))})
	}
	manifest["format"], manifest["members"] = 1, members
	text, err := json.Marshal(manifest)
	check(err)
	return f.file("bundle", func(w *bufio.Writer) {
		z, err := zstd.NewWriter(w, zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
		check(err)
		t := tar.NewWriter(z)
		parts := append([]part{{"manifest.json", string(text), 1}}, parts...)
		for i, p := range parts {
			check(t.WriteHeader(&tar.Header{Name: "whydenied-bundle/" + p.name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(p.unit) * p.times)}))
			if i == 0 {
				check(z.Flush())
			}
			p.to(t)
		}
		check(t.Close())
		check(z.Close())
	})
}

func (p part) to(w io.Writer) {
	for range p.times {
		_, err := io.WriteString(w, p.unit)
		check(err)
	}
}

const record = `type=AVC msg=audit(1760000000.000:1): apparmor="DENIED" operation="open" class="file" profile="p" name="/etc/passwd" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n"

// withRecords is a manifest and the member of a log with one record.
func withRecords() (map[string]any, part) {
	records := []map[string]any{{"member": "records/log", "name": "log", "denials": 1}}
	return map[string]any{"profile_dir": "/etc/apparmor.d", "records": records}, part{"records/log", record, 1}
}

// explainBundle writes a bundle with a log and other parts.
func explainBundle(manifest map[string]any, parts ...part) func(folder, int) []string {
	return func(dir folder, n int) []string {
		m, log := withRecords()
		for key, value := range manifest {
			m[key] = value
		}
		sized := []part{log}
		for _, p := range parts {
			p.times *= n
			sized = append(sized, p)
		}
		return []string{"explain", dir.bundle(m, sized...)}
	}
}

var rulesMiB = "profile q {\n" + strings.Repeat("/a r,\n", 1<<20/6-4) + "}\n"

var bundleBombs = []bomb{
	{"bundle-zeros", 47, explainBundle(nil, part{"files/zeros", strings.Repeat("\x00", 1<<20), 1})},
	{"bundle-too-large", 250, explainBundle(nil, part{"files/zeros", strings.Repeat("\x00", 1<<20), 1})},
	{"bundle-profile", 7, explainBundle(map[string]any{"profiles": []string{"/etc/apparmor.d/p"}}, part{"files/etc/apparmor.d/p", rulesMiB, 1})},
	{"bundle-seccomp", 7, explainBundle(map[string]any{"seccomp": "/s"}, part{"files/s", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[` + strings.Repeat(`{"names":["read"],"action":"SCMP_ACT_ALLOW"},`, 1<<20/45) + `{}]}`, 1})},
	{"bundle-profiles", 45, func(dir folder, n int) []string {
		m, log := withRecords()
		parts, names := []part{log}, []string{}
		for i := range n {
			names = append(names, fmt.Sprintf("/etc/apparmor.d/p%d", i))
			parts = append(parts, part{"files" + names[i], rulesMiB, 1})
		}
		m["profiles"] = names
		return []string{"explain", dir.bundle(m, parts...)}
	}},
	{"bundle-members", 19_000, func(dir folder, n int) []string {
		m, log := withRecords()
		parts, names := []part{log}, []string{}
		for i := range n {
			names = append(names, fmt.Sprintf("/etc/apparmor.d/p%d", i))
			parts = append(parts, part{"files" + names[i], "profile q {\n /**{a,b}** r,\n include <all>\n}\n", 1})
		}
		m["profiles"] = names
		parts = append(parts, part{"files/etc/apparmor.d/all", "/a r,\n", 400})
		return []string{"explain", dir.bundle(m, parts...)}
	}},
	{"bundle-manifest", 2_000_000, func(dir folder, n int) []string {
		m, log := withRecords()
		m["missing"] = make([]string, n)
		return []string{"explain", dir.bundle(m, log)}
	}},
	{"bundle-records", 230_000, explainBundle(map[string]any{"records": []map[string]any{{"member": "records/many", "name": "log"}}}, part{"records/many", record, 1})},
	{"bundle-records-unlike", 230_000, func(dir folder, n int) []string {
		m, _ := withRecords()
		var text strings.Builder
		for i := range n {
			fmt.Fprint(&text, strings.Replace(strings.Replace(record, "/etc/passwd", fmt.Sprint("/srv/", i), 1), ":1)", fmt.Sprint(":", i, ")"), 1))
		}
		return []string{"explain", dir.bundle(m, part{"records/log", text.String(), 1})}
	}},
	{"inventory", 50_000, func(dir folder, n int) []string {
		return []string{"explain", "--inventory", dir.inventory(n), dir.denial("p")}
	}},
	{"inventory-bundle", 50_000, func(dir folder, n int) []string {
		text, err := os.ReadFile(dir.inventory(n))
		check(err)
		m, log := withRecords()
		m["inventory"] = []map[string]any{{"member": "containers/0.json", "name": "docker inspect"}}
		return []string{"explain", dir.bundle(m, log, part{"containers/0.json", string(text), 1})}
	}},
	{"inventory-too-many", 100_000, func(dir folder, n int) []string {
		return []string{"explain", "--inventory", dir.inventory(n), dir.denial("p")}
	}},
	{"inventory-many", 1_500_000, func(dir folder, n int) []string {
		name := dir.text("inventory.json", "["+strings.Repeat(`{"Id":"","State":{},"Config":{}},`, n)+`{"Id":"","State":{},"Config":{}}]`)
		return []string{"explain", "--inventory", name, dir.denial("p")}
	}},
	{"inventory-least", 16_000_000, func(dir folder, n int) []string {
		name := dir.text("inventory.json", "["+strings.Repeat("{},", n)+"{}]")
		return []string{"explain", "--inventory", name, dir.denial("p")}
	}},
}

// inventory writes containers as docker inspect does.
func (f folder) inventory(n int) string {
	return f.file(filepath.Join("inventory.json"), func(w *bufio.Writer) {
		fmt.Fprint(w, "[")
		for i := range n {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"Id":"%064x","Name":"/c%d","Created":"2025-01-01T00:00:00Z","Path":"/bin/sh","Args":["-c","sleep"],`+
				`"State":{"Status":"running","Running":true,"Pid":%d,"StartedAt":"2025-01-01T00:00:00Z"},"AppArmorProfile":"docker-default",`+
				`"HostConfig":{"SecurityOpt":null,"Privileged":false},"Config":{"Image":"i","Labels":{"a":"b"}}}`+"\n", i, i, i+100)
		}
		fmt.Fprint(w, "]")
	})
}
