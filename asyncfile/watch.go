package asyncfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/offload"
	"github.com/fsnotify/fsnotify"
)

// ErrEventsLost is among the errors of a [Watcher] when more has changed than the system
// keeps. What is watched has to be looked at anew.
var ErrEventsLost = fsnotify.ErrEventOverflow

// Change is what has happened to a file. An event may have several.
type Change uint32

const (
	Created     = Change(fsnotify.Create) // also renamed to this name
	Written     = Change(fsnotify.Write)  // or truncated
	Removed     = Change(fsnotify.Remove) // the name has gone
	Renamed     = Change(fsnotify.Rename) // from this name
	ModeChanged = Change(fsnotify.Chmod)  // or other attributes
)

// Has reports whether c is among the changes.
func (c Change) Has(other Change) bool { return c&other != 0 }

func (c Change) String() string { return fsnotify.Op(c).String() }

// An Event is a change of a file that is watched, or of one in a directory that is.
type Event struct {
	Path   string // the path of what is watched, and for a directory the name in it
	Change Change // one or several
}

// queuedEvents is how many events a Watcher keeps. The others wait in the system.
const queuedEvents = 1024

// A Watcher watches files and directories, not what is in directories below. It belongs
// to the loop on which it was made, and keeps a goroutine until it is closed or the loop
// is. A virtual clock stands still meanwhile. It stands on package fsnotify, whose
// documentation says what each system tells and what not. Python: watchfiles, which is
// not of the standard library.
type Watcher struct {
	w      *fsnotify.Watcher
	events *asyncio.ThreadQueue[watched]
	pump   *asyncio.Future[struct{}]
}

type watched struct {
	event Event
	err   error
}

// Watch returns a watcher of paths. What happens after it has returned is told.
func Watch(ctx context.Context, paths ...string) (*Watcher, error) {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	if err := escape(ctx, "watching files"); err != nil {
		return nil, err
	}
	fw, err := call(ctx, fsnotify.NewWatcher, func(w *fsnotify.Watcher) { _ = w.Close() })
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &Watcher{w: fw, events: asyncio.NewThreadQueue[watched](loop, queuedEvents)}
	w.pump = asyncio.WrapFuture(loop, func(ctx context.Context) (struct{}, error) {
		defer fw.Close()
		defer w.events.Shutdown(false)
		return struct{}{}, pump(ctx, fw, w.events.Sync())
	})
	for _, path := range paths {
		if err := w.Add(ctx, path); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

// pump brings events to the queue, until ctx ends.
func pump(ctx context.Context, w *fsnotify.Watcher, to asyncio.SyncSide[watched]) error {
	for {
		var item watched
		select {
		case e := <-w.Events:
			item.event = Event{Path: e.Name, Change: Change(e.Op)}
		case err := <-w.Errors:
			item.err = fmt.Errorf("watch: %w", err)
		case <-ctx.Done():
			return nil
		}
		if err := to.Put(ctx, item); err != nil {
			return nil // it was closed, and nobody wants to know
		}
	}
}

// Add watches one more path.
func (w *Watcher) Add(ctx context.Context, path string) error {
	return run(ctx, func() error {
		if err := w.w.Add(path); err != nil {
			return fmt.Errorf("watch %s: %w", path, err)
		}
		return nil
	})
}

// Remove watches a path no more.
func (w *Watcher) Remove(ctx context.Context, path string) error {
	return run(ctx, func() error {
		if err := w.w.Remove(path); err != nil {
			return fmt.Errorf("unwatch %s: %w", path, err)
		}
		return nil
	})
}

// Next waits for the next event. Its error may be one of watching, as [ErrEventsLost],
// and then there are further events; [fs.ErrClosed] says that the watcher was closed.
func (w *Watcher) Next(ctx context.Context) (Event, error) {
	item, err := w.events.Async().Get(ctx)
	if errors.Is(err, asyncio.ErrQueueShutdown) {
		return Event{}, fmt.Errorf("watch: %w", fs.ErrClosed)
	}
	if err != nil {
		return Event{}, err
	}
	return item.event, item.err
}

// All returns the events as they come, until the watcher is closed. An error of the wait
// is the last; after one of watching there may be further events.
func (w *Watcher) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			item, err := w.events.Async().Get(ctx)
			if errors.Is(err, asyncio.ErrQueueShutdown) {
				return
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			if !yield(item.event, item.err) {
				return
			}
		}
	}
}

// Close ends the watcher. It does not wait, and is for the loop's goroutine.
func (w *Watcher) Close() {
	w.pump.Cancel()
	offload.Submit(threads, func() { // the pump does it too, but where it had not begun
		w.events.Shutdown(false)
		_ = w.w.Close()
	})
}
