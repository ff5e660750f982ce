package look

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

const (
	topPeriod = time.Second
	topTasks  = 20_000 // the most that are sorted
)

// Top shows the tasks of a process again and again, until a key ends it. On what is no
// terminal it shows them once; as JSON, a line a second.
func Top(ctx context.Context, s *Screen, in io.Reader, arg string, o Options) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	if o.JSON {
		err = t.follow(ctx, func(l *insightwire.Looks) error { return s.writeJSON(l) }, "tasks", strconv.Itoa(topTasks), "stacks", "top")
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	v := newTop(s)
	l, err := t.looks(ctx, topTasks, "stacks", "top")
	if err != nil {
		return err
	}
	v.take(l)
	tty, ok := in.(*os.File)
	if s.Size == nil || !ok || !term.IsTerminal(int(tty.Fd())) {
		return s.print(v.frame()...)
	}
	return v.run(ctx, t, tty)
}

// A top is the state of the screen.
type top struct {
	s       *Screen
	looks   *insightwire.Looks
	before  map[taskOf]time.Duration // how long tasks were busy, when they were looked at last
	now     map[uint64]time.Duration // the loops' clocks then
	ratio   map[taskOf]float64
	by      byte
	reverse bool
	loop    int // which loop's tasks are shown
	scroll  int
	filter  string
	typing  bool // the filter is being typed
	gone    error
}

func newTop(s *Screen) *top { return &top{s: s, by: 'b'} }

// take takes new looks.
func (v *top) take(l *insightwire.Looks) {
	before, now := make(map[taskOf]time.Duration), make(map[uint64]time.Duration)
	v.ratio = make(map[taskOf]float64)
	for _, k := range l.Loops {
		now[k.Loop] = k.Now
		passed := k.Now - v.now[k.Loop]
		for _, t := range k.Tasks {
			id := taskOf{k.Loop, t.ID}
			before[id] = t.Busy
			if last, ok := v.before[id]; ok && passed > 0 && t.Busy > last {
				v.ratio[id] = min(1, float64(t.Busy-last)/float64(passed))
			}
		}
	}
	v.looks, v.before, v.now = l, before, now
	v.loop = min(v.loop, max(0, len(l.Loops)-1))
}

// sorts are the keys by which tasks are sorted.
var sorts = []struct {
	key     byte
	name    string
	compare func(v *top, loop uint64, a, b *asyncio.TaskLook) int
}{
	{'b', "busy", func(v *top, loop uint64, a, b *asyncio.TaskLook) int {
		return cmp.Or(cmp.Compare(v.ratio[taskOf{loop, b.ID}], v.ratio[taskOf{loop, a.ID}]), cmp.Compare(b.Busy, a.Busy))
	}},
	{'f', "for", func(_ *top, _ uint64, a, b *asyncio.TaskLook) int { return cmp.Compare(b.For, a.For) }},
	{'s', "steps", func(_ *top, _ uint64, a, b *asyncio.TaskLook) int { return cmp.Compare(b.Steps, a.Steps) }},
	{'n', "name", func(_ *top, _ uint64, a, b *asyncio.TaskLook) int { return cmp.Compare(a.Name, b.Name) }},
	{'w', "waits", func(_ *top, _ uint64, a, b *asyncio.TaskLook) int { return cmp.Compare(waitKind(a), waitKind(b)) }},
	{'i', "id", func(_ *top, _ uint64, a, b *asyncio.TaskLook) int { return 0 }},
}

func waitKind(t *asyncio.TaskLook) string {
	if t.Waits == nil {
		return ""
	}
	return t.Waits.Kind
}

// tasks returns the tasks that are shown, sorted.
func (v *top) tasks(k *asyncio.LoopLook) []asyncio.TaskLook {
	tasks := slices.Clone(k.Tasks)
	if v.filter != "" {
		want := strings.ToLower(v.filter)
		tasks = slices.DeleteFunc(tasks, func(t asyncio.TaskLook) bool {
			at := ""
			if t.At != nil {
				at = t.At.Function + " " + t.At.File
			}
			return !strings.Contains(strings.ToLower(t.Name+" "+t.State+" "+waitKind(&t)+" "+at), want)
		})
	}
	for _, by := range sorts {
		if by.key == v.by {
			slices.SortStableFunc(tasks, func(a, b asyncio.TaskLook) int {
				return cmp.Or(by.compare(v, k.Loop, &a, &b), cmp.Compare(a.ID, b.ID))
			})
		}
	}
	if v.reverse {
		slices.Reverse(tasks)
	}
	return tasks
}

