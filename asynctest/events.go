package asynctest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

var update = flag.Bool("asynctest.update", false, "write the golden files of asynctest.Events instead of comparing with them")

// Events is what happens in a test, in its order, each with the time on the loop's clock
// since it was made. On a virtual clock that is the same each time, so that a test can say
// what must happen when. All methods are for the loop's goroutine.
type Events struct {
	loop  *asyncio.Loop
	began time.Duration
	lines []string
}

// NewEvents makes an empty list of events of the loop of ctx. It panics where ctx belongs
// to none.
func NewEvents(ctx context.Context) *Events {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return &Events{loop: l, began: l.Time()}
}

// Add notes an event. What it is called is formatted as by [fmt.Sprintf].
func (e *Events) Add(format string, args ...any) {
	at := e.loop.Time() - e.began
	e.lines = append(e.lines, fmt.Sprintf("%v %s", at, fmt.Sprintf(format, args...)))
}

// Lines returns the events so far: "1.5s done".
func (e *Events) Lines() []string { return slices.Clone(e.lines) }

// Want fails the test unless these are the events so far.
func (e *Events) Want(t testing.TB, lines ...string) {
	t.Helper()
	if !slices.Equal(e.lines, lines) {
		t.Errorf("asynctest: %s%s", happened(e.lines), difference(e.lines, lines))
	}
}

// Golden fails the test unless the events so far stand in a file, a line each. With the
// flag -asynctest.update it writes the file, and makes its directory:
//
//	go test -run TestRetry . -asynctest.update
func (e *Events) Golden(t testing.TB, file string) {
	t.Helper()
	var lines []string // an event may have several
	for _, event := range e.lines {
		lines = append(lines, strings.Split(event, "\n")...)
	}
	if *update {
		if err := write(file, lines); err != nil {
			t.Errorf("asynctest: %v", err)
		}
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("asynctest: %v (run the test with -asynctest.update to write it)", err)
		return
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		want = append(want, strings.TrimRight(line, "\r\n")) // git may have put the former in
	}
	if !slices.Equal(lines, want) {
		t.Errorf("asynctest: %s%s\n(so %s says; run the test with -asynctest.update to write it anew)", happened(lines), difference(lines, want), file)
	}
}

func write(file string, lines []string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	text := ""
	for _, line := range lines {
		text += line + "\n"
	}
	return os.WriteFile(file, []byte(text), 0o666)
}

// difference says where two lists begin to differ.
func difference(got, want []string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	switch {
	case i == len(want):
		return fmt.Sprintf("event %d is not wanted", i+1)
	case i == len(got):
		return fmt.Sprintf("event %d is missing: %s", i+1, want[i])
	}
	return fmt.Sprintf("event %d must be: %s", i+1, want[i])
}

// happened lists what has happened.
func happened(events []string) string {
	if len(events) == 0 {
		return "nothing has happened: "
	}
	var b strings.Builder
	b.WriteString("this has happened:\n")
	for i, event := range events {
		fmt.Fprintf(&b, "%4d\t%s\n", i+1, strings.ReplaceAll(event, "\n", "\n\t"))
	}
	return b.String()
}
