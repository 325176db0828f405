package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
)

// openJournal opens the journal's messages of the kernel and the audit system,
// and what journald says itself of those it lost.
func openJournal(from Start) (*Live, error) {
	command, err := disk.Program("journalctl")
	if err != nil {
		return nil, noJournalctl(err)
	}
	if err := journalReadable(journalFolders); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &Live{
		Name: "journal", Taken: "the journal (journalctl --follow)", from: from,
		stream: &journalTail{command: command, from: from, began: time.Now(), auditd: auditd(), pause: 200 * time.Millisecond},
		hold:   10 * time.Millisecond,
	}, nil
}

// journalTail is a journalctl that follows, started anew whenever it ends.
type journalTail struct {
	command string
	from    Start
	began   time.Time
	auditd  int    // its process ID when the journal was opened, or 0
	cursor  string // of the last entry; "" before the first
	pause   time.Duration
}

func (j *journalTail) close() {}

// maxStarts is how often journalctl may end without giving an entry, in a row.
const maxStarts = 5

func (j *journalTail) run(ctx context.Context, in *intake) error {
	watched := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	defer func() { <-watched }()
	defer stop()
	go func() {
		watchAuditd(ctx, in, j.auditd)
		close(watched)
	}()
	for barren := 0; ; {
		before := j.cursor
		err := j.follow(ctx, in)
		if ctx.Err() != nil {
			return nil
		}
		if j.cursor != before {
			barren = 0
		}
		if barren++; barren == maxStarts {
			return fmt.Errorf("journalctl ended %d times in a row: %w; try `journalctl --follow` by hand", barren, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(j.pause << (barren - 1)):
		}
		in.notice(Notice{Resumed, 0, fmt.Sprintf("journal: journalctl ended (%v) and was started again %s", err, j.resumed())})
	}
}

func (j *journalTail) resumed() string {
	if j.cursor == "" {
		return "where it began"
	}
	return "after the last entry that it gave; what the journal deleted meanwhile is missing"
}

// args are journalctl's: where to begin, and what is wanted.
func (j *journalTail) args() []string {
	var start []string
	switch {
	case j.cursor != "":
		start = []string{"--after-cursor=" + j.cursor}
	case j.from.Last > 0:
		start = []string{"--lines=" + strconv.Itoa(j.from.Last)}
	case !j.from.Since.IsZero():
		start = []string{"--lines=all", "--since=@" + strconv.FormatInt(j.from.Since.Unix(), 10)}
	default:
		start = []string{"--lines=all", "--since=@" + strconv.FormatInt(j.began.Unix(), 10) + "." + fmt.Sprintf("%06d", j.began.Nanosecond()/1000)}
	}
	// --all, as otherwise a field of more than 4 KB comes out as null.
	return append(start, "--follow", "--no-pager", "--quiet", "--all", "--output=json",
		"_TRANSPORT=audit", "+", "_TRANSPORT=kernel", "+", "_TRANSPORT=driver")
}

// follow gives what one journalctl prints, until it ends. The error is never
// nil.
func (j *journalTail) follow(ctx context.Context, in *intake) error {
	out, _, err := start(ctx, j.command, j.args()...)
	if err != nil {
		return err
	}
	var lines splitter
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		lines.feed(buf[:n], in, func(text []byte) {
			in.lines(text)
			if c, ok := cursorOf(text); ok {
				j.cursor = c
			}
		})
		if err != nil {
			// A half line comes again after the cursor.
			if err := out.Close(); err != nil {
				return err
			}
			return errors.New("without an error")
		}
	}
}

// cursorOf returns the cursor of the last of some lines of journalctl's JSON.
// Inside a value the quotes of the key would be escaped.
func cursorOf(text []byte) (string, bool) {
	key := []byte(`"__CURSOR":"`)
	i := bytes.LastIndex(text, key)
	if i < 0 {
		return "", false
	}
	cursor, _, ok := bytes.Cut(text[i+len(key):], []byte(`"`))
	return string(cursor), ok
}
