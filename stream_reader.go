package asyncio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
)

// ErrConcurrentRead is returned to a task that reads from a stream on which
// another task waits for data already. Python: RuntimeError.
var ErrConcurrentRead = errors.New("asyncio: another task is reading from this stream already")

// An IncompleteReadError says that a stream ended in the middle. Python:
// IncompleteReadError. errors.Is(err, io.ErrUnexpectedEOF) holds for it.
type IncompleteReadError struct {
	Partial  []byte // what came before the end; it was taken from the stream
	Expected int    // how many bytes were asked for, or -1: up to a separator
}

func (e *IncompleteReadError) Error() string {
	if e.Expected < 0 {
		return fmt.Sprintf("asyncio: the stream ended after %d bytes without the separator", len(e.Partial))
	}
	return fmt.Sprintf("asyncio: the stream ended after %d of %d bytes", len(e.Partial), e.Expected)
}

// Unwrap returns [io.ErrUnexpectedEOF].
func (e *IncompleteReadError) Unwrap() error { return io.ErrUnexpectedEOF }

// A LimitOverrunError says that no separator came within a stream's limit. What
// has come is still there to be read. Python: LimitOverrunError.
type LimitOverrunError struct {
	Consumed int // how many bytes certainly hold no separator
	found    bool
	limit    int
}

func (e *LimitOverrunError) Error() string {
	if e.found {
		return fmt.Sprintf("asyncio: the separator came after %d bytes, beyond the limit of %d", e.Consumed, e.limit)
	}
	return fmt.Sprintf("asyncio: no separator in the first %d bytes, and the limit is %d", e.Consumed, e.limit)
}

// ErrLineTooLong is returned by [StreamReader.ReadLine] for a line beyond the
// limit. What has come of it is dropped; the rest, which is still to come, is
// read as if it were the next line unless [StreamReader.SkipLine] drops it too.
// Python: ValueError.
var ErrLineTooLong = errors.New("asyncio: the line is longer than the stream's limit")

const (
	defaultLimit = 64 << 10
	firstBuffer  = 4 << 10
	smallBuffer  = 512 // in a simulated world: many connections, of which few say much
)

// firstBuffer returns how much room a reader has at first.
func (l *Loop) firstBuffer() int {
	if l.coros.Simulated {
		return smallBuffer
	}
	return firstBuffer
}

// A StreamReader is the half of a stream that is read. Python: StreamReader.
//
// One task at a time may read. All methods are for the loop's goroutine; those
// that wait need a running task. A reader with nothing left in its buffer owns
// no buffer.
type StreamReader struct {
	src   streamSource
	in    *incoming // nil: nothing was ever buffered
	limit int32
	eof   bool
}

// An incoming is what a reader holds. It is made when there is something: who
// reads into a buffer of his own needs none, and there may be very many.
type incoming struct {
	buf []byte // buf[off:] is what has come and was not read
	off int
	err error // all reads return it

	// A line that was too long was dropped with its end, and nothing was read
	// since.
	wholeLine bool
}

// A streamSource is where a reader's bytes come from.
type streamSource interface {
	// eventLoop returns the loop that it belongs to.
	eventLoop() *Loop
	// read returns at least one byte, or an error: io.EOF at the end, and
	// ErrConcurrentRead inside another read. It suspends t until it can.
	read(t *task, level context.Context, p []byte) (int, error)
	// lost returns the error with which the source has failed for good, if it
	// has.
	lost() error
}

// NewStreamReader makes a reader that is fed by [StreamReader.FeedData], for
// protocols of one's own and for tests. The limit is that of a line, and 64 KiB
// when it is not positive. Python: StreamReader(limit, loop).
func NewStreamReader(l *Loop, limit int) *StreamReader {
	r := &StreamReader{}
	r.init(&handFeed{loop: l}, limit)
	return r
}

func (r *StreamReader) init(src streamSource, limit int) {
	if limit <= 0 {
		limit = defaultLimit
	}
	r.src, r.limit = src, int32(min(limit, math.MaxInt32))
}

