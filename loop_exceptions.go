package asyncio

// An ExceptionContext says what went wrong where nobody else can be told: a
// callback panicked, or an error was never looked at. Python: the context of
// loop.call_exception_handler.
type ExceptionContext struct {
	Message   string  // what happened, in a few words
	Err       error   // a *PanicError for a panic; may be nil
	Task      AnyTask // the task it is about, or nil
	Transport any     // the transport it is about, or nil
	Made      string  // in debug mode, where the task or future was made
}

// An ExceptionHandler is told what went wrong. It runs on the loop's goroutine
// and must not panic. Python: what loop.set_exception_handler takes.
type ExceptionHandler func(loop *Loop, c ExceptionContext)

// SetExceptionHandler makes the loop give its troubles to h, or, when that is
// nil, to the log. Python: loop.set_exception_handler.
func (l *Loop) SetExceptionHandler(h ExceptionHandler) { l.onError = h }

// ExceptionHandler gives what SetExceptionHandler was given; nil for the log.
// Python: loop.get_exception_handler.
func (l *Loop) ExceptionHandler() ExceptionHandler { return l.onError }

// CallExceptionHandler tells the loop's exception handler. Python:
// loop.call_exception_handler.
func (l *Loop) CallExceptionHandler(c ExceptionContext) { l.handleException(c) }

func (l *Loop) handleException(c ExceptionContext) {
	if l.onError != nil {
		l.onError(l, c)
		return
	}
	l.DefaultExceptionHandler(c)
}

// DefaultExceptionHandler logs c. Python: loop.default_exception_handler.
func (l *Loop) DefaultExceptionHandler(c ExceptionContext) {
	args := []any{"error", c.Err}
	if c.Task != nil {
		args = append(args, "task", c.Task.Name())
	}
	if c.Made != "" {
		args = append(args, "made", c.Made)
	}
	if p, ok := c.Err.(*PanicError); ok {
		args = append(args, "stack", string(p.Stack))
	}
	l.logger().Error("asyncio: "+c.Message, args...)
}

// unseenErrors remembers failures until somebody has looked at them, or the
// loop closes and they are reported. It is bounded: when it is full, the
// oldest half is reported at once.
type unseenErrors struct {
	loop    *Loop
	futures []*future
}

const maxUnseen = 512

func (u *unseenErrors) add(f *future) {
	if len(u.futures) == maxUnseen {
		u.compact()
	}
	u.futures = append(u.futures, f)
}

// compact drops what was looked at, and when that is little, reports the oldest.
func (u *unseenErrors) compact() {
	kept := u.futures[:0]
	for _, f := range u.futures {
		if !f.retrieved {
			kept = append(kept, f)
		}
	}
	clear(u.futures[len(kept):])
	u.futures = kept
	if half := maxUnseen / 2; len(kept) > half {
		old := append([]*future(nil), kept[:half]...)
		u.futures = append(kept[:0], kept[half:]...)
		clear(kept[len(u.futures):])
		u.tell(old)
	}
}

// report tells of all that is left.
func (u *unseenErrors) report() {
	all := u.futures
	u.futures = nil
	u.tell(all)
}

func (u *unseenErrors) tell(futures []*future) {
	for _, f := range futures {
		if f.retrieved {
			continue
		}
		f.retrieved = true
		c := ExceptionContext{Message: "the error of a future was never retrieved", Err: f.err, Made: f.madeAt()}
		if t := f.asTask(); t != nil {
			c.Message, c.Task = "the error of a task was never retrieved", t.shell()
		}
		u.loop.handleException(c)
	}
}
