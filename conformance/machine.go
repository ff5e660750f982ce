package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// maxRounds is how often what is stuck is cancelled before the run ends.
const maxRounds = 9

// maxLines ends a program that would spawn coroutines for ever.
const maxLines = 100_000

// ErrTooLong is the error of a program that would not end.
var ErrTooLong = fmt.Errorf("conformance: more than %d lines of trace", maxLines)

// errOver ends the coroutines that are left when the trace is complete.
var errOver = errors.New("conformance: the run is over")

// A machine runs one program. All of it is for the loop's goroutine.
type machine struct {
	program   *Program
	loop      *asyncio.Loop
	trace     []string
	over      bool
	objects   map[string]any
	vars      map[string]waitable
	handles   map[string]handle
	counters  map[string]int
	tasks     []*slot
	callbacks map[string]string // tag to the path that named it first
	callers   map[callerKey][]func() bool
}

// A slot is a task and its label. The task is nil while its eager first step
// runs: nobody has been given it yet.
type slot struct {
	label string
	task  *asyncio.Task[any]
}

// A handle is what call_soon, call_later and call_at give.
type handle interface{ Cancel() }

// callerKey is a done-callback of a future: Python removes it by its identity,
// and a tag is one callback object.
type callerKey struct {
	future asyncio.Awaitable
	tag    string
}

// A frame is one activation of a coroutine: where it stands, and its open scopes.
type frame struct {
	label    string
	timeouts []*asyncio.TimeoutScope
	groups   []*asyncio.TaskGroup
	handling []error
}

// leave is what a body hands up when a return in it ended the coroutine: that
// leaves every open scope.
type leave struct{ value any }

func (l *leave) result() any {
	if l == nil {
		return nil
	}
	return l.value
}

// A call is one op as it runs.
type call struct {
	*machine
	ctx   context.Context // of the innermost scope; nil in a callback
	frame *frame          // nil in a callback
	label string
	path  string
	args  []any
}

// Run runs the program on a loop of its own, which must have a virtual clock,
// and returns the trace. The options choose the loop.
func Run(p *Program, opts ...asyncio.Option) ([]string, error) {
	loop, err := asyncio.NewLoop(opts...)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	m := &machine{
		program: p, loop: loop,
		objects: map[string]any{}, vars: map[string]waitable{}, handles: map[string]handle{},
		counters: map[string]int{}, callbacks: map[string]string{}, callers: map[callerKey][]func() bool{},
	}
	loop.SetExceptionHandler(m.unhandled)
	for name, o := range p.Objects {
		m.objects[name] = kinds[o.Kind](loop, o)
	}
	err = m.run()
	m.over = true
	if closeErr := loop.Close(); err == nil {
		err = closeErr
	}
	return m.trace, err
}

func (m *machine) run() error {
	m.spawnOnLoop("main")
	for round := 1; ; round++ {
		if err := m.loop.RunForever(); !errors.Is(err, asyncio.ErrDeadlock) {
			return fmt.Errorf("conformance: the loop ended otherwise than idle: %w", err)
		}
		if m.over {
			return ErrTooLong
		}
		var labels []string
		var left []*asyncio.Task[any]
		for _, s := range m.tasks {
			if !s.task.Done() {
				labels, left = append(labels, s.label), append(left, s.task)
			}
		}
		m.line(fmt.Sprintf("%s idle pending(%s)", m.time(), strings.Join(labels, ",")))
		if len(left) == 0 || round == maxRounds {
			break
		}
		for _, t := range left {
			t.Cancel()
		}
	}
	for _, s := range m.tasks {
		m.line("end " + s.label + " " + state(wrap(s.task)))
	}
	return nil
}

func (m *machine) time() string {
	return fmt.Sprintf("%.3f", m.loop.Time().Seconds())
}

func (m *machine) log(label, where, what string) {
	m.line(m.time() + " " + label + " " + where + " " + what)
}

func (m *machine) line(s string) {
	if m.over {
		return
	}
	m.trace = append(m.trace, s)
	m.over = len(m.trace) >= maxLines
}

// unhandled logs what a callback raised.
func (m *machine) unhandled(_ *asyncio.Loop, c asyncio.ExceptionContext) {
	if p, ok := c.Err.(*asyncio.PanicError); ok && c.Task == nil {
		m.log("cb", "-", "unhandled "+showError(p))
	}
}

