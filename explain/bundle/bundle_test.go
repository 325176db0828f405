package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// made is a bundle of texts.
func made(t testing.TB, m Manifest, texts ...Text) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Write(&out, m, texts))
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	noise := make([]byte, 3<<20)
	rand.New(rand.NewSource(1)).Read(noise)
	texts := []Text{
		{"files/etc/apparmor.d/web", []byte("profile web {}\n")},
		{"files/etc/apparmor.d/" + strings.Repeat("long/", 30) + "ünï", []byte("x")},
		{"records/audit.log", noise},
		{"records/journal", nil},
	}
	m := Manifest{Version: "v1", Created: time.Date(2026, 11, 25, 0, 0, 0, 5, time.UTC), Dir: "/root", ProfileDir: "/etc/apparmor.d", LeftOut: []string{"this"}}
	text := made(t, m, texts...)
	assert.True(t, Is(text[:4<<10]), "known by the first bytes")
	assert.True(t, Is(text))
	b, err := Read(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, Format, b.Manifest.Format)
	assert.Equal(t, m.LeftOut, b.Manifest.LeftOut)
	assert.True(t, m.Created.Equal(b.Manifest.Created))
	for _, text := range texts {
		assert.True(t, bytes.Equal(text.Data, b.Text(text.Name)), text.Name)
	}
	got, err := b.Tree().ReadFile("/etc/apparmor.d/web")
	require.NoError(t, err)
	assert.Equal(t, "profile web {}\n", got)
	_, err = b.Tree().ReadFile("/records/audit.log")
	assert.Error(t, err, "only copies of files are in the tree")

	for _, n := range []int{0, 3, 4, 20, 600, len(text) / 2, len(text) - 1} {
		_, err := Read(bytes.NewReader(text[:n]))
		assert.Error(t, err, "%d bytes", n)
	}
}

func TestIsNoBundle(t *testing.T) {
	for _, text := range []string{"", "type=AVC msg=audit(1.0:1): ", "(\xb5/\xfd", "\x1f\x8b"} {
		assert.False(t, Is([]byte(text)))
	}
	assert.False(t, Is(packed(nil, entry{tar.Header{Name: "audit.log", Typeflag: tar.TypeReg}, ""})))
}

func TestWriteRefuses(t *testing.T) {
	for name, texts := range map[string][]Text{
		"is there twice":      {{"a", nil}, {"a", nil}},
		"plain path":          {{"../a", nil}},
		"control characters":  {{"a\x1b[2J", nil}},
		"manifest.json":       {{"manifest.json", nil}},
		"is longer than 1024": {{strings.Repeat("a", maxName+1), nil}},
	} {
		assert.ErrorContains(t, Write(new(bytes.Buffer), Manifest{}, texts), name)
	}
}

type entry struct {
	header tar.Header
	data   string
}

// packed is an archive of entries, with a manifest that lists listed; the
// manifest is left out if that is nil and entries come first.
func packed(manifest *Manifest, entries ...entry) []byte {
	var out bytes.Buffer
	z, _ := zstd.NewWriter(&out, zstd.WithWindowSize(maxWindow))
	t := tar.NewWriter(z)
	if manifest != nil {
		text, _ := json.Marshal(manifest)
		entries = append([]entry{{tar.Header{Name: manifestName, Typeflag: tar.TypeReg}, string(text)}}, entries...)
	}
	for _, e := range entries {
		if e.header.Size == 0 {
			e.header.Size = int64(len(e.data))
		}
		if err := t.WriteHeader(&e.header); err != nil {
			panic(err)
		}
		_, _ = t.Write([]byte(e.data))
	}
	_ = t.Flush()
	_, _ = z.Write(make([]byte, 1024))
	_ = z.Close()
	return out.Bytes()
}

func member(name, data string) Member {
	sum := sha256.Sum256([]byte(data))
	return Member{name, int64(len(data)), hex.EncodeToString(sum[:])}
}

func file(name, data string) entry {
	return entry{tar.Header{Name: root + name, Typeflag: tar.TypeReg}, data}
}

