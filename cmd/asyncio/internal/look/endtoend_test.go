package look

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

// module begins the names of all functions of this module.
const module = "github.com/asyncio-go/asyncio"

// What the system chooses: ports, numbers of processes, where programs are.
var (
	ports     = regexp.MustCompile(`:\d+`)
	processes = regexp.MustCompile(`^\d+ \S*/`)
)

// mask makes looks of a real program the same each time: times, numbers of the system,
// lines of the library, and functions of Go's own, which other versions have elsewhere.
func mask(l *insightwire.Looks) {
	head := samples.Head()
	head.Process.Module = l.Process.Module
	l.Head = head
	for _, k := range l.Loops {
		k.Loop, k.State, k.Now, k.Busy, k.Took, k.Held, k.Unseen = 1, "parked", time.Minute, 0, 0, 0, 0
		k.Stats = asyncio.Stats{Tasks: k.Stats.Tasks, Timers: k.Stats.Timers, Jobs: k.Stats.Jobs}
		for i := range k.Tasks {
			t := &k.Tasks[i]
			t.For, t.Busy, t.Steps = time.Second, 0, 0
			t.Stack = maskStack(t.Stack)
			if t.At != nil {
				t.At = &maskStack([]asyncio.FrameLook{*t.At})[0]
			}
			if w := t.Waits; w != nil {
				w.Detail = processes.ReplaceAllString(ports.ReplaceAllString(w.Detail, ":N"), "N ")
				if w.Until > 0 {
					w.Until = k.Now + time.Hour
				}
			}
		}
	}
}

func maskStack(stack []asyncio.FrameLook) []asyncio.FrameLook {
	stack = slices.DeleteFunc(slices.Clone(stack), func(f asyncio.FrameLook) bool { return !strings.HasPrefix(f.Function, module) })
	for i := range stack {
		stack[i].File, stack[i].Line = "/src/"+path.Base(filepath.ToSlash(stack[i].File)), 1
	}
	return stack
}

// masked asks a process as a command does, and masks what it has got.
func masked(t *testing.T, pid string, v any, looks *insightwire.Looks, route string, parameters ...string) {
	t.Helper()
	tg, err := find(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	if err := tg.get(t.Context(), v, route, parameters...); err != nil {
		t.Fatal(err)
	}
	mask(looks)
}

func TestCommandsOnAProgramWithGroupsLocksQueuesStreamsAndAProcess(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "nested")
	looks, places, g := new(insightwire.Looks), new(insightwire.Where), new(insightwire.Graph)
	masked(t, pid, looks, looks, "/v1/loops", "stacks", "1")
	masked(t, pid, places, &places.Looks, "/v1/where")
	masked(t, pid, g, &g.Looks, "/v1/graph")
	for i := range places.Groups {
		p := &places.Groups[i]
		p.Loop, p.Longest, p.Stack = 1, time.Second, maskStack(p.Stack)
	}
	names := make(map[string]string) // of nodes
	for i := range g.Nodes {
		n := &g.Nodes[i]
		names[n.ID] = fmt.Sprintf("n%d", i)
		n.ID, n.For = names[n.ID], time.Second
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		e.From, e.To = names[e.From], names[e.To]
	}
	for i := range terminals {
		s := &terminals[i]
		top := newTop(s)
		top.by = 'i'
		top.take(looks)
		for command, lines := range map[string][]string{
			"list": s.list([]listed{{PID: 4711, Looks: looks}}), "ps": s.ps(looks), "pstree": s.pstree(looks, false),
			"where": s.where(places), "graph": strings.Split(strings.TrimSuffix(dot(g), "\n"), "\n"), "top": top.frame(),
		} {
			golden(t, name(s, "real-"+command), lines)
		}
	}
}

