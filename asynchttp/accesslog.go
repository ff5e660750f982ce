package asynchttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// A LogFormat is how an access log is written.
type LogFormat uint8

const (
	// LogCommon is the common log format, of NCSA's server and all since.
	LogCommon LogFormat = iota
	// LogCombined is the common format with referer and user agent.
	LogCombined
	// LogJSON is an object a line.
	LogJSON
)

// ErrLogLost is what an [AccessLog] tells of when lines are lost.
var ErrLogLost = errors.New("asynchttp: the access log is not read, and lines are lost")

// An AccessLog writes a line for each request that was answered. A goroutine of its
// own writes, so no loop waits for whoever reads the log; when 4 MiB wait to be
// written, what comes is lost, and counted.
//
//	log := &asynchttp.AccessLog{Out: os.Stdout}
//	defer log.Close()
//	server := &asynchttp.Server{Handler: log.Handler(mux)}
//
// Several loops may share one. The fields must not be changed after the first
// request.
type AccessLog struct {
	// Out is where the lines go.
	Out io.Writer

	// Format is how they are written; zero means [LogCommon].
	Format LogFormat

	// OnTrouble is told, on the goroutine that writes, of an error of Out, once,
	// and of lines that are lost: an error that is [ErrLogLost] and says how many.
	// Nil means nobody is.
	OnTrouble func(error)

	mu      sync.Mutex // held for no longer than it takes to append a line
	lines   []byte     // that are to be written
	lost    int        // lines for which there was no room
	closed  bool
	more    chan struct{} // made with the goroutine
	stopped chan struct{}
}

// maxPendingLog is how much of a log may wait.
const maxPendingLog = 4 << 20

// Handler returns a handler that serves by h, and logs.
func (l *AccessLog) Handler(h http.Handler) http.Handler { return Observe(h, l.Note) }

// Note takes a line for a request. It is for any goroutine, and does not wait.
func (l *AccessLog) Note(o *Observation) {
	var line []byte
	switch l.Format {
	case LogJSON:
		line = jsonLine(o)
	default:
		line = textLine(o, l.Format == LogCombined)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.lines)+len(line) > maxPendingLog {
		l.lost++
		return
	}
	if l.more == nil {
		l.more, l.stopped = make(chan struct{}, 1), make(chan struct{})
		go l.write()
	}
	l.lines = append(l.lines, line...)
	l.wake()
}

func (l *AccessLog) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// host returns the client's address without its port.
func (o *Observation) host() string {
	host, _, err := net.SplitHostPort(o.Request.RemoteAddr)
	if err != nil {
		return o.Request.RemoteAddr
	}
	return host
}

// textLine is a line of the common log format, or of the combined one.
func textLine(o *Observation, combined bool) []byte {
	r := o.Request
	b := make([]byte, 0, 128)
	b = append(b, o.host()...)
	b = append(b, " - - ["...)
	b = o.Began.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method+" "+r.RequestURI+" "+r.Proto)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(o.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, o.Bytes, 10)
	if combined {
		for _, s := range []string{r.Referer(), r.UserAgent()} {
			if s == "" {
				s = "-"
			}
			b = append(b, ` "`...)
			b = appendEscaped(b, s)
			b = append(b, '"')
		}
	}
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
func jsonLine(o *Observation) []byte {
	r := o.Request
	b, _ := json.Marshal(struct { // texts and numbers: it cannot fail
		Time     time.Time `json:"time"`
		Remote   string    `json:"remote"`
		Method   string    `json:"method"`
		URI      string    `json:"uri"`
		Proto    string    `json:"proto"`
		Host     string    `json:"host"`
		Route    string    `json:"route,omitempty"`
		Status   int       `json:"status"`
		Bytes    int64     `json:"bytes"`
		Duration float64   `json:"duration"` // in seconds
		Agent    string    `json:"user_agent,omitempty"`
		Referer  string    `json:"referer,omitempty"`
	}{
		o.Began, o.host(), r.Method, r.RequestURI, r.Proto, r.Host, o.Route, o.Status, o.Bytes,
		o.Duration.Seconds(), r.UserAgent(), r.Referer(),
	})
	return append(b, '\n')
}

// write writes what comes, until the log is closed and all is written.
func (l *AccessLog) write() {
	defer close(l.stopped)
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
				l.trouble(fmt.Errorf("%w: %d lines", ErrLogLost, lost))
			}
			if len(lines) == 0 {
				break
			}
			if _, err := l.Out.Write(lines); err != nil && !broken {
				broken = true
				l.trouble(fmt.Errorf("asynchttp: the access log cannot be written: %w", err))
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

func (l *AccessLog) trouble(err error) {
	if l.OnTrouble != nil {
		l.OnTrouble(err)
	}
}

// Close writes what is left, waits until it is written, and ends the log: what is
// noted after it is lost. It blocks, and so is not for a loop's goroutine, but at the
// end of a program.
func (l *AccessLog) Close() error {
	l.mu.Lock()
	l.closed = true
	stopped := l.stopped
	if stopped != nil {
		l.wake()
	}
	l.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	return nil
}
