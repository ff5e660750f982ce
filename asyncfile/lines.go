package asyncfile

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/asyncio-go/asyncio"
)

const (
	aheadSize = 64 << 10
	maxLine   = 16 << 20
)

// Lines reads the file from its position on, and returns its lines without their ends,
// \n or \r\n. While the lines of one piece of 64 KiB are gone through, the next piece is
// read, so most lines suspend nobody. An error is the last; a line of more than 16 MiB is
// [bufio.ErrTooLong]. When the loop over them is left early, the file's position is
// somewhere behind the last line. Python: async for line in f.
func (f *File) Lines(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		a := ahead{f: f}
		defer a.stop()
		var rest []byte // the beginning of a line whose end has not come
		for {
			piece, err := a.next(ctx)
			for {
				line, after, found := bytes.Cut(piece, []byte("\n"))
				if !found {
					break
				}
				piece = after
				if len(rest) > 0 {
					line = append(rest, line...)
					rest = rest[:0]
				}
				if !yield(string(bytes.TrimSuffix(line, []byte("\r"))), nil) {
					return
				}
			}
			rest = append(rest, piece...)
			if len(rest) > maxLine {
				err = fmt.Errorf("asyncfile: lines of %s: %w", f.Name(), bufio.ErrTooLong)
			}
			if err == nil {
				continue
			}
			if err != io.EOF {
				yield("", err)
			} else if len(rest) > 0 {
				yield(string(rest), nil)
			}
			return
		}
	}
}

// An ahead reads a file a piece ahead of who wants it.
type ahead struct {
	f       *File
	reading *asyncio.Future[piece]
	given   []byte // the memory of the piece that was given out last
}

type piece struct {
	data []byte
	err  error
}

// next returns the next piece, which is the caller's until the next call, and begins to
// read the one after.
func (a *ahead) next(ctx context.Context) ([]byte, error) {
	if a.reading == nil {
		if err := a.begin(ctx, make([]byte, aheadSize)); err != nil {
			return nil, err
		}
	}
	p, err := a.reading.Await(ctx)
	if err != nil {
		return nil, err
	}
	if p.err != nil {
		a.reading = nil
		return p.data, p.err
	}
	spare := a.given
	if spare == nil {
		spare = make([]byte, aheadSize)
	}
	a.given = p.data[:cap(p.data)]
	return p.data, a.begin(ctx, spare)
}

func (a *ahead) begin(ctx context.Context, buf []byte) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	if err := a.f.foreign(ctx); err != nil {
		return err
	}
	a.reading = asyncio.RunInExecutor(loop, executorOf(ctx), func(context.Context) (piece, error) {
		n, err := a.f.readInJob(buf, atPosition)
		return piece{buf[:n], err}, nil
	})
	return nil
}

// stop drops what is being read.
func (a *ahead) stop() {
	if a.reading != nil {
		a.reading.Cancel()
	}
}