func TestHostile(t *testing.T) {
	a := member("a", "A")
	manifest := func(members ...Member) *Manifest { return &Manifest{Format: Format, Members: members} }
	special := func(kind byte, name string) entry {
		return entry{header: tar.Header{Name: root + name, Typeflag: kind, Linkname: "/etc/shadow"}}
	}
	many := make([]Member, maxMembers+1)
	for i := range many {
		many[i] = member(fmt.Sprint(i), "")
	}
	lie := func(change func(*Member)) *Manifest {
		m := a
		change(&m)
		return manifest(m)
	}
	require.NotEmpty(t, packed(manifest(a), file("a", "A")))
	_, err := Read(bytes.NewReader(packed(manifest(a), file("a", "A"))))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		text []byte
		want string
	}{
		"no manifest":            {packed(nil, file("a", "A")), `is where the manifest has "whydenied-bundle/manifest.json"`},
		"empty archive":          {packed(nil), "manifest.json is missing"},
		"no JSON":                {packed(nil, file("manifest.json", "{")), "its manifest is broken"},
		"newer format":           {packed(&Manifest{Format: Format + 1}), "it has format 2, and this whydenied reads format 1"},
		"path traversal":         {packed(manifest(member("../a", "A")), file("../a", "A")), "is no plain path below the bundle's folder"},
		"traversal unlisted":     {packed(manifest(a), file("../../etc/passwd", "A")), "is no plain path below"},
		"absolute":               {packed(manifest(member("/a", "A")), file("/a", "A")), "is no plain path"},
		"absolute unlisted":      {packed(manifest(a), entry{tar.Header{Name: "/etc/passwd", Typeflag: tar.TypeReg}, "A"}), "is no plain path"},
		"control characters":     {packed(manifest(member("a\x1b[2J", "A"))), "control characters"},
		"backslash":              {packed(manifest(member(`..\a`, "A"))), "backslashes"},
		"symbolic link":          {packed(manifest(a), special(tar.TypeSymlink, "a")), "is no regular file but a link"},
		"hard link":              {packed(manifest(a), special(tar.TypeLink, "a")), "is no regular file"},
		"device":                 {packed(manifest(a), special(tar.TypeChar, "a")), "is no regular file"},
		"pipe":                   {packed(manifest(a), special(tar.TypeFifo, "a")), "is no regular file"},
		"folder":                 {packed(manifest(a), special(tar.TypeDir, "a/")), "is no regular file"},
		"duplicate":              {packed(manifest(a, a), file("a", "A"), file("a", "A")), "is there twice"},
		"duplicate unlisted":     {packed(manifest(a), file("a", "A"), file("a", "A")), "is not in the manifest"},
		"missing":                {packed(manifest(a)), "a is missing"},
		"other content":          {packed(manifest(a), file("a", "B")), "is not what the manifest says"},
		"longer":                 {packed(manifest(a), file("a", "AA")), "has 2 bytes, and 1 are expected"},
		"shorter":                {packed(manifest(member("a", "AA")), file("a", "A")), "is not what the manifest says"},
		"negative size":          {packed(lie(func(m *Member) { m.Size = -1 }), file("a", "A")), "more than 48 MiB together"},
		"huge size":              {packed(lie(func(m *Member) { m.Size = 1 << 40 }), file("a", "A")), "more than 48 MiB together"},
		"sum of sizes":           {packed(manifest(Member{"a", maxTotal - 1, ""}, Member{"b", 2, ""})), "more than 48 MiB together"},
		"sizes that overflow":    {packed(manifest(Member{"a", 1<<63 - 1, ""}, Member{"b", 1<<63 - 1, ""})), "more than 48 MiB together"},
		"millions of members":    {packed(manifest(many...)), "20001 members, and 20000 are the most"},
		"deep":                   {packed(manifest(member(strings.Repeat("a/", 50)+"a", "A"))), "or 40 folders"},
		"member used again":      {packed(&Manifest{Format: Format, Inventory: []Inventory{{Member: "a"}, {Member: "a"}}}), "uses a member twice"},
		"many folders":           {packed(&Manifest{Format: Format, Include: make([]string, maxInclude+1)}), "more than 100 folders"},
		"behind the end":         {append(packed(manifest(a), file("a", "A")), compressed("more", maxWindow)...), "something stands behind the end"},
		"padding without end":    {append(packed(manifest(a), file("a", "A")), compressed(strings.Repeat("\x00", 2<<20), maxWindow)...), "something stands behind the end"},
		"window":                 {compressed(strings.Repeat("a window is asked for", 1<<20), 128<<20), "asks for a window of more than 8 MiB"},
		"no zstd":                {[]byte("type=AVC"), "it is damaged"},
		"manifest without end":   {packed(nil, entry{tar.Header{Name: manifestName, Typeflag: tar.TypeReg, Size: maxManifest + 1}, ""}), "are expected"},
		"format of another kind": {packed(nil, file("manifest.json", `{"format":"x"}`)), "its manifest is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Read(bytes.NewReader(test.text))
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "the bundle is not used: ")
			assert.Nil(t, b)
		})
	}
}

