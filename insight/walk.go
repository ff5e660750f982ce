package insight

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// maxLooking is how many loops are looked into at once, of a thousand perhaps.
const maxLooking = 16

// A walker is told of loops and their tasks: of each task of one loop, and then of the
// loop itself, without its tasks. What it is given is its own until it returns.
type walker interface {
	task(loop uint64, t *asyncio.TaskLook)
	loop(k *asyncio.LoopLook)
}

// walk looks into all loops at once, or into one, so that one that hangs holds nobody
// up; but tells of one after another, in their order. Of the tasks only few are held at
// a time, however many there are. It returns the loops that could not be looked into.
func (w *window) walk(ctx context.Context, only uint64, patience time.Duration, o func(loop uint64) asyncio.LookOptions, to walker) (failed []insightwire.Failure) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := w.chosenSubjects(only)
	looks := make([]*walkedLoop, len(all))
	begin := func(i int) {
		if i < len(all) {
			looks[i] = beginWalk(ctx, all[i], patience, o(all[i].ID()), to)
		}
	}
	for i := range maxLooking {
		begin(i)
	}
	for i := range looks {
		x := looks[i]
		close(x.turn)
		<-x.done
		begin(i + maxLooking)
		switch {
		case x.err == nil:
			to.loop(x.look)
			continue
		case x.told: // what was told of has an end
			to.loop(&asyncio.LoopLook{Loop: all[i].ID(), State: "stopped", More: true})
		}
		if !errors.Is(x.err, asyncio.ErrLoopClosed) { // it ended while it was asked
			failed = append(failed, insightwire.Failure{Loop: all[i].ID(), Error: x.err.Error()})
		}
	}
	return failed
}

// A walkedLoop is a loop that is being looked into.
type walkedLoop struct {
	turn chan struct{} // closed when its tasks may be told of
	done chan struct{} // closed when what follows is there
	look *asyncio.LoopLook
	err  error
	told bool // of a task
}

func beginWalk(ctx context.Context, s subject, patience time.Duration, o asyncio.LookOptions, to walker) *walkedLoop {
	x := &walkedLoop{turn: make(chan struct{}), done: make(chan struct{})}
	id := s.ID()
	o.Each = func(t *asyncio.TaskLook) {
		select {
		case <-x.turn:
		case <-ctx.Done():
			return
		}
		x.told = true
		to.task(id, t)
	}
	go func() {
		defer close(x.done)
		x.look, x.err = s.Look(ctx, patience, o)
	}()
	return x
}

// inCycles returns the tasks of a loop that wait for each other, without their stacks:
// circles are known when all tasks were told of.
func (w *window) inCycles(ctx context.Context, k *asyncio.LoopLook, patience time.Duration) []asyncio.TaskLook {
	c := cycleTasks{of: make(map[uint64]bool)}
	for _, cycle := range k.Cycles {
		for _, id := range cycle {
			c.of[id] = true
		}
	}
	if len(c.of) > 0 {
		w.walk(ctx, k.Loop, patience, func(uint64) asyncio.LookOptions { return asyncio.LookOptions{Tasks: allTasks} }, &c)
	}
	return c.tasks
}

type cycleTasks struct {
	of    map[uint64]bool
	tasks []asyncio.TaskLook
}

func (c *cycleTasks) task(_ uint64, t *asyncio.TaskLook) {
	if c.of[t.ID] {
		c.tasks = append(c.tasks, copyOf(t))
	}
}

func (c *cycleTasks) loop(*asyncio.LoopLook) {}

// copyOf returns a task to keep.
func copyOf(t *asyncio.TaskLook) asyncio.TaskLook {
	k := *t
	if t.Waits != nil {
		w := *t.Waits
		w.Tasks = slices.Clone(w.Tasks)
		k.Waits = &w
	}
	return k
}
