package asyncio

import (
	"errors"
	"runtime/debug"
)

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

// An ExceptionHandler is told what went wrong. It runs on the loop's goroutine.
// When it panics, that and what it was told are logged. Python: what
// loop.set_exception_handler takes.
type ExceptionHandler func(loop *Loop, c ExceptionContext)

// SetExceptionHandler makes h the loop's exception handler; nil makes the loop
// log. Python: loop.set_exception_handler.
func (l *Loop) SetExceptionHandler(h ExceptionHandler) { l.onError = h }

// ExceptionHandler returns what SetExceptionHandler was given; nil for the log.
// Python: loop.get_exception_handler.
func (l *Loop) ExceptionHandler() ExceptionHandler { return l.onError }

// CallExceptionHandler tells the loop's exception handler. Python:
// loop.call_exception_handler.
func (l *Loop) CallExceptionHandler(c ExceptionContext) { l.handleException(c) }

func (l *Loop) handleException(c ExceptionContext) {
	if l.onError == nil {
		l.DefaultExceptionHandler(c)
		return
	}
	defer func() {
		if v := recover(); v != nil {
			l.DefaultExceptionHandler(c)
			l.DefaultExceptionHandler(ExceptionContext{
				Message: "panic in the exception handler",
				Err:     &PanicError{Value: v, Stack: debug.Stack()},
			})
		}
	}()
	l.onError(l, c)
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
	message := "asyncio: " + c.Message
	var p *PanicError
	if errors.As(c.Err, &p) {
		message += "\n" + string(p.Stack) // an attribute would be printed as one long line
	}
	l.logger().Error(message, args...)
}
