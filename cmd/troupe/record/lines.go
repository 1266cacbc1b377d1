package record

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// This file owns the input of `troupe produce`: lines, from where they come to the client, and how far that is.

// linesAhead bounds how many lines are read before the client takes them.
const linesAhead = 256

// input counts what was read of a file, for progress.
type input struct {
	io.ReadCloser
	name string
	size int64 // bytes; 0 if that is not known
	read atomic.Int64
}

func (in *input) Read(b []byte) (int, error) {
	n, err := in.ReadCloser.Read(b)
	in.read.Add(int64(n))
	return n, err
}

// open is the file asked for, or standard input.
func (p *producer) open(cmd *cobra.Command) (*input, error) {
	in := &input{ReadCloser: io.NopCloser(cmd.InOrStdin()), name: "standard input"}
	f, _ := cmd.InOrStdin().(*os.File)
	if p.file != "" && p.file != "-" {
		var err error
		if f, err = os.Open(p.file); err != nil {
			return nil, cli.Usagef("file: %w", err)
		}
		in.ReadCloser, in.name = f, p.file
	}
	if f != nil {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			in.size = info.Size()
		}
	}
	return in, nil
}

// live shows how far the sending is, unless a person is typing the lines.
func (p *producer) live(cmd *cobra.Command, in *input, got *receipts) *progress.Line {
	if p.quiet || p.out.JSON() || p.file == "" && progress.Terminal(cmd.InOrStdin()) {
		return nil
	}
	return progress.Start(cmd.ErrOrStderr(), func(elapsed time.Duration) string {
		got.mu.Lock()
		acked, bytes := got.acked, got.bytes
		got.mu.Unlock()
		text := fmt.Sprintf("%s records, %s/s, %s/s", progress.Count(acked), progress.Count(int64(progress.Rate(acked, elapsed))), progress.Bytes(progress.Rate(bytes, elapsed)))
		if in.size > 0 {
			text += fmt.Sprintf(", read %d %%", min(100, in.read.Load()*100/in.size))
		}
		return text
	})
}

// line is one line of the input, or what ended it.
type line struct {
	text []byte
	err  error // io.EOF at the end
}

// scan reads lines until the input ends or ctx does. Reading may block on a terminal: the goroutine is then left behind, and
// ends with the process.
func scan(ctx context.Context, in *input) <-chan line {
	lines := make(chan line, linesAhead)
	go func() {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(make([]byte, 64<<10), lineMax)
		for more := true; more; {
			l := line{err: io.EOF}
			if more = scanner.Scan(); more {
				l = line{text: append([]byte(nil), scanner.Bytes()...)}
			} else if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
				l.err = fmt.Errorf("a line is longer than %d bytes; split the input", lineMax)
			} else if err != nil {
				l.err = fmt.Errorf("read %s: %w", in.name, err)
			}
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// send hands lines to the client until the input ends, one fails, or ctx ends.
func (p *producer) send(ctx context.Context, cl *kgo.Client, in *input, headers []kgo.RecordHeader, got *receipts) error {
	lines := scan(ctx, in)
	next := time.Now()
	for number := 1; ; number++ {
		var l line
		select {
		case <-ctx.Done():
			return nil
		case l = <-lines:
		}
		if errors.Is(l.err, io.EOF) {
			return nil
		} else if l.err != nil {
			return fmt.Errorf("line %d: %w", number, l.err)
		}
		rec, err := p.record(l.text, number, headers)
		if err != nil {
			return err
		}
		if p.rate > 0 {
			if wait := time.Until(next); wait > 0 {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return nil
				}
			}
			next = next.Add(time.Duration(float64(time.Second) / p.rate))
		}
		cl.Produce(context.WithoutCancel(ctx), rec, func(r *kgo.Record, err error) { got.add(number, r, err) })
		if got.failure() != nil {
			return nil
		}
	}
}