// handFeed is the source of a reader that is fed by hand: what comes is in the
// reader's buffer already, and there is only to wait for it.
type handFeed struct {
	loop    *Loop
	waiting *future // what a task waits for
}

func (h *handFeed) eventLoop() *Loop { return h.loop }

// read returns no byte; it waits until there is something in the buffer, or the
// end has come.
func (h *handFeed) read(t *task, level context.Context, _ []byte) (int, error) {
	if h.waiting != nil {
		return 0, ErrConcurrentRead
	}
	f := &future{loop: h.loop}
	h.waiting = f
	err := t.wait(f, level)
	// As in Python, a reader that has waited forgets whoever waits, also when
	// that is another by now: one task at a time may read.
	h.waiting = nil
	return 0, err
}

// lost implements streamSource: who feeds by hand says so by SetError.
func (h *handFeed) lost() error { return nil }

// held returns what the reader holds, to add to it.
func (r *StreamReader) held() *incoming {
	if r.in == nil {
		r.in = &incoming{}
	}
	return r.in
}

// FeedData appends p, which is copied, to what can be read. After FeedEOF it
// panics, as in Python, where it is an assertion. Python: feed_data.
func (r *StreamReader) FeedData(p []byte) {
	if r.eof {
		panic(fmt.Errorf("asyncio: FeedData after FeedEOF: %w", ErrInvalidState))
	}
	if len(p) == 0 {
		return
	}
	in := r.held()
	in.buf = append(in.buf, p...)
	r.wake(nil)
}

// FeedEOF says that nothing more will come. Python: feed_eof.
func (r *StreamReader) FeedEOF() {
	r.eof = true
	r.wake(nil)
}

// SetError makes the read that waits and all that follow fail with err,
// whatever is buffered. Python: set_exception.
func (r *StreamReader) SetError(err error) {
	r.held().err = err
	r.wake(err)
}

// Err returns the error with which each read fails: that of SetError, or the
// one with which the connection has failed, a reset for example. It is nil while
// there is none, also at a clean end and after Close. Python: exception.
func (r *StreamReader) Err() error {
	if r.in != nil && r.in.err != nil {
		return r.in.err
	}
	return r.src.lost()
}

// keepError makes all reads fail as the source has, if it has for good: what is
// buffered is a part of something of which the rest will not come.
func (r *StreamReader) keepError() {
	if err := r.src.lost(); err != nil {
		r.held().err = err
	}
}

// AtEOF says that all was read and nothing more will come. Python: at_eof.
func (r *StreamReader) AtEOF() bool { return r.eof && r.buffered() == 0 }

func (r *StreamReader) wake(err error) {
	h, ok := r.src.(*handFeed)
	if !ok {
		return
	}
	f := h.waiting
	h.waiting = nil
	if f == nil || f.state != pending {
		return
	}
	if err != nil {
		f.retrieved = true // the reader keeps it
		f.setError(err)
	} else {
		f.setResult()
	}
}

func (r *StreamReader) buffered() int { return len(r.unread()) }

// unread is what is in the buffer.
func (r *StreamReader) unread() []byte {
	if r.in == nil {
		return nil
	}
	return r.in.buf[r.in.off:]
}

// take removes n bytes from the buffer. They are the caller's to copy before
// the next fill.
func (r *StreamReader) take(n int) []byte {
	p := r.unread()[:n]
	if n > 0 {
		r.in.off += n
		r.release()
	}
	return p
}

// release lets go of the buffer when there is nothing in it.
func (r *StreamReader) release() {
	if in := r.in; in != nil && in.off == len(in.buf) {
		in.buf, in.off = nil, 0
	}
}

// takeCopy is take for what the caller may keep. Where all is taken, the
// buffer itself is given away.
func (r *StreamReader) takeCopy(n int) []byte {
	all := n == r.buffered()
	p := r.take(n)
	if all && cap(p) < 2*len(p) {
		return p[:n:n]
	}
	return bytes.Clone(p)
}