// maxTopHeads is how much of the screen what comes before the tasks may take.
const maxTopHeads = 2 // a half

// frame returns what the screen shows. It has as many lines as the screen at most.
func (v *top) frame() []string {
	s := v.s
	lines := s.heads(v.looks)
	if s.Height > 0 && len(lines) > s.Height/maxTopHeads {
		lines = append(lines[:s.Height/maxTopHeads-1], s.style("...", styleFaint))
	}
	if v.gone != nil {
		lines = append(lines, s.style(s.fit(clean(v.gone.Error())), styleAlarm))
	}
	if len(v.looks.Loops) > 0 {
		k := v.looks.Loops[v.loop]
		tasks := v.tasks(k)
		room := len(tasks)
		if s.Height > 0 {
			room = max(0, s.Height-len(lines)-2) // the titles and the keys
		}
		v.scroll = max(0, min(v.scroll, len(tasks)-room))
		shown := tasks[v.scroll:min(len(tasks), v.scroll+room)]
		lines = append(lines, v.table(k, shown).lines(s)...)
	}
	if s.Height > 0 {
		for len(lines) < s.Height-1 {
			lines = append(lines, "")
		}
		lines = append(lines[:s.Height-1], s.style(v.keys(), styleHead))
	}
	return lines
}

func (v *top) table(k *asyncio.LoopLook, tasks []asyncio.TaskLook) *table {
	names := namesOf(k)
	t := &table{columns: []column{
		{title: "ID", right: true}, {title: "NAME", least: 10}, {title: "STATE", style: stateStyle}, {title: "FOR", right: true}, {title: "BUSY%", right: true},
		{title: "BUSY", right: true, from: 100}, {title: "STEPS", right: true}, {title: "CANCELS", right: true, from: 140}, {title: "WAITS FOR", least: 14}, {title: "AT", least: 10, front: true}, {title: "FUNCTION", least: 10, from: 120, front: true}, {title: "MADE BY", least: 8, from: 160},
	}}
	for i := range tasks {
		x := &tasks[i]
		busy := ""
		if r := v.ratio[taskOf{k.Loop, x.ID}]; r > 0 {
			busy = fmt.Sprintf("%.1f", 100*r)
		}
		made := ""
		if x.Parent != 0 {
			made = who(x.Parent, names)
		}
		cancels := ""
		if x.Cancels > 0 {
			cancels = strconv.Itoa(x.Cancels)
		}
		t.add(strconv.FormatUint(x.ID, 10), clean(x.Name), clean(x.State), duration(x.For), busy, duration(x.Busy),
			strconv.FormatUint(uint64(x.Steps), 10), cancels, waits(k, x, names), place(x.At), function(x.Function), made)
	}
	return t
}

// keys returns the last line.
func (v *top) keys() string {
	if v.typing {
		return v.pad("search: " + clean(v.filter) + "_  (Enter: keep, Esc: all)")
	}
	var b strings.Builder
	b.WriteString("q quit  sort:")
	for _, by := range sorts {
		mark := ""
		if by.key == v.by {
			mark = "*"
		}
		fmt.Fprintf(&b, " %s%s", by.name, mark)
	}
	b.WriteString("  r reverse  / search")
	if v.filter != "" {
		b.WriteString(" " + strconv.Quote(v.filter))
	}
	if len(v.looks.Loops) > 1 {
		b.WriteString("  l loop")
	}
	b.WriteString("  space: page")
	return v.pad(b.String())
}

func (v *top) pad(line string) string {
	line = v.s.fit(line)
	return line + strings.Repeat(" ", max(0, v.s.Width-width(line)))
}

