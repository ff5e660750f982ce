package asyncio

// A runWatcher is told when a loop begins to run and when it has stopped, on the
// goroutine that runs it.
type runWatcher interface {
	begin()
	end()
}

// A probe is told what a loop does, where the loop was asked to explain itself:
// in debug mode, with labels, or for a trace. A loop that was not asked has
// none, and pays a comparison for that. All methods are for the loop's
// goroutine, but for wrongGoroutine and mustBeHere.
type probe interface {
	enter() // the loop begins to run
	leave() // it has stopped running

	run(r runnable)              // runs r
	resume(t *task) (ended bool) // takes a task's step
	made(t *task)                // t is new
	begin(t *task)               // called on the coroutine of t, before its function
	leftAtClose(t *task)         // t is there when the loop closes
	madeFuture(f *future)        // f is new
	madeAt(f *future) string     // returns where f was made, or ""
	wrongGoroutine() error       // returns why the calling goroutine must not use the loop, if it must not
	wrongThread() error          // returns why the runtime would end the program if the calling task waited, if it would
	mustBeHere()                 // panics with what wrongGoroutine returns
}
