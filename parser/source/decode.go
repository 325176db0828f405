package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/whydenied/whydenied/rules/shell"
)

// maxWindow bounds the memory that a zstd stream may ask for, in bytes: what
// `zstd -19` needs is 8 MiB, and `--long` 128 MiB.
const maxWindow = 32 << 20

// decode returns the text of a stream, decompressing gzip and zstd, which it
// knows by their first bytes. What is no log text is an error that says what to
// do with it. The caller calls closeText when done.
func decode(name string, r io.Reader) (text io.Reader, closeText func(), err error) {
	b := bufio.NewReaderSize(r, 8<<10)
	head, err := b.Peek(8 << 10)
	if len(head) == 0 && err != nil && err != io.EOF {
		return nil, nil, explain(err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, fmt.Errorf("not a whole gzip file: %w", err)
		}
		return checked(name, z, func() { z.Close() })
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippableFrame(head):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return checked(name, z, z.Close)
	}
	if err := notLog(name, head); err != nil {
		return nil, nil, err
	}
	return b, func() {}, nil
}

// isSkippableFrame reports whether a zstd stream starts with a frame of user
// data, as pzstd writes (RFC 8878, section 3.1.2).
func isSkippableFrame(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18
}

// checked looks at the start of a decompressed stream as decode does at the
// file's.
func checked(name string, r io.Reader, closeText func()) (io.Reader, func(), error) {
	b := bufio.NewReaderSize(r, 8<<10)
	head, err := b.Peek(8 << 10)
	if len(head) == 0 && err != nil && err != io.EOF {
		closeText()
		return nil, nil, corrupt(err)
	}
	if err := notLog(name, head); err != nil {
		closeText()
		return nil, nil, err
	}
	return b, closeText, nil
}

// corrupt says what an error in the middle of a stream means.
func corrupt(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the compressed data ends early; the lines before that were read. Copy the file again")
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("the zstd stream needs more than %d MiB of memory; run `zstd -dc --long=31 FILE | whydenied explain -`", maxWindow>>20)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), strings.HasPrefix(err.Error(), "flate:"),
		errors.Is(err, zstd.ErrCRCMismatch), errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, zstd.ErrUnknownDictionary):
		return fmt.Errorf("the compressed data is damaged (%w); the lines before that were read", err)
	}
	return explain(err)
}

// magics are the first bytes of files that people take for logs, with what to
// do instead; %s is the quoted file name.
var magics = []struct{ magic, problem string }{
	{"LPKSHHRH", "a binary journal file; run `journalctl --file %s -o json | whydenied explain -`"},
	{"\xfd7zXZ\x00", "compressed with xz; run `xz -dc %s | whydenied explain -`"},
	{"BZh", "compressed with bzip2; run `bzip2 -dc %s | whydenied explain -`"},
	{"\x04\x22\x4d\x18", "compressed with lz4; run `lz4 -dc %s | whydenied explain -`"},
	{"\xff\xfe", "UTF-16 text; run `iconv -f UTF-16 -t UTF-8 %s | whydenied explain -`"},
	{"\xfe\xff", "UTF-16 text; run `iconv -f UTF-16 -t UTF-8 %s | whydenied explain -`"},
	{"PK\x03\x04", "a zip archive; unpack it and name the log in it"},
	{"\x1f\x8b", "compressed twice; run `gzip -dc %s | gzip -dc | whydenied explain -`"},
	{"\x7fELF", looksBinary},
	{"MZ\x90", looksBinary},
	{"%PDF-", looksBinary},
	{"\x89PNG", looksBinary},
	{"SQLite format 3\x00", looksBinary},
}

const looksBinary = "looks like a binary file, not a log; name a text log such as /var/log/audit/audit.log"

// notLog returns an error if the first bytes of a stream are no log text. A few
// control characters and NUL bytes are no reason: a crash leaves runs of NUL
// in a log, and what runs in a container can put any byte into it.
func notLog(name string, head []byte) error {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			if strings.Contains(m.problem, "%s") {
				return fmt.Errorf(m.problem, shell.Quote(name))
			}
			return errors.New(m.problem)
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return errors.New("a tar archive; unpack it and name the directory of its logs")
	}
	// What is no text: control characters, invalid UTF-8, and runs of NUL, each
	// run counted once.
	text, junk := 0, 0
	for i, size := 0, 0; i < len(head); i += size {
		var r rune
		r, size = utf8.DecodeRune(head[i:])
		switch {
		case r == utf8.RuneError && size == 1 && i+utf8.UTFMax <= len(head):
			junk++
		case r == 0 && i > 0 && head[i-1] == 0:
		case r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b\x1d", r):
			junk++
		default:
			text += size
		}
	}
	if junk > 16 && junk > text/8 {
		return errors.New(looksBinary)
	}
	return nil
}