// spawn starts a task. Without ctx, in a callback, the loop is asked for it.
func (m *machine) spawn(ctx context.Context, coro string, opts ...asyncio.TaskOption) *asyncio.Task[any] {
	if ctx == nil {
		return m.spawnOnLoop(coro, opts...)
	}
	s, fn := m.newSlot(coro)
	m.tasks = append(m.tasks, s)
	s.task = asyncio.CreateTask(ctx, fn, opts...)
	return s.task
}

// spawnOnLoop is spawn where no task runs.
func (m *machine) spawnOnLoop(coro string, opts ...asyncio.TaskOption) *asyncio.Task[any] {
	s, fn := m.newSlot(coro)
	m.tasks = append(m.tasks, s)
	s.task = asyncio.CreateTaskOn(m.loop, fn, opts...)
	return s.task
}

// newSlot labels a task that is to be made.
func (m *machine) newSlot(coro string) (*slot, func(context.Context) (any, error)) {
	s := &slot{label: fmt.Sprintf("%s#%d", coro, len(m.tasks))}
	return s, func(ctx context.Context) (any, error) { return m.activate(ctx, coro, s.label) }
}

// activate runs a coroutine.
func (m *machine) activate(ctx context.Context, coro, label string) (any, error) {
	left, err := m.body(ctx, &frame{label: label}, coro, m.program.Coros[coro])
	return left.result(), err
}

// body runs a list of ops, until one raises or leaves the coroutine.
func (m *machine) body(ctx context.Context, f *frame, path string, list []Op) (*leave, error) {
	for i, o := range list {
		if m.over {
			return nil, errOver
		}
		left, err := m.step(&call{m, ctx, f, f.label, fmt.Sprintf("%s.%d", path, i), o.args}, o.Name)
		if left != nil || err != nil {
			return left, err
		}
	}
	return nil, nil
}

func (m *machine) step(c *call, name string) (*leave, error) {
	d := ops[name]
	switch {
	case d.now != nil:
		c.runNow(name, d)
		return nil, nil
	case d.control != nil:
		return d.control(c)
	}
	v, err := guard(c, d.wait)
	if left, ok := v.(*leave); ok && err == nil {
		m.log(c.label, c.path+":"+name, "left")
		return left, nil
	}
	if errors.Is(err, errUnbound) {
		m.log(c.label, c.path+":"+name, "unbound")
		return nil, nil
	}
	c.report(name, v, err)
	return nil, err
}

// runNow runs an op that never waits: what it raises is logged and dropped.
func (c *call) runNow(name string, d opDef) {
	v, err := guard(c, d.now)
	if errors.Is(err, errUnbound) {
		c.log(c.label, c.path+":"+name, "unbound")
		return
	}
	c.report(name, v, err)
}

func (c *call) report(name string, v any, err error) {
	what := "= " + show(v)
	if err != nil {
		what = "! " + showError(err)
	}
	c.log(c.label, c.path+":"+name, what)
}

// guard runs an op. Where the asyncio package panics because it is misused,
// Python raises an exception like any other.
func guard(c *call, f func(*call) (any, error)) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			misuse, ok := r.(error)
			if !ok || class(misuse) == "" {
				panic(r)
			}
			v, err = nil, misuse
		}
	}()
	return f(c)
}

// callback makes a callback of a list of ops. A raise in it leaves it.
func (m *machine) callback(path string, list []Op) func() {
	return func() {
		for i, o := range list {
			if m.over {
				return
			}
			if o.Name == "raise" {
				panic(&UserError{Name: o.args[0].(string)})
			}
			c := &call{m, nil, nil, "cb", fmt.Sprintf("%s.%d", path, i), o.args}
			c.runNow(o.Name, ops[o.Name])
		}
	}
}

func (c *call) text(i int) string           { return c.args[i].(string) }
func (c *call) texts(i int) []string        { return c.args[i].([]string) }
func (c *call) count(i int) int             { return c.args[i].(int) }
func (c *call) flag(i int) bool             { return c.args[i].(bool) }
func (c *call) seconds(i int) time.Duration { return c.args[i].(time.Duration) }
func (c *call) ops(i int) []Op              { return c.args[i].([]Op) }
func (c *call) inner(letter string) string  { return c.path + "." + letter }

// enter runs an inner list of ops under the context of a scope.
func (c *call) enter(ctx context.Context, letter string, arg int) (*leave, error) {
	return c.body(ctx, c.frame, c.inner(letter), c.ops(arg))
}
