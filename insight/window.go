package insight

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// defaultPatience is how long a loop may take to answer before it is looked at from
// outside.
const defaultPatience = 80 * time.Millisecond

// A subject is a loop, as far as it is looked at.
type subject interface {
	ID() uint64
	Look(ctx context.Context, patience time.Duration, o asyncio.LookOptions) (*asyncio.LoopLook, error)
	CallSoonThreadsafe(fn func()) (*asyncio.Handle, error)
	TaskByID(id uint64) asyncio.AnyTask
}

// A window is what is known of this process. Its methods may be called in any goroutine.
type window struct {
	subjects  func() []subject
	incidents func(fn func(asyncio.Incident)) (stop func())
	process   insightwire.Process
}

func newWindow() *window {
	w := &window{
		subjects:  loops,
		incidents: asyncio.NotifyIncidents,
		process:   insightwire.Process{PID: os.Getpid(), Go: runtime.Version(), Started: time.Now()},
	}
	if exe, err := os.Executable(); err == nil {
		w.process.Program = strings.TrimSuffix(filepath.Base(exe), ".exe")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		w.process.Module = info.Main.Path
	}
	return w
}

// loops returns the loops of the process by their numbers.
func loops() (all []subject) {
	for _, l := range asyncio.Loops() {
		all = append(all, l)
	}
	return all
}

func (w *window) head() insightwire.Head {
	return insightwire.Head{Version: insightwire.Version, At: time.Now(), Process: w.process}
}

// chosenSubjects returns the loop of that number, or all loops for 0.
func (w *window) chosenSubjects(only uint64) []subject {
	all := w.subjects()
	if only != 0 {
		all = slices.DeleteFunc(all, func(s subject) bool { return s.ID() != only })
	}
	return all
}

// looks looks into all loops at once, or into one, as walk does, for no more tasks than
// can be held. The options may be of each loop's own.
//
//asyncvet:ignore blocking a request that came in on a loop is served in a thread
func (w *window) looks(ctx context.Context, only uint64, patience time.Duration, o func(loop uint64) asyncio.LookOptions) insightwire.Looks {
	all := w.chosenSubjects(only)
	type answer struct {
		look *asyncio.LoopLook
		err  error
	}
	answers := make([]answer, len(all))
	var asked sync.WaitGroup
	slots := make(chan struct{}, maxLooking)
	for i, s := range all {
		slots <- struct{}{}
		asked.Go(func() {
			defer func() { <-slots }()
			answers[i].look, answers[i].err = s.Look(ctx, patience, o(s.ID()))
		})
	}
	asked.Wait()
	r := insightwire.Looks{Head: w.head(), Loops: []*asyncio.LoopLook{}}
	for i, a := range answers {
		switch {
		case a.err == nil:
			r.Loops = append(r.Loops, a.look)
		case errors.Is(a.err, asyncio.ErrLoopClosed): // it ended while it was asked
		default:
			r.Failed = append(r.Failed, insightwire.Failure{Loop: all[i].ID(), Error: a.err.Error()})
		}
	}
	return r
}

// allTasks asks for all tasks. A loop answers piece by piece anyway, and only a look at
// all of them knows who waits for whom.
const allTasks = 1 << 30
