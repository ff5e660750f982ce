package asynchttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestALogLineStaysInItsLine(t *testing.T) {
	for s, want := range map[string]string{
		"a\"b\\\n\x1b[1m\xff\u0085é": `a\"b\\\x0a\x1b[1m\xff\xc2\x85é`,
		" ~\u00a0\ufffd":             " ~\u00a0\ufffd",
		"\x1f\x7f\u0080\u009f":       `\x1f\x7f\xc2\x80\xc2\x9f`,
	} {
		if got := string(appendEscaped(nil, s)); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

// A reader that does not read makes the log lose lines, and say so.
func TestALogThatNobodyReadsIsBounded(t *testing.T) {
	out := &blocked{began: make(chan struct{}), goOn: make(chan struct{})}
	var troubles []error
	l := &AccessLog{Out: out, OnTrouble: func(err error) { troubles = append(troubles, err) }}
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = "/" + strings.Repeat("x", 100_000)
	o := &Observation{Request: r, Status: 200}
	l.Note(o)
	<-out.began
	const lines = 100
	for range lines {
		l.Note(o)
	}
	if len(l.lines) > maxPendingLog || l.lost == 0 {
		t.Errorf("%d bytes wait, %d lines are lost", len(l.lines), l.lost)
	}
	lost := l.lost
	close(out.goOn)
	l.Close()
	if err := errors.Join(troubles...); !errors.Is(err, ErrLogLost) || !strings.Contains(err.Error(), fmt.Sprintf("%d lines", lost)) {
		t.Errorf("%v, want %d lines", err, lost)
	}
	if want := (lines + 1 - lost) * 100_000; out.written < want {
		t.Errorf("%d bytes written, want more than %d", out.written, want)
	}
	l.Note(o) // is lost
	l.Close()
	new(AccessLog).Close() // has no goroutine
}

// As much may wait as there is room for, and no byte more; what is too much is
// counted, and told once.
func TestALogIsFullAtItsLastByte(t *testing.T) {
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &Observation{Request: r, Status: 200}
	line := len(textLine(o, false))
	for over := range 2 {
		var told []string
		l := &AccessLog{Out: io.Discard, OnTrouble: func(err error) { told = append(told, err.Error()) }}
		l.more, l.stopped = make(chan struct{}, 1), make(chan struct{}) // and nobody writes yet
		l.lines = make([]byte, maxPendingLog-line+over)
		for range 3 - over {
			l.Note(o)
		}
		if l.lost != 2 || len(l.lines) > maxPendingLog {
			t.Errorf("%d lines are lost, and %d bytes wait", l.lost, len(l.lines))
		}
		go l.write()
		l.Close()
		if len(told) != 1 || told[0] != ErrLogLost.Error()+": 2 lines" || l.lost != 0 {
			t.Errorf("it was told %q", told)
		}
		l.Note(o)
		if l.lost != 1 || len(l.lines) != 0 {
			t.Errorf("after its end %d lines are lost, and %d bytes wait", l.lost, len(l.lines))
		}
	}
}

func TestAClientIsNamedWithoutItsPort(t *testing.T) {
	for addr, want := range map[string]string{"1.2.3.4:5": "1.2.3.4", "[::1]:5": "::1", "@": "@", "": ""} {
		o := &Observation{Request: &http.Request{RemoteAddr: addr}}
		if got := o.host(); got != want {
			t.Errorf("%q: got %q", addr, got)
		}
	}
}

func TestALogThatCannotBeWrittenSaysSoOnce(t *testing.T) {
	said := 0
	l := &AccessLog{Out: full{}, OnTrouble: func(err error) {
		if said++; !errors.Is(err, errFull) {
			t.Error(err)
		}
	}}
	r, _ := http.NewRequest("GET", "/", nil)
	for range 3 {
		l.Note(&Observation{Request: r, Status: 200})
	}
	l.Close()
	if said != 1 {
		t.Errorf("it said so %d times", said)
	}
}

var errFull = errors.New("the disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// blocked is a writer that waits.
type blocked struct {
	began, goOn chan struct{}
	written     int
}

func (b *blocked) Write(p []byte) (int, error) {
	if b.written == 0 {
		close(b.began)
		<-b.goOn
	}
	b.written += len(p)
	return len(p), nil
}