// fill waits until there is more in the buffer, or the end has come.
func (r *StreamReader) fill(t *task, level context.Context) error {
	var room []byte
	if _, byHand := r.src.(*handFeed); !byHand {
		room = r.room()
	}
	n, err := r.src.read(t, level, room)
	if n > 0 { // in place, unless another task has taken what there was
		r.in.buf = append(r.in.buf, room[:n]...)
	}
	switch err {
	case nil:
	case io.EOF:
		r.eof, err = true, nil
	default:
		r.keepError()
	}
	return err
}

// room returns room for more at the end of the buffer.
func (r *StreamReader) room() []byte {
	in := r.held()
	if in.off > 0 && len(in.buf) == cap(in.buf) {
		in.buf = in.buf[:copy(in.buf, in.buf[in.off:])]
		in.off = 0
	}
	if len(in.buf) == cap(in.buf) {
		grown := make([]byte, len(in.buf), max(r.src.eventLoop().firstBuffer(), 2*cap(in.buf)))
		copy(grown, in.buf)
		in.buf = grown
	}
	return in.buf[len(in.buf):cap(in.buf)]
}

// begin is the door of every read that is given a context.
func (r *StreamReader) begin(ctx context.Context) (*task, context.Context, error) {
	t, level, err := enter(ctx)
	if err == nil {
		err = r.readable(t)
	}
	return t, level, err
}

// readable returns why t cannot read, if it cannot.
func (r *StreamReader) readable(t *task) error {
	if t.loop != r.src.eventLoop() {
		return ErrWrongLoop
	}
	if in := r.in; in != nil {
		in.wholeLine = false
		return in.err
	}
	return nil
}

// Read reads up to len(p) bytes into p, as [io.Reader] says, and suspends the
// running task until there is at least one. When nothing is buffered, bytes go
// from the kernel into p directly. At the end it returns [io.EOF]. Python: read.
func (r *StreamReader) Read(p []byte) (int, error) {
	t, err := r.src.eventLoop().runningTask()
	if err == nil {
		err = r.readable(t)
	}
	if err != nil {
		return 0, err
	}
	return r.read(t, nil, p)
}

// ReadContext is Read that also ends with ctx. Python: read(n).
func (r *StreamReader) ReadContext(ctx context.Context, p []byte) (int, error) {
	t, level, err := r.begin(ctx)
	if err != nil {
		return 0, err
	}
	return r.read(t, level, p)
}

func (r *StreamReader) read(t *task, level context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.buffered() == 0 && !r.eof {
		n, err := r.src.read(t, level, p)
		switch err {
		case nil:
		case io.EOF:
			r.eof = true
		default:
			r.keepError()
		}
		if n > 0 || err != nil {
			return n, err
		}
		// It is fed by hand.
	}
	if r.buffered() == 0 {
		if r.eof {
			return 0, io.EOF
		}
		return 0, nil // another task took what had come
	}
	return copy(p, r.take(min(len(p), r.buffered()))), nil
}

// ReadExactly reads n bytes. When the stream ends before, it returns an
// [*IncompleteReadError] with what there was; when it is interrupted, nothing
// is taken. Python: readexactly.
func (r *StreamReader) ReadExactly(ctx context.Context, n int) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("asyncio: ReadExactly of %d bytes: the number must not be negative: %w", n, fs.ErrInvalid)
	}
	t, level, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	for r.buffered() < n {
		if r.eof {
			return nil, &IncompleteReadError{Partial: r.takeCopy(r.buffered()), Expected: n}
		}
		if err := r.fill(t, level); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return []byte{}, nil
	}
	return r.takeCopy(n), nil
}

// ReadUntil reads up to the first of the separators, and returns what it read
// with the separator. Where several fit, the one that ends first counts. When
// the stream ends before, it returns an [*IncompleteReadError]; when there is
// none within the limit, a [*LimitOverrunError], and nothing is taken. Python:
// readuntil.
func (r *StreamReader) ReadUntil(ctx context.Context, separators ...[]byte) ([]byte, error) {
	if len(separators) == 0 || slices.ContainsFunc(separators, func(s []byte) bool { return len(s) == 0 }) {
		return nil, fmt.Errorf("asyncio: ReadUntil needs separators, none of them empty: %w", fs.ErrInvalid)
	}
	t, level, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	n, err := r.find(t, level, separators)
	if err != nil {
		return nil, err
	}
	return r.takeCopy(n), nil
}