// What cancel and record say, with the size of the record masked.
func TestShortAnswersFitTheTerminal(t *testing.T) {
	ownDirectory(t)
	sizes := regexp.MustCompile(`has \d+ bytes`)
	for i := range terminals {
		s := terminals[i]
		shown := make(map[string][]string)
		t.Run("asked", func(t *testing.T) {
			pid := startProgram(t, "nested")
			t.Chdir(t.TempDir()) // where record puts its file
			shown["cancel"] = run(t, s, func(s *Screen) error { return Cancel(t.Context(), s, pid, "6", 0, Options{}) })
			lines := run(t, s, func(s *Screen) error {
				return Record(t.Context(), s, io.Discard, pid, Options{}, RecordOptions{Seconds: 1, Megabytes: 1, File: "shop.zip"})
			})
			shown["record"] = s.wrap(sizes.ReplaceAllString(strings.Join(lines, " "), "has 123456 bytes"))
		})
		for command, lines := range shown {
			golden(t, name(&s, "real-"+command), lines)
			for _, line := range lines {
				if s.Width > 0 && width(line) > s.Width {
					t.Errorf("%s: a line has %d columns: %s", name(&s, command), width(line), line)
				}
			}
		}
	}
}

func TestEachCommandPrintsJSON(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "nested")
	o, ctx := Options{JSON: true}, t.Context()
	for command, fn := range map[string]func(s *Screen) error{
		"list":   func(s *Screen) error { return List(ctx, s, o) },
		"ps":     func(s *Screen) error { return PS(ctx, s, pid, o) },
		"pstree": func(s *Screen) error { return PSTree(ctx, s, pid, o, false) },
		"where":  func(s *Screen) error { return Where(ctx, s, pid, o) },
		"graph":  func(s *Screen) error { return Graph(ctx, s, io.Discard, pid, o, false) },
		"dump":   func(s *Screen) error { return Dump(ctx, s, pid, true) },
		"record": func(s *Screen) error {
			return Record(ctx, s, io.Discard, pid, o, RecordOptions{Seconds: 1, Megabytes: 1, File: filepath.Join(t.TempDir(), "r.zip")})
		},
		"cancel": func(s *Screen) error { return Cancel(ctx, s, pid, "6", 0, o) },
	} {
		var v any
		if text := strings.Join(run(t, Screen{}, fn), "\n"); json.Unmarshal([]byte(text), &v) != nil || !strings.Contains(text, `"`) {
			t.Errorf("%s: %.200s", command, text)
		}
	}
}

func TestACancelledTaskEndsAndWatchTellsOfIt(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "nested")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	watched := make(chan error, 1)
	go func() {
		watched <- Watch(ctx, &Screen{Out: w}, pid, Options{})
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "watching process ") {
		t.Errorf("watch begins with %q", lines.Text())
	}
	if lines := run(t, Screen{}, func(s *Screen) error { return Cancel(ctx, s, pid, "6", 0, Options{}) }); lines[0] != `asked 6 "ticker \x1b[31m" of loop 1 to end` {
		t.Errorf("%q", lines)
	}
	told := false
	for !told && lines.Scan() {
		told = strings.HasSuffix(lines.Text(), `ended   6 "ticker \x1b[31m"`)
	}
	cancel()
	_ = r.Close()
	<-watched
	if !told {
		t.Error("watch has told nothing")
	}
	err := Cancel(t.Context(), &Screen{Out: io.Discard}, pid, "6", 0, Options{})
	if err == nil || !strings.Contains(err.Error(), "has no task 6") {
		t.Errorf("the task is to be cancelled once more: %v", err)
	}
}

// lineOf returns the line of the test program that has a comment.
func lineOf(t *testing.T, comment string) string { return lineIn(t, "program_test.go", comment) }

// lineIn returns the line of a file that has a comment.
func lineIn(t *testing.T, file, comment string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "// "+comment) {
			return filepath.Base(file) + ":" + strconv.Itoa(i+1)
		}
	}
	t.Fatal("it has no such line")
	return ""
}

