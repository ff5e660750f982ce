package insight

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// writeLooks answers with looks, task by task: as one text, those of 100,000 tasks would
// take more memory than all else. What more writes are further fields.
func writeLooks(out http.ResponseWriter, looks insightwire.Looks, more func(s *stream)) {
	out.Header().Set("Content-Type", "application/json")
	s := &stream{w: bufio.NewWriterSize(&patientWriter{out, http.NewResponseController(out)}, 1<<16)}
	s.open(struct {
		insightwire.Head
		Failed []insightwire.Failure `json:"failed,omitempty"`
	}{looks.Head, looks.Failed})
	s.raw(`,"loops":`)
	s.list(len(looks.Loops), func(i int) { s.loop(looks.Loops[i]) })
	if more != nil {
		more(s)
	}
	s.raw("}\n")
	s.flush()
}

// A patientWriter gives each piece of an answer its own time.
type patientWriter struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (w *patientWriter) Write(b []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(answerTime))
	return w.ResponseWriter.Write(b)
}

// A stream writes JSON piece by piece. After an error it writes nothing more: the client
// has gone, and whatever it has got is cut off.
type stream struct {
	w   *bufio.Writer
	err error
}

func (s *stream) raw(text string) {
	if s.err == nil {
		_, s.err = s.w.WriteString(text)
	}
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.w.Flush()
	}
}

func (s *stream) value(v any) {
	text, err := json.Marshal(v)
	s.raw(string(text))
	if s.err == nil {
		s.err = err
	}
}

// open writes a struct without its end.
func (s *stream) open(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.err = err
		return
	}
	s.raw(string(text[:len(text)-1]))
}

func (s *stream) list(n int, write func(i int)) {
	s.raw("[")
	for i := range n {
		if i > 0 {
			s.raw(",\n")
		}
		write(i)
	}
	s.raw("]")
}

func (s *stream) loop(k *asyncio.LoopLook) {
	head := *k
	head.Tasks = nil
	s.open(head)
	if len(k.Tasks) > 0 {
		s.raw(`,"tasks":`)
		s.list(len(k.Tasks), func(i int) { s.value(&k.Tasks[i]) })
	}
	s.raw("}")
}