// find waits until a separator has come, and returns the length up to its end.
func (r *StreamReader) find(t *task, level context.Context, separators [][]byte) (int, error) {
	shortest, longest := 0, 0
	for i, s := range separators {
		longest = max(longest, len(s))
		if i == 0 || len(s) < shortest {
			shortest = len(s)
		}
	}
	limit := int(r.limit)
	from := 0 // before it there is no separator, nor the beginning of one
	for {
		if have := r.buffered(); have-from >= shortest {
			if start, end, ok := firstOf(r.unread(), from, separators); ok {
				if start > limit {
					return 0, &LimitOverrunError{Consumed: start, found: true, limit: limit}
				}
				return end, nil
			}
			from = max(0, have+1-longest)
			if from > limit {
				return 0, &LimitOverrunError{Consumed: from, limit: limit}
			}
		}
		if r.eof {
			return 0, &IncompleteReadError{Partial: r.takeCopy(r.buffered()), Expected: -1}
		}
		// An error that is set meanwhile ends the wait, and else the next read.
		if err := r.fill(t, level); err != nil {
			return 0, err
		}
	}
}

// firstOf finds the separator that ends first; of two that end together, the
// shorter one.
func firstOf(p []byte, from int, separators [][]byte) (start, end int, ok bool) {
	for _, s := range separators {
		i := bytes.Index(p[from:], s)
		if i < 0 {
			continue
		}
		i += from
		if e := i + len(s); !ok || e < end || e == end && i > start {
			start, end, ok = i, e, true
		}
	}
	return start, end, ok
}

var newline = [][]byte{[]byte("\n")}

// ReadLine reads a line with its newline; the last one may have none. After it
// comes [io.EOF].
//
// For a line beyond the limit it returns [ErrLineTooLong], and drops what has
// come of the line. Whoever goes on reads the rest of it as the next line, which
// a peer can choose so that it is taken for a command: end the connection, or
// call [StreamReader.SkipLine] first. Python: readline.
func (r *StreamReader) ReadLine(ctx context.Context) ([]byte, error) {
	t, level, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	line, err := r.line(t, level)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(line), nil
}

// line is ReadLine whose result is valid until the next read.
func (r *StreamReader) line(t *task, level context.Context) ([]byte, error) {
	n, err := r.find(t, level, newline)
	switch e := err.(type) {
	case nil:
		return r.take(n), nil
	case *IncompleteReadError:
		if len(e.Partial) == 0 {
			return nil, io.EOF
		}
		return e.Partial, nil
	case *LimitOverrunError:
		if rest := r.unread()[e.Consumed:]; bytes.HasPrefix(rest, newline[0]) {
			r.take(e.Consumed + 1)
			r.in.wholeLine = true
		} else {
			r.take(r.buffered())
		}
		return nil, fmt.Errorf("%w (%d bytes)", ErrLineTooLong, r.limit)
	}
	return nil, err
}

// SkipLine reads and drops what is left of a line, with its newline, and holds
// none of it: after [ErrLineTooLong] the rest of that line, which may be nothing;
// elsewhere all up to the next newline. A line that ends with the stream is
// skipped too.
func (r *StreamReader) SkipLine(ctx context.Context) error {
	dropped := r.in != nil && r.in.wholeLine
	t, level, err := r.begin(ctx)
	for err == nil && !dropped {
		if i := bytes.IndexByte(r.unread(), '\n'); i >= 0 {
			r.take(i + 1)
			return nil
		}
		r.take(r.buffered())
		if r.eof {
			return nil
		}
		err = r.fill(t, level)
	}
	return err
}

// Lines returns the lines, each with its newline, until the end or an error,
// which comes last. A line is valid until the next one is asked for. After
// [ErrLineTooLong] see [StreamReader.SkipLine] before asking for more lines.
// Python: async for line in reader.
func (r *StreamReader) Lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			t, level, err := r.begin(ctx)
			var line []byte
			if err == nil {
				line, err = r.line(t, level)
			}
			if err == io.EOF {
				return
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}