func TestALoopThatHangsIsNamedByAllCommands(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "hangs")
	ctx := t.Context()
	want := `task 2 "writer" is blocked in sync.Mutex.Lock at ` + lineOf(t, "the line that is named")
	for command, fn := range map[string]func(s *Screen) error{
		"list":   func(s *Screen) error { return List(ctx, s, Options{}) },
		"ps":     func(s *Screen) error { return PS(ctx, s, pid, Options{}) },
		"pstree": func(s *Screen) error { return PSTree(ctx, s, pid, Options{}, false) },
		"where":  func(s *Screen) error { return Where(ctx, s, pid, Options{}) },
		"graph":  func(s *Screen) error { return Graph(ctx, s, s.Out, pid, Options{}, false) },
		"top":    func(s *Screen) error { return Top(ctx, s, strings.NewReader(""), pid, Options{}) },
	} {
		lines := run(t, Screen{}, fn)
		if command == "list" { // others may hang on this machine, too
			ours := func(line string) bool { return strings.HasPrefix(line, "process "+pid+" ") }
			lines = lines[max(0, slices.IndexFunc(lines, ours)):]
		}
		if !strings.Contains(strings.Join(lines[:min(2, len(lines))], "\n"), want) {
			t.Errorf("%s begins with %q", command, lines)
		}
	}
	lines := run(t, Screen{}, func(s *Screen) error { return Cancel(ctx, s, pid, "2", 0, Options{}) })
	if !strings.Contains(lines[0], "does not answer: task 2 will be asked to end when the loop goes on") {
		t.Errorf("%q", lines)
	}
	file := filepath.Join(t.TempDir(), "r.zip")
	run(t, Screen{}, func(s *Screen) error {
		return Record(ctx, s, io.Discard, pid, Options{}, RecordOptions{Seconds: 1, Megabytes: 1, File: file})
	})
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 4 {
		t.Errorf("the record has %d files", len(z.File))
	}
}

func TestADeadlockIsNamedWhileTheRestGoesOn(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "deadlock")
	want := `DEADLOCK: 2 "debit" waits for 3 "credit" waits for 2 "debit"`
	for command, fn := range map[string]func(s *Screen) error{
		"list":  func(s *Screen) error { return List(t.Context(), s, Options{}) },
		"ps":    func(s *Screen) error { return PS(t.Context(), s, pid, Options{}) },
		"where": func(s *Screen) error { return Where(t.Context(), s, pid, Options{}) },
	} {
		if text := strings.Join(run(t, Screen{}, fn), "\n"); !strings.Contains(text, want) {
			t.Errorf("%s: %s", command, text)
		}
	}
}

func TestTenThousandTasksAreTwoPlaces(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "many")
	lines := run(t, Screen{}, func(s *Screen) error { return Where(t.Context(), s, pid, Options{}) })
	text := strings.Join(lines, "\n")
	for _, want := range []string{"5001 tasks waiting for sleep", "4999 tasks waiting for lock"} {
		if !strings.Contains(text, want) && !strings.Contains(text, strings.Replace(want, "5001", "5000", 1)) {
			t.Errorf("%q is missing in %.2000s", want, text)
		}
	}
	if len(lines) > 40 {
		t.Errorf("it takes %d lines", len(lines))
	}
	all := run(t, Screen{}, func(s *Screen) error { return PS(t.Context(), s, pid, Options{}) })
	if len(all) < 10_000 {
		t.Errorf("ps shows %d lines", len(all))
	}
	some := run(t, Screen{}, func(s *Screen) error { return PS(t.Context(), s, pid, Options{Tasks: 10}) })
	if len(some) > 20 || !strings.Contains(some[len(some)-1], "more: --tasks 0 shows all") {
		t.Errorf("%q", some)
	}
}

func TestTheGraphIsReadByGraphviz(t *testing.T) {
	if _, err := exec.LookPath("dot"); err != nil {
		t.Skip("there is no Graphviz here")
	}
	ownDirectory(t)
	pid := startProgram(t, "deadlock")
	var text string
	for range 10 { // a busy machine may have held up the loop, which is looked at from outside then
		text = strings.Join(run(t, Screen{}, func(s *Screen) error { return Graph(t.Context(), s, io.Discard, pid, Options{}, true) }), "\n")
		if strings.Contains(text, "held by") {
			break
		}
	}
	for _, want := range []string{"<svg", "debit [2]", "held by"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %.500s", want, text)
		}
	}
}
