package insight

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A stream writes looks as JSON, task by task: as one text, those of 100,000 tasks would
// take more memory than all else. After an error it writes nothing more: the client has
// gone, and whatever it has got is cut off.
type stream struct {
	out  *http.ResponseController
	w    *bufio.Writer
	text bytes.Buffer // of one value
	json *json.Encoder
	err  error
	stop context.CancelFunc // nobody is to be looked at any more

	top   bool                      // of stacks only the tops are wanted
	gap   string                    // between two values of a list
	seen  func(k *asyncio.LoopLook) // is told of each loop; may be nil
	tasks int                       // how many of this loop were written
	loops int                       // how many were written
}

// newStream begins an answer, each piece of which may take so long to be written, and
// returns a context that ends with it.
func newStream(ctx context.Context, out http.ResponseWriter, each time.Duration) (context.Context, *stream) {
	out.Header().Set("Content-Type", "application/json")
	c := http.NewResponseController(out)
	s := &stream{out: c, w: bufio.NewWriterSize(&patientWriter{out, c, each}, 1<<16), gap: ",\n"}
	s.json = json.NewEncoder(&s.text)
	ctx, s.stop = context.WithCancel(ctx)
	return ctx, s
}

// A patientWriter writes each piece of an answer in a time of its own.
type patientWriter struct {
	http.ResponseWriter
	c    *http.ResponseController
	each time.Duration
}

func (w *patientWriter) Write(b []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(w.each))
	return w.ResponseWriter.Write(b)
}

// looks writes an insightwire.Looks. What more writes are further fields.
func (s *stream) looks(ctx context.Context, w *window, only uint64, patience time.Duration, o func(loop uint64) asyncio.LookOptions, more func()) {
	s.loops, s.tasks = 0, 0
	s.open(w.head())
	s.raw(`,"loops":[`)
	failed := w.walk(ctx, only, patience, o, s)
	s.raw("]")
	if len(failed) > 0 {
		s.raw(`,"failed":`)
		s.value(failed)
	}
	if more != nil {
		more()
	}
	s.raw("}")
}

// task implements walker.
func (s *stream) task(_ uint64, t *asyncio.TaskLook) {
	if s.tasks == 0 {
		s.next(&s.loops)
		s.raw(`{"tasks":[`)
	}
	s.next(&s.tasks)
	if s.top {
		t.Stack = nil
	}
	s.value(t)
}

// loop implements walker.
func (s *stream) loop(k *asyncio.LoopLook) {
	if s.seen != nil {
		s.seen(k)
	}
	if s.tasks == 0 {
		s.next(&s.loops)
		s.value(k)
		return
	}
	s.tasks = 0
	s.raw("],")
	s.encode(k)
	s.write(s.text.Bytes()[1:])
}

// next goes on to the next of a list that has n values.
func (s *stream) next(n *int) {
	if *n > 0 {
		s.raw(s.gap)
	}
	*n++
}

func (s *stream) write(b []byte) {
	if s.err != nil {
		return
	}
	if _, err := s.w.Write(b); err != nil {
		s.fail(err)
	}
}

func (s *stream) fail(err error) {
	s.err = err
	s.stop()
}

func (s *stream) raw(text string) { s.write([]byte(text)) }

// encode puts a value into text, in one line.
func (s *stream) encode(v any) {
	s.text.Reset()
	if err := s.json.Encode(v); err != nil && s.err == nil {
		s.fail(err)
	}
	s.text.Truncate(max(0, s.text.Len()-1)) // a line's end
}

func (s *stream) value(v any) {
	s.encode(v)
	s.write(s.text.Bytes())
}

// open writes a struct without its end.
func (s *stream) open(v any) {
	s.encode(v)
	s.write(s.text.Bytes()[:max(0, s.text.Len()-1)])
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.w.Flush()
	}
	if s.err == nil {
		_ = s.out.Flush() // who cannot does so at the end
	}
}