func compressed(text string, window int) []byte {
	var out bytes.Buffer
	z, _ := zstd.NewWriter(&out, zstd.WithWindowSize(window))
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return out.Bytes()
}

// A bomb of a long header, as PAX has them, ends at the bound of the stream.
func TestBomb(t *testing.T) {
	in := &bounded{r: zeros{}, left: 1000}
	n := 0
	for {
		m, err := in.Read(make([]byte, 300))
		n += m
		if err != nil {
			assert.Equal(t, errLarge, err)
			break
		}
	}
	assert.Equal(t, 1000, n)
	// What the manifest has may be as large as it says, and no larger.
	sum := sha256.Sum256(make([]byte, 40<<20))
	m := &Manifest{Format: Format, Members: []Member{{"a", 40 << 20, hex.EncodeToString(sum[:])}}}
	text := packed(m, file("a", string(make([]byte, 41<<20))))
	assert.Less(t, len(text), 1<<20)
	_, err := Read(bytes.NewReader(text))
	assert.ErrorContains(t, err, "are expected")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Whatever a file holds, reading it ends, and what is accepted is what its
// manifest says.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format":1,"members":[{"name":"a","size":1,"sha256":"559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd"}]}`), root+"a", byte('0'), []byte("A"), false)
	f.Add([]byte(`{"format":1}`), "../x", byte('2'), []byte(""), false)
	f.Add([]byte(`{"format":1,"members":[{"name":"files/x","size":-5}]}`), root+"files/x", byte('1'), []byte("x"), false)
	f.Add(made(f, Manifest{Dir: "/"}, Text{"files/etc/x", []byte("x")}), "", byte('0'), []byte(nil), true)
	f.Fuzz(func(t *testing.T, manifest []byte, name string, kind byte, data []byte, raw bool) {
		text := manifest
		if !raw {
			var out bytes.Buffer
			z, _ := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
			w := tar.NewWriter(z)
			for _, e := range []entry{{tar.Header{Name: manifestName, Typeflag: tar.TypeReg}, string(manifest)}, {tar.Header{Name: name, Typeflag: kind}, string(data)}} {
				e.header.Size = int64(len(e.data))
				if w.WriteHeader(&e.header) == nil {
					_, _ = w.Write([]byte(e.data))
				}
			}
			_, _ = w.Close(), z.Close()
			text = out.Bytes()
		}
		Is(text)
		b, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, m := range b.Manifest.Members {
			if int64(len(b.Text(m.Name))) != m.Size || CheckName(m.Name) != nil {
				t.Fatalf("accepts %+v", m)
			}
		}
		if _, err := b.Tree().List("/"); err != nil && len(b.Tree().Join("/", "x")) != 2 {
			t.Fatal(err)
		}
	})
}

func TestManifestSaysTooMuch(t *testing.T) {
	_, err := Read(bytes.NewReader(packed(&Manifest{Format: Format, Missing: make([]string, maxSaid), LeftOut: []string{""}})))
	assert.ErrorContains(t, err, "it says of 10001 things that they are not in it, and 10000 are the most")
}
