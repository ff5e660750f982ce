package look

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(asProgram); name != "" {
		if err := runProgram(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares lines with those that are kept.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	got := strings.Join(lines, "\n") + "\n"
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// terminals are those on which each command is shown.
var terminals = []Screen{{Width: 80, Height: 24}, {Width: 200, Height: 50}, {}}

func name(s *Screen, command string) string {
	if s.Width == 0 {
		return command + "-pipe"
	}
	return fmt.Sprintf("%s-%dx%d", command, s.Width, s.Height)
}

func where() *insightwire.Where {
	k := samples.Program()
	stack, dead := k.Tasks[2].Stack, samples.Deadlock()
	return &insightwire.Where{
		Looks: *samples.Looks(samples.Hung(), dead),
		Groups: []insightwire.Pack{
			{Loop: 1, Count: 4000, Longest: time.Hour, Waits: "lock", Tasks: []insightwire.Member{{ID: 3, Name: "order-1 \x1b[31mred"}, {ID: 4, Name: "order-2"}}, Stack: stack},
			{Loop: 2, Count: 2, Longest: -1, Stack: samples.Hung().Places[0].Stack},
			{Loop: 3, Count: 1, Longest: time.Second, Waits: "ready", Tasks: []insightwire.Member{{ID: 20, Name: "Task-20"}}},
		},
		Others: 7,
	}
}

func graph() *insightwire.Graph {
	return &insightwire.Graph{
		Looks: *samples.Looks(samples.Deadlock()),
		Nodes: []insightwire.Node{
			{ID: "l3t21", Kind: "task", Task: 21, Name: "debit \"x\"\\\n\x1b[31m", State: "waits", For: time.Minute, Cycle: true},
			{ID: "l3o0xa", Kind: "semaphore", Name: "semaphore", Detail: "3 of 3 taken"},
			{ID: "l3t22", Kind: "task", Task: 22, Name: "Task-22"},
		},
		Edges: []insightwire.Edge{{From: "l3t21", To: "l3o0xa", Kind: "waits", Cycle: true}, {From: "l3o0xa", To: "l3t22", Kind: "held"}},
		More:  true,
	}
}

func TestCommandsFitTheTerminal(t *testing.T) {
	all := samples.Looks(samples.Program(), samples.Hung(), samples.Deadlock())
	other := samples.Looks()
	other.Process.PID, other.Process.Program = 5000, "idle"
	for i := range terminals {
		s := &terminals[i]
		shown := map[string][]string{
			"list":   s.list([]listed{{PID: 4711, Looks: all}, {PID: 5000, Looks: other}, {PID: 5001, Error: "it does not answer"}}),
			"ps":     s.ps(all),
			"pstree": s.pstree(all, false),
			"made":   s.pstree(samples.Looks(samples.Program()), true),
			"where":  s.where(where()),
			"graph":  strings.Split(strings.TrimSuffix(dot(graph()), "\n"), "\n"),
			"watch":  watchLines(t, s),
			"web":    s.web("http://127.0.0.1:40123/?token=ABCDEFGHIJKLMNOPQRSTUVWXYZ", keyToProcess),
		}
		top := newTop(s)
		top.take(all)
		shown["top"] = top.frame()
		for command, lines := range shown {
			golden(t, name(s, command), lines)
			for _, line := range lines {
				if command != "graph" && s.Width > 0 && width(line) > s.Width {
					t.Errorf("%s: a line has %d columns: %s", name(s, command), width(line), line)
				}
				if strings.ContainsAny(line, "\x1b\u202e\r") {
					t.Errorf("%s: a control character: %q", name(s, command), line)
				}
			}
		}
		if n := len(shown["top"]); s.Height > 0 && n != s.Height {
			t.Errorf("top has %d lines on a screen of %d", n, s.Height)
		}
	}
}

// watchLines returns what watch prints of the samples.
func watchLines(t *testing.T, s *Screen) []string {
	var out bytes.Buffer
	screen := *s
	screen.Out = &out
	w := watcher{s: &screen, names: make(map[taskOf]string), stuck: make(map[uint64]bool)}
	going := samples.Hung()
	going.State = "runs"
	for _, l := range []*insightwire.Looks{samples.Looks(samples.Program(), samples.Hung()), samples.Looks(samples.Hung()), samples.Looks(going)} {
		if err := w.take(l); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestAHungLoopComesFirstAndIsRed(t *testing.T) {
	for _, s := range terminals[:2] {
		s.Color = true
		top := newTop(&s)
		all := samples.Looks(samples.Program(), samples.Hung())
		top.take(all)
		w := where()
		for command, lines := range map[string][]string{
			"ps": s.ps(all), "pstree": s.pstree(all, false), "where": s.where(w), "top": top.frame(), "list": s.list([]listed{{PID: 1, Looks: all}}),
		} {
			red := 0
			for i, line := range lines[:3] {
				if strings.HasPrefix(line, "\x1b["+styleAlarm+"m") && red == 0 {
					red = i + 1
				}
			}
			if red == 0 || red > 2 {
				t.Errorf("%s begins with %q", command, lines[:3])
			}
		}
	}
}

func TestNamesCannotSteerTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain 服务器":      "plain 服务器",
		"\x1b[2J\r\n\a":  `\x1b[2J\r\n\a`,
		"a\u202eb\u200b": `a\u202eb\u200b`,
		"\u009b31m":      `\u009b31m`,
		"\xff":           "\ufffd",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTextsAreCutByColumns(t *testing.T) {
	for _, c := range []struct {
		in, front, back string
		room            int
	}{
		{"abcdef", "ab…", "…ef", 3},
		{"abc", "abc", "abc", 3},
		{"服务器", "服…", "…器", 4},
		{"e\u0301e\u0301e\u0301", "e\u0301…", "…e\u0301", 2},
	} {
		if got := cut(c.in, c.room); got != c.front {
			t.Errorf("cut(%q, %d) = %q, want %q", c.in, c.room, got, c.front)
		}
		if got := cutFront(c.in, c.room); got != c.back {
			t.Errorf("cutFront(%q, %d) = %q, want %q", c.in, c.room, got, c.back)
		}
	}
}

func TestDurationsAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "-", 0: "0ns", 999: "999ns", 1500: "1.5µs", 99_940: "99.9µs", 99_960: "100µs", 2 * time.Millisecond: "2.0ms", 59 * time.Second: "59.0s",
		61 * time.Second: "1m01s", 47*time.Hour + 3*time.Minute: "47h03m", 100 * time.Hour: "4d04h",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestTopSortsSearchesAndScrolls(t *testing.T) {
	s := &Screen{Width: 80, Height: 14}
	v := newTop(s)
	now := time.Second
	v.take(samples.Looks(samples.Many(100, now)))
	v.take(samples.Looks(samples.Many(100, 2*now)))
	first := func() string { return strings.Fields(v.frame()[3])[1] }
	press := func(keys ...string) {
		t.Helper()
		for _, k := range keys {
			if !v.key(k) {
				t.Fatalf("%q ends it", k)
			}
		}
	}
	for _, c := range []struct {
		keys []string
		want string
	}{
		{nil, "connection-99"}, {[]string{"i"}, "connection-0"}, {[]string{"r"}, "connection-99"}, {[]string{"r", "j", "j", "\x1b[B"}, "connection-3"},
		{[]string{"k"}, "connection-2"}, {[]string{"G"}, "connection-90"}, {[]string{"g"}, "connection-0"}, {[]string{"f"}, "connection-99"}, {[]string{"s"}, "connection-12"},
		{[]string{"i", "/", "q", "\x7f", "N", "-", "7", "\r"}, "connection-7"}, {[]string{"j"}, "connection-70"},
		{[]string{"/", "x", "\x1b"}, "connection-0"}, {[]string{"w"}, "connection-1"}, {[]string{"n", " "}, "connection-15"},
	} {
		press(c.keys...)
		if got := first(); got != c.want {
			t.Errorf("after %q %s comes first, want %s", c.keys, got, c.want)
		}
	}
	for _, k := range []string{"q", "\x03"} {
		if v.key(k) {
			t.Errorf("%q does not end it", k)
		}
	}
}

func TestTopShowsAPartOfTheLoopsTimeForEachTask(t *testing.T) {
	s := &Screen{Width: 100, Height: 14}
	v := newTop(s)
	k := &asyncio.LoopLook{Loop: 1, Now: time.Second, Tasks: []asyncio.TaskLook{{ID: 1, Name: "a", Busy: time.Second / 2}}}
	v.take(samples.Looks(k))
	later := *k
	later.Now, later.Tasks = 3*time.Second, []asyncio.TaskLook{{ID: 1, Name: "a", Busy: time.Second}}
	v.take(samples.Looks(&later))
	if line := v.frame()[3]; !strings.Contains(line, "25.0") {
		t.Error(line)
	}
}

func TestKeysAreToldApart(t *testing.T) {
	got := splitKeys("a\x1b[A\x1bOB\x1b[5~é\x1b")
	want := []string{"a", "\x1b[A", "\x1b[B", "\x1b[5~", "é", "\x1b"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got)
	}
}

func FuzzTextsCannotSteerTheTerminalAndFit(f *testing.F) {
	f.Add("order \x1b[31m\u202e服务器\xff", 7)
	f.Add("e\u0301e\u0301", 1)
	f.Fuzz(func(t *testing.T, s string, room int) {
		if room < 1 || room > 200 {
			return
		}
		c := clean(s)
		if strings.ContainsFunc(c, unicode.IsControl) || strings.ContainsAny(c, "\u202e\u2066\u200f") || !utf8.ValidString(c) {
			t.Errorf("%q", c)
		}
		for _, part := range []string{cut(c, room), cutFront(c, room)} {
			if width(part) > room {
				t.Errorf("%q has %d columns, there is room for %d", part, width(part), room)
			}
		}
		for _, line := range (&Screen{Width: room}).wrap(c) {
			if room > 1 && width(line) > room {
				t.Errorf("%q has %d columns, there is room for %d", line, width(line), room)
			}
		}
	})
}

func FuzzEventsAreReadWhateverComes(f *testing.F) {
	f.Add([]byte("event: looks\ndata: {}\n\ndata: {\"version\":1}\n\n"))
	f.Add([]byte(":\n\ndata: x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 16)
		n := 0
		for {
			data, err := nextEvent(r)
			if err != nil {
				break
			}
			if n += len(data); n > len(b) {
				t.Fatal("more was read than there is")
			}
		}
	})
}

func FuzzKeysAreWhatWasTyped(f *testing.F) {
	f.Add("a\x1b[A\x1bOB\x1b[5~é\x1b")
	f.Fuzz(func(t *testing.T, s string) {
		if got := strings.Join(splitKeys(s), ""); len(got) != len(s) && utf8.ValidString(s) {
			t.Errorf("%q became %q", s, got)
		}
		v := newTop(&Screen{Width: 80, Height: 24})
		v.take(samples.Looks(samples.Program()))
		for _, k := range splitKeys(s) {
			if !v.key(k) {
				return
			}
			if n := len(v.frame()); n != 24 {
				t.Fatalf("after %q it has %d lines", k, n)
			}
		}
	})
}
