package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/report"
)

// batch answers the requests of standard input. A line that cannot be answered
// is answered by an error, and the others are not stopped by it.
func (q *query) batch(cmd *cobra.Command) error {
	if isTerminal(cmd.InOrStdin()) {
		return usagef("ask with --access or --syscall, or give requests on standard input; see whydenied query --help")
	}
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
	print := report.NewJSONLines[report.Answer](out)
	refused, failed, line := false, 0, 0
	for lines := range readLines(cmd.Context(), cmd.InOrStdin()) {
		for _, l := range lines {
			line++
			answer, err := q.answer(l)
			answer.Line = line
			if err != nil {
				failed++
				err = report.WriteAnswerError(out, line, err)
			} else {
				refused = refused || answer.Decision != "granted"
				err = print(answer)
			}
			if err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil { // whoever asks may wait for it
			return err
		}
	}
	switch err := cmd.Context().Err(); {
	case err != nil:
		return err
	case failed > 0:
		return fmt.Errorf("%d of %d requests could not be answered", failed, line)
	case refused:
		return errFound
	}
	return nil
}

// answer answers one line of a batch.
func (q *query) answer(line []byte) (report.Answer, error) {
	asked, err := access.Read(line, q.known)
	switch {
	case err != nil:
		return report.Answer{}, err
	case asked.Denial != nil:
		return q.ask(asked.Denial)
	case q.seccomp == nil:
		return report.Answer{}, errors.New("no seccomp profile was given with --seccomp")
	}
	return q.askCall(asked), nil
}

// readLines returns the lines of r as they come, in groups of those that have
// come. It ends with the context, though r may still wait for input. Of a line
// longer than access.MaxLine only a little more than that is kept.
func readLines(ctx context.Context, r io.Reader) func(yield func([][]byte) bool) {
	groups := make(chan [][]byte, 4)
	go func() {
		defer close(groups)
		in := bufio.NewReaderSize(r, 1<<16)
		for {
			lines, err := readGroup(in)
			if len(lines) > 0 {
				select {
				case groups <- lines:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return func(yield func([][]byte) bool) {
		for {
			select {
			case lines, ok := <-groups:
				if !ok || !yield(lines) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// readGroup waits for a line, and returns it with those that came along.
func readGroup(in *bufio.Reader) (lines [][]byte, err error) {
	for len(lines) < 256 {
		line, err := readLine(in)
		if len(line) > 0 {
			lines = append(lines, line)
		}
		if err != nil || in.Buffered() == 0 {
			return lines, err
		}
	}
	return lines, nil
}

// readLine reads a line with its end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= access.MaxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
