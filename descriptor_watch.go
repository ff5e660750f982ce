package asyncio

import (
	"context"
	"errors"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// ErrDescriptorInUse is returned for a descriptor that a connection of the loop
// owns, or that a task waits for already. Python: RuntimeError("File descriptor
// is used by transport").
var ErrDescriptorInUse = errors.New("asyncio: the descriptor belongs to a connection of the loop, or a task waits for it")

// A descriptor is one that somebody else owns and the loop watches by its
// number.
type descriptor struct {
	loop           *Loop
	fd             uintptr
	reader, writer *watch // nil: not watched for that
}

// A watch is a callback for one direction of a descriptor.
type watch struct {
	fn        func()
	ofTask    *task   // who waits; nil: it is AddReader's
	until     *future // what that task waits for
	scheduled bool    // run is in the ready queue
	removed   bool
}

func (w *watch) run() {
	w.scheduled = false
	if !w.removed {
		w.fn()
	}
}

// waiting reports whether the watch is that of a task whose wait has not ended:
// one that was cancelled runs, and takes it away, only in the next turn.
func (w *watch) waiting() bool {
	return w.ofTask != nil && w.until.state == pending && w.ofTask.waiter == w.until
}

// inUse reports whether no task may wait beside w, which may be nil.
func (w *watch) inUse() bool { return w != nil && (w.ofTask == nil || w.waiting()) }

// Ready implements driver.Handler. It is called as long as there is something
// to tell, so also before the callback has run.
func (d *descriptor) Ready(e driver.Event) {
	if e&driver.Readable != 0 {
		d.schedule(d.reader)
	}
	if e&driver.Writable != 0 {
		d.schedule(d.writer)
	}
}

func (d *descriptor) schedule(w *watch) {
	if w != nil && !w.scheduled {
		w.scheduled = true
		d.loop.ready.Push(w)
	}
}

// side returns the place of one direction's watch.
func (d *descriptor) side(writing bool) **watch {
	if writing {
		return &d.writer
	}
	return &d.reader
}

func (d *descriptor) events() (what driver.Event) {
	if d.reader != nil {
		what |= driver.Readable
	}
	if d.writer != nil {
		what |= driver.Writable
	}
	return what
}

// watcher returns the driver, if it can watch a descriptor by its number.
func (l *Loop) watcher() (driver.Watcher, error) {
	if l.closed || l.closing {
		return nil, ErrLoopClosed
	}
	w, ok := l.driver.(driver.Watcher)
	if !ok {
		if err := l.escape("a descriptor of the system, whose events would come when they like"); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the %s driver cannot watch a descriptor by its number: %w", l.driver.Name(), errors.ErrUnsupported)
	}
	return w, nil
}

// descriptors is the descriptors of others that a loop watches, by number.
type descriptors struct{ watched map[uintptr]*descriptor }

func descriptorsOf(l *Loop) *descriptors { return partOf[descriptors](l, descriptorsPart) }

// close does nothing: the driver, which closes after it, forgets them.
func (*descriptors) close(*Loop) {}

// watchDescriptor makes w the watch of fd, in the place of one there may be.
func (l *Loop) watchDescriptor(fd uintptr, writing bool, w *watch) error {
	by, err := l.watcher()
	if err != nil {
		return err
	}
	all := descriptorsOf(l)
	d := all.watched[fd]
	if d == nil {
		d = &descriptor{loop: l, fd: fd}
	}
	side := d.side(writing)
	before := *side
	if before.inUse() && (before.ofTask != nil || w.ofTask != nil) {
		return ErrDescriptorInUse
	}
	*side = w
	if err := by.Watch(fd, d.events(), d); err != nil {
		*side = before
		if errors.Is(err, driver.ErrInUse) {
			return fmt.Errorf("descriptor %d: %w", fd, ErrDescriptorInUse)
		}
		return err
	}
	if before != nil {
		before.removed = true
	}
	if all.watched == nil {
		all.watched = make(map[uintptr]*descriptor)
	}
	all.watched[fd] = d
	return nil
}

// unwatchDescriptor takes w, or whatever AddReader or AddWriter has put there
// when that is nil, away from fd, and reports whether it was there.
func (l *Loop) unwatchDescriptor(fd uintptr, writing bool, w *watch) bool {
	all := descriptorsOf(l)
	d := all.watched[fd]
	if d == nil || l.closed {
		return false
	}
	side := d.side(writing)
	before := *side
	if before == nil || w != nil && before != w || w == nil && before.ofTask != nil {
		return false
	}
	before.removed = true
	*side = nil
	if d.events() == 0 {
		delete(all.watched, fd)
	}
	if by, ok := l.driver.(driver.Watcher); ok {
		// The error says that it was closed meanwhile.
		_ = by.Watch(fd, d.events(), d)
	}
	return true
}

// AddReader makes the loop call fn whenever there is something to read from the
// descriptor fd, or its end: again in each turn, as long as that is so. fn
// takes the place of one that was given before. The descriptor should not block;
// it stays the caller's, who must call [Loop.RemoveReader] before closing it.
// It costs a system call.
//
// It is an error when the system cannot wait for fd (a regular file), and
// [ErrDescriptorInUse] when it belongs to a transport or stream of the loop.
// The portable driver, which has no numbers, returns an error that is
// [errors.ErrUnsupported]. It is for the loop's goroutine. Python:
// loop.add_reader.
func (l *Loop) AddReader(fd uintptr, fn func()) error {
	if err := l.watchDescriptor(fd, false, &watch{fn: fn}); err != nil {
		return fmt.Errorf("asyncio: add a reader: %w", err)
	}
	return nil
}

// RemoveReader takes back AddReader, and reports whether there was a reader. A
// call that was due is not made any more. The error is [ErrDescriptorInUse] for
// a descriptor that belongs to a transport or stream of the loop. Python:
// loop.remove_reader.
func (l *Loop) RemoveReader(fd uintptr) (bool, error) { return l.removeWatch("reader", fd, false) }

// AddWriter is [Loop.AddReader] for room to write. Python: loop.add_writer.
func (l *Loop) AddWriter(fd uintptr, fn func()) error {
	if err := l.watchDescriptor(fd, true, &watch{fn: fn}); err != nil {
		return fmt.Errorf("asyncio: add a writer: %w", err)
	}
	return nil
}

// RemoveWriter takes back AddWriter, as [Loop.RemoveReader] does AddReader.
// Python: loop.remove_writer.
func (l *Loop) RemoveWriter(fd uintptr) (bool, error) { return l.removeWatch("writer", fd, true) }

func (l *Loop) removeWatch(what string, fd uintptr, writing bool) (bool, error) {
	if by, ok := l.driver.(driver.Watcher); ok && by.Owns(fd) {
		return false, fmt.Errorf("asyncio: remove a %s: descriptor %d: %w", what, fd, ErrDescriptorInUse)
	}
	return l.unwatchDescriptor(fd, writing, nil), nil
}

// awaitDescriptor suspends t until fd is ready, and leaves no watch behind.
func (l *Loop) awaitDescriptor(t *task, level context.Context, fd uintptr, writing bool) error {
	f := &future{loop: l}
	w := &watch{ofTask: t, until: f, fn: func() {
		if f.state == pending {
			f.setResult()
		}
	}}
	if err := l.watchDescriptor(fd, writing, w); err != nil {
		return err
	}
	defer l.unwatchDescriptor(fd, writing, w)
	return t.wait(f, level)
}