// key does what a key or a sequence of a terminal says, and reports whether to go on.
func (v *top) key(k string) bool {
	if v.typing {
		return v.typed(k)
	}
	page := max(1, v.s.Height/2)
	switch k {
	case "q", "Q", "\x03":
		return false
	case "r":
		v.reverse = !v.reverse
	case "l":
		v.loop, v.scroll = (v.loop+1)%max(1, len(v.looks.Loops)), 0
	case "/":
		v.typing, v.filter, v.scroll = true, "", 0
	case "\x1b[A", "k":
		v.scroll--
	case "\x1b[B", "j":
		v.scroll++
	case "\x1b[5~":
		v.scroll -= page
	case "\x1b[6~", " ":
		v.scroll += page
	case "\x1b[H", "g":
		v.scroll = 0
	case "\x1b[F", "G":
		v.scroll = topTasks
	default:
		for _, by := range sorts {
			if k == string(by.key) {
				v.by, v.scroll = by.key, 0
			}
		}
	}
	return true
}

// typed takes a key of the text to search for.
func (v *top) typed(k string) bool {
	switch {
	case k == "\x03":
		return false
	case k == "\r" || k == "\n":
		v.typing = false
	case k == "\x1b":
		v.typing, v.filter = false, ""
	case k == "\x7f" || k == "\b":
		if r := []rune(v.filter); len(r) > 0 {
			v.filter = string(r[:len(r)-1])
		}
	case len(k) > 0 && k[0] >= ' ' && len(v.filter) < 100:
		v.filter += k
	}
	return true
}

// run draws on a terminal until a key ends it.
func (v *top) run(ctx context.Context, t *target, tty *os.File) error {
	old, err := term.MakeRaw(int(tty.Fd()))
	if err != nil {
		return err
	}
	defer term.Restore(int(tty.Fd()), old)
	_, _ = io.WriteString(v.s.Out, "\x1b[?1049h\x1b[?25l")
	defer io.WriteString(v.s.Out, "\x1b[?25h\x1b[?1049l")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keys := make(chan string)
	go readKeys(ctx, tty, keys)
	looks := make(chan *insightwire.Looks)
	gone := make(chan error, 1)
	go func() {
		tick := time.NewTicker(topPeriod)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			l, err := t.looks(ctx, topTasks, "stacks", "top")
			if err != nil {
				gone <- err
				return
			}
			select {
			case looks <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		v.s.Width, v.s.Height = v.s.Size()
		if err := v.draw(); err != nil {
			return err
		}
		select {
		case k, ok := <-keys:
			if !ok || !v.key(k) {
				return nil
			}
		case l := <-looks:
			v.take(l)
		case v.gone = <-gone:
		case <-ctx.Done():
			return nil
		}
	}
}

// draw draws the screen over the last one, so that it does not flicker.
func (v *top) draw() error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	lines := v.frame()
	for i, line := range lines {
		b.WriteString(line + "\x1b[K")
		if i < len(lines)-1 {
			b.WriteString("\r\n")
		}
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(v.s.Out, b.String())
	return err
}

// readKeys sends keys, and sequences that a terminal makes of keys. What comes at once
// is one sequence, or some typed runes. It ends with the process: a read of a terminal
// cannot be cut off.
func readKeys(ctx context.Context, tty io.Reader, keys chan<- string) {
	defer close(keys)
	b := make([]byte, 64)
	for {
		n, err := tty.Read(b)
		if err != nil {
			return
		}
		for _, k := range splitKeys(string(b[:n])) {
			select {
			case keys <- k:
			case <-ctx.Done():
				return
			}
		}
	}
}

// splitKeys returns the keys of what a terminal has sent at once.
func splitKeys(s string) (keys []string) {
	for s != "" {
		n := 1
		switch {
		case strings.HasPrefix(s, "\x1b[") || strings.HasPrefix(s, "\x1bO"):
			for n = 2; n < len(s) && (s[n] < '@' || s[n] > '~'); n++ {
			}
			n = min(n+1, len(s))
		default:
			_, n = utf8.DecodeRuneInString(s)
		}
		keys = append(keys, strings.Replace(s[:n], "\x1bO", "\x1b[", 1))
		s = s[n:]
	}
	return keys
}
