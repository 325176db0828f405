package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/whydenied/whydenied/rules"
)

// Head is how many bytes of a file Is needs: the largest block of a zstd stream
// and what stands before it.
const Head = 132 << 10

// magic are the first bytes of a zstd frame.
var magic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// A Bundle is a bundle that was read. It must not be changed.
type Bundle struct {
	Manifest Manifest
	members  map[string][]byte // but for files
	files    map[string]string // by their names on the host
}

// Text returns the content of a member, nil if there is none of that name.
func (b *Bundle) Text(name string) []byte {
	if text, ok := b.files[strings.TrimPrefix(name, Files)]; ok {
		return []byte(text)
	}
	return b.members[name]
}

// Tree returns the copies of the host's files.
func (b *Bundle) Tree() *rules.Tree { return rules.NewTree(b.Manifest.Dir, b.files) }

// Is reports whether a file that begins so is a bundle.
func Is(head []byte) bool {
	if !bytes.HasPrefix(head, magic) {
		return false
	}
	z, err := decoder(bytes.NewReader(head))
	if err != nil {
		return false
	}
	defer z.Close()
	start := make([]byte, len(manifestName)+1)
	_, err = io.ReadFull(z, start)
	return err == nil && string(start) == manifestName+"\x00"
}

func decoder(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// Read reads a bundle, which may be hostile: whatever is not exactly as the
// manifest says is refused, and memory is bounded by what a bundle may hold.
func Read(r io.Reader) (*Bundle, error) {
	z, err := decoder(r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	// Headers are 512 bytes, and as much again is lost to padding; long names take more.
	in := &bounded{r: z, left: maxTotal + maxManifest + maxMembers*4<<10}
	b, err := read(in)
	if err != nil {
		return nil, fmt.Errorf("the bundle is not used: %w", meaning(err))
	}
	return b, nil
}

func read(in io.Reader) (*Bundle, error) {
	t := tar.NewReader(in)
	b := &Bundle{members: map[string][]byte{}, files: map[string]string{}}
	text, err := next(t, manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	var version struct{ Format int }
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("its manifest is broken: %w", err)
	}
	if version.Format != Format {
		return nil, fmt.Errorf("it has format %d, and this whydenied reads format %d; use the one that made it, or a newer one", version.Format, Format)
	}
	if err := json.Unmarshal(text, &b.Manifest); err != nil {
		return nil, fmt.Errorf("its manifest is broken: %w", err)
	}
	if err := b.Manifest.check(); err != nil {
		return nil, err
	}
	for _, member := range b.Manifest.Members {
		data, err := next(t, root+member.Name, member.Size)
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(data); int64(len(data)) != member.Size || hex.EncodeToString(sum[:]) != member.SHA256 {
			return nil, fmt.Errorf("its member %s is not what the manifest says; copy the bundle again", member.Name)
		}
		if host, ok := strings.CutPrefix(member.Name, Files+"/"); ok {
			b.files["/"+host] = string(data)
			continue
		}
		b.members[member.Name] = data
	}
	if h, err := t.Next(); err == nil {
		return nil, fmt.Errorf("its member %q is not in the manifest", h.Name)
	} else if err != io.EOF {
		return nil, err
	}
	return b, rest(in)
}

// next reads the next member, which must be a file of that name.
func next(t *tar.Reader, name string, most int64) ([]byte, error) {
	h, err := t.Next()
	if err == io.EOF {
		return nil, fmt.Errorf("its member %s is missing", name)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case h.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("its member %q is no regular file but a link, folder or device", h.Name)
	case CheckName(h.Name) != nil:
		return nil, fmt.Errorf("the name of its member %q %w", h.Name, CheckName(h.Name))
	case h.Name != name:
		return nil, fmt.Errorf("its member %q is where the manifest has %q", h.Name, name)
	case h.Size > most:
		return nil, fmt.Errorf("its member %q has %d bytes, and %d are expected", h.Name, h.Size, most)
	}
	// The header may lie; all that the manifest may say fits into memory.
	data := make([]byte, h.Size)
	_, err = io.ReadFull(t, data)
	return data, err
}

// rest reads to the end of the stream, where only padding may be.
func rest(in io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(in, 1<<20+1))
	if err != nil {
		return err
	}
	if len(text) > 1<<20 || len(bytes.Trim(text, "\x00")) > 0 {
		return errors.New("something stands behind the end of its archive")
	}
	return nil
}

// errLarge is that a bundle expands to more than it may.
var errLarge = fmt.Errorf("it expands to more than %d MiB", maxTotal>>20)

// bounded is a reader that fails after so many bytes.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// meaning says what an error of reading means.
func meaning(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends early; copy it again")
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("it asks for a window of more than %d MiB, which no bundle needs", maxWindow>>20)
	case errors.Is(err, zstd.ErrCRCMismatch), errors.Is(err, zstd.ErrMagicMismatch):
		return fmt.Errorf("it is damaged (%w); copy it again", err)
	}
	return err
}
