package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// A LogFormat is how the access log is written.
type LogFormat uint8

const (
	// LogCommon is the common log format, of NCSA's server and all since.
	LogCommon LogFormat = iota
	// LogJSON is an object a line.
	LogJSON
	// LogNone is no log.
	LogNone
)

// ParseLogFormat reads the name of a format: common, json or none.
func ParseLogFormat(s string) (LogFormat, error) {
	for f, name := range []string{"common", "json", "none"} {
		if s == name {
			return LogFormat(f), nil
		}
	}
	return 0, fmt.Errorf("%q is no format of a log: common, json or none", s)
}

// A recorder is a response that is noted for the log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	length int64 // of a packed body that is at hand; 0: it is not known
}

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
		if h := w.Header(); h.Get("Content-Encoding") != "" {
			h.Del("Accept-Ranges") // which net/http promises
			if w.length > 0 && status == http.StatusOK {
				h.Set("Content-Length", strconv.FormatInt(w.length, 10))
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom implements [io.ReaderFrom]: what is below may send files by itself.
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.bytes += n
	return n, err
}

// Unwrap is for [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An accessLog is the log of all loops. One goroutine writes it, so that no loop
// waits for whoever reads it.
type accessLog struct {
	format LogFormat
	out    io.Writer
	errs   io.Writer

	mu     sync.Mutex // held for no longer than it takes to append a line
	lines  []byte     // that are to be written
	lost   int        // lines for which there was no room
	closed bool
	more   chan struct{}
	ended  chan struct{}
}

// maxPending is how much of the log may wait. What comes above it is counted
// and lost.
const maxPending = 4 << 20

// newAccessLog makes a log. It must be closed.
func newAccessLog(format LogFormat, out, errs io.Writer) *accessLog {
	l := &accessLog{format: format, out: out, errs: errs, more: make(chan struct{}, 1), ended: make(chan struct{})}
	go l.write()
	return l
}

// handler serves by h, and logs.
func (l *accessLog) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		if l.format != LogNone {
			defer func() { l.note(rec, r, began) }()
		}
		h.ServeHTTP(rec, r)
	})
}

// note takes a line. A request without an answer, whose client has gone, has
// nginx's status for that: 499.
func (l *accessLog) note(w *recorder, r *http.Request, began time.Time) {
	if w.status == 0 {
		w.status = 499
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	var line []byte
	if l.format == LogJSON {
		line = jsonLine(w, r, host, began)
	} else {
		line = commonLine(w, r, host, began)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines)+len(line) > maxPending {
		l.lost++
		return
	}
	l.lines = append(l.lines, line...)
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// commonLine is a line of the common log format.
func commonLine(w *recorder, r *http.Request, host string, began time.Time) []byte {
	b := make([]byte, 0, 128)
	b = append(b, host...)
	b = append(b, " - - ["...)
	b = began.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method+" "+r.RequestURI+" "+r.Proto)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, w.bytes, 10)
	return append(b, '\n')
}

// appendEscaped appends what a client has sent, so that it stays in its line and
// its quotes, and steers no terminal.
func appendEscaped(b []byte, s string) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case s[0] == '"' || s[0] == '\\':
			b = append(b, '\\', s[0])
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError && n == 1:
			for i := range n {
				b = fmt.Appendf(b, `\x%02x`, s[i])
			}
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return b
}

// jsonLine is a line of the log as JSON.
func jsonLine(w *recorder, r *http.Request, host string, began time.Time) []byte {
	b, _ := json.Marshal(struct { // texts and numbers: it cannot fail
		Time     time.Time `json:"time"`
		Remote   string    `json:"remote"`
		Method   string    `json:"method"`
		URI      string    `json:"uri"`
		Proto    string    `json:"proto"`
		Host     string    `json:"host"`
		Status   int       `json:"status"`
		Bytes    int64     `json:"bytes"`
		Duration float64   `json:"duration"` // in seconds
		Agent    string    `json:"user_agent,omitempty"`
		Referer  string    `json:"referer,omitempty"`
	}{
		began, host, r.Method, r.RequestURI, r.Proto, r.Host, w.status, w.bytes,
		time.Since(began).Seconds(), r.UserAgent(), r.Referer(),
	})
	return append(b, '\n')
}

// write writes what comes, until the log is closed and all is written.
func (l *accessLog) write() {
	defer close(l.ended)
	var lines []byte
	broken := false
	for range l.more {
		for {
			l.mu.Lock()
			lines, l.lines = l.lines, lines[:0]
			lost := l.lost
			l.lost = 0
			l.mu.Unlock()
			if lost > 0 {
				fmt.Fprintf(l.errs, "asyncio: serve: the log is not read: %d lines are lost\n", lost)
			}
			if len(lines) == 0 {
				break
			}
			if _, err := l.out.Write(lines); err != nil && !broken {
				broken = true
				fmt.Fprintf(l.errs, "asyncio: serve: the log cannot be written: %v\n", err)
			}
		}
		l.mu.Lock()
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return
		}
	}
}

// close writes what is left. No loop may use the log any more.
func (l *accessLog) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	<-l.ended
}
