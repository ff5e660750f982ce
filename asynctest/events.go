package asynctest

import (
	"context"
	"flag"
	"fmt"
	"os"
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
		t.Errorf("asynctest: these have happened:\n%s%s", indent(e.lines), difference(e.lines, lines))
	}
}

// Golden fails the test unless the events so far stand in a file, a line each. With the
// flag -asynctest.update it writes the file.
func (e *Events) Golden(t testing.TB, file string) {
	t.Helper()
	text := ""
	for _, line := range e.lines {
		text += line + "\n"
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Errorf("asynctest: %v", err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("asynctest: %v (run the test with -asynctest.update to write it)", err)
		return
	}
	if string(want) != text {
		e.Want(t, strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")...)
	}
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

func indent(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("\t" + line + "\n")
	}
	return b.String()
}
