package host

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/disk"
)

// A Policy is what the files on disk come to, to compare the kernel's with.
type Policy struct {
	Compiled []Compiled
	Failed   []string // files that apparmor_parser does not compile
	// Generated are the texts that container engines make up for the loaded profiles.
	Generated []Generated
	Err       error // why nothing, or not everything, was compiled
}

// A Compiled is a profile as apparmor_parser makes it of a file now.
type Compiled struct {
	Name         string
	File         string
	Changed      time.Time // the file
	SHA1, SHA256 string    // as the kernel has them; see Loaded.Hash
	// Gains is what it grants and the loaded profile of its name does not, Lacks the
	// other way, as examples. Same says that there is nothing of either. They are set
	// only where the two are not the same, and the kernel shows what it loaded.
	Gains, Lacks []string
	Same         bool
}

// compareBudget is how long apparmor_parser may run in all: it takes a tenth of
// a second for a usual file.
const compareBudget = 30 * time.Second

// Compare compiles the policy files of h.PolicyDir with apparmor_parser, which
// loads nothing and writes no cache, and puts what they come to into f.Policy.
// It calls progress, if it is set, before each file.
func (h Host) Compare(ctx context.Context, f *Facts, progress func(file string)) {
	if len(f.AppArmor.Profiles) == 0 {
		return
	}
	if h.Run == nil {
		f.Policy.Err = errors.New("no program of this host is run")
		return
	}
	limited, cancel := context.WithTimeout(ctx, compareBudget)
	defer cancel()
	for _, file := range h.policyFiles(f.AppArmor.Profiles) {
		if progress != nil {
			progress(file)
		}
		stream, err := h.compile(limited, file)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			f.Policy.Err = errors.New("apparmor_parser is not installed")
			return
		case errors.As(err, new(*disk.Changeable)):
			f.Policy.Err = err
			return
		case limited.Err() != nil:
			f.Policy.Err = errors.New("apparmor_parser takes too long to compile all files of the policy")
			return
		case err != nil:
			f.Policy.Failed = append(f.Policy.Failed, file)
			continue
		}
		compiled := profilesIn(stream)
		for i := range compiled {
			compiled[i].File = file
			if info, err := os.Stat(file); err == nil {
				compiled[i].Changed = info.ModTime()
			}
		}
		h.compareLoaded(stream, f.AppArmor.Profiles, compiled)
		f.Policy.Compiled = append(f.Policy.Compiled, compiled...)
	}
	if err := h.compareGenerated(limited, f); err != nil && f.Policy.Err == nil {
		f.Policy.Err = err
		if errors.Is(err, exec.ErrNotFound) {
			f.Policy.Err = errors.New("apparmor_parser is not installed")
		}
	}
}

// compile returns what apparmor_parser makes of a file; it loads nothing.
func (h Host) compile(ctx context.Context, file string) ([]byte, error) {
	return h.Run(ctx, "apparmor_parser", "--skip-kernel-load", "--skip-cache", "--quiet", "--stdout", "--base", h.PolicyDir, file)
}

// policyFiles lists the files that may define one of the profiles: of those that
// are loaded at boot and those of containers/, where the profiles of containers
// are kept by custom.
func (h Host) policyFiles(profiles []Loaded) []string {
	var words []string // that a file which defines them holds
	for _, l := range profiles {
		name, _, _ := strings.Cut(l.Name, "//")
		words = append(words, name[strings.LastIndexByte(name, '/')+1:])
	}
	var files []string
	for _, dir := range []string{h.PolicyDir, filepath.Join(h.PolicyDir, "containers")} {
		names, _ := apparmor.PolicyFiles(nil, dir)
		for _, name := range names {
			text, _ := disk.Read(name, rules.MaxFile)
			if slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(text, []byte(w)) }) {
				files = append(files, name)
			}
		}
	}
	return files
}

// The elements before each profile of the stream that is loaded: the version, in
// 32 bits, perhaps a namespace, and the profile with its name (verify_header and
// unpack_profile of security/apparmor/policy_unpack.c).
var (
	versionElement   = []byte("\x04\x08\x00version\x00\x02")
	namespaceElement = []byte("\x04\x0a\x00namespace\x00\x05")
	profileElement   = []byte("\x04\x08\x00profile\x00\x07\x05")
)

// profilesIn finds the profiles in what apparmor_parser compiles, which it loads
// one by one. Their hashes are those of aa_calc_profile_hash
// (security/apparmor/crypto.c): of the version and the profile.
func profilesIn(stream []byte) []Compiled {
	var found []Compiled
	var starts []int
	for i := 0; ; {
		n := bytes.Index(stream[i:], versionElement)
		if n < 0 {
			break
		}
		i += n + len(versionElement)
		if _, ok := profileAt(stream[i:]); ok {
			starts = append(starts, i)
		}
	}
	for i, start := range starts {
		end := len(stream)
		if i+1 < len(starts) {
			end = starts[i+1] - len(versionElement)
		}
		version, body := stream[start:start+4], stream[start+4:end]
		name, _ := profileAt(stream[start:])
		if namespace, rest, ok := stringAfter(namespaceElement, body); ok {
			name, body = ":"+namespace+"://"+name, rest
		}
		hashed := slices.Concat(version, body)
		one, two := sha1.Sum(hashed), sha256.Sum256(hashed)
		found = append(found, Compiled{Name: name, SHA1: hex.EncodeToString(one[:]), SHA256: hex.EncodeToString(two[:])})
	}
	return found
}

// profileAt returns the name of the profile whose version begins the stream.
func profileAt(stream []byte) (name string, ok bool) {
	if len(stream) < 4 {
		return "", false
	}
	stream = stream[4:]
	if _, rest, ok := stringAfter(namespaceElement, stream); ok {
		stream = rest
	}
	name, _, ok = stringAfter(profileElement, stream)
	return name, ok
}

// stringAfter reads the string that follows an element: its length, with the
// NUL at its end, in 16 bits.
func stringAfter(element, stream []byte) (s string, rest []byte, ok bool) {
	stream, ok = bytes.CutPrefix(stream, element)
	if !ok || len(stream) < 2 {
		return "", nil, false
	}
	n := int(binary.LittleEndian.Uint16(stream))
	if stream = stream[2:]; n == 0 || len(stream) < n {
		return "", nil, false
	}
	return string(stream[:n-1]), stream[n:], true
}
