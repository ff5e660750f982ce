// Package asyncio is Python's asyncio for Go: an event loop that runs
// coroutines, with futures, tasks, timeouts, task groups, locks, queues,
// streams and TLS. Names, order of events and cancellation are those of CPython
// 3.13; types, errors and contexts are Go's. Each doc comment says which Python
// name it stands for.
//
//	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
//		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
//			for _, url := range urls {
//				g.Go(func(ctx context.Context) error { return fetch(ctx, url) })
//			}
//			return nil
//		})
//	})
//
// # The loop
//
// A [Loop] runs on one goroutine, the one that called [Run]. In each turn it
// looks what has happened (data has arrived, a timer is due, another goroutine
// has sent something) and runs what that made ready, in order, one after
// another. So between two waits nothing else runs: what tasks of one loop share
// needs no lock, and there are no data races on it. The price is that nothing
// may hold the loop for long. A function that blocks belongs in [ToThread].
//
// A process may have any number of loops, each on its goroutine.
//
// # Coroutines and tasks
//
// A coroutine is an ordinary function that takes a context and may wait:
//
//	func(ctx context.Context) (T, error)
//
// The context says to which loop it belongs. To call such a function is to run
// it, now, in the running task, as in Go; to run it beside others is to make a
// [Task] of it, with [CreateTask], [Go] or, best, in a [Group], which waits for
// its tasks and ends them together. Tasks are cheap: a few allocations and a
// small stack.
//
// Waiting is not marked in any way. A function that calls one that waits does
// not change its type for that, and neither does code that knows nothing of
// this package: bufio, encoding/json or net/smtp over a [Stream], or net/http over
// package asynchttp, suspend the task where they would have blocked a goroutine.
// They must not start goroutines of their own that use the stream, and two tasks
// must not meet on a [sync.Mutex] that one holds while it waits: the second would
// block the goroutine that the first needs to go on. Use [Lock] there. The same is
// true of <-ctx.Done(): use [WaitDone].
//
// A loop that stands still for two seconds is reported to its log, with what holds
// it and where; see [WithStallWatch].
//
// # Futures
//
// A [Future] is a result that is not there yet. Somebody sets it, tasks await
// it. A [Task] is a future for what its function returns. [Gather], [Wait],
// [AsCompleted] and [Shield] take either.
//
// # Cancellation
//
// There are two kinds, and both work as those who know them expect.
//
// asyncio's is an edge. [Task.Cancel] makes the await at which the task stands
// return a [*CancelledError], once. The task may clean up, waiting if it must,
// and it may go on; mostly it returns the error. [Timeout] and [Group] are
// built on it. [IsCancelled] recognises it, and so does
// errors.Is(err, context.Canceled). In a [CancelScope], as trio and anyio have it,
// each wait fails once it is cancelled, and not one alone.
//
// Go's is a level. A context that was derived by [context.WithTimeout] or
// [context.WithCancel] ends every wait that it is given to, with its error. It
// ends the wait only, not what was waited for. In a task that was cancelled, and
// cleans up, its deadline holds. It follows the real clock, also
// on a loop with a virtual one; use Timeout there.
//
// A function that gets an error and goes on swallows a cancellation too, so
//
//	if err != nil { log.Print(err); continue }
//
// makes a task that will not end. Return a cancellation.
//
// # What runs where
//
// Everything here is for the loop's goroutine, in a task or a callback, unless
// its comment says otherwise. A function that waits returns [ErrWrongGoroutine]
// on any other goroutine, [ErrNotInTask] in a callback, and [ErrNoRunningLoop]
// for a context that comes from no coroutine. It never hangs there. Only between
// loops is that not so: a coroutine must not wait with the context of another loop.
// In debug mode that, too, is an error.
//
// From another goroutine, [Loop.CallSoonThreadsafe] calls a function on the loop
// and [RunCoroutineThreadsafe] runs a coroutine on it. To another goroutine,
// [ToThread] and [RunInExecutor] send a function that blocks. [WrapFuture],
// [WrapChan] and [NewThreadsafeFuture] make futures for results that come from
// goroutines, a [ThreadQueue] has one side for tasks and one for goroutines. A
// [ProcessPoolExecutor] runs functions in worker processes.
//
// A loop must not be run first on a goroutine that is locked to its thread
// ([runtime.LockOSThread]) and then on one that is not, nor the reverse: the
// runtime forbids that for coroutines and ends the program.
//
// # Processes and signals
//
// [CreateSubprocessExec] starts a program, with pipes as streams where options
// say so. Its loop takes note of its end by itself; closing the loop kills what
// has not ended. [Loop.AddSignalHandler] makes a signal a callback. [Run] in the
// main goroutine turns the first interrupt (^C) into a cancellation of main and
// returns an [*InterruptError], whose ExitCode is 130; see [WithInterrupts]. [Main]
// is all of a program's main function: it knows SIGTERM, too, prints the error, and
// ends with the exit status.
//
// # What is going on
//
// [Loop.Stats] counts. [Task.PrintStack] shows where a task stands,
// [PrintCallGraph] who waits for it, and [Loop.WaitGraph], or from another
// goroutine [CaptureWaitGraph], who waits for what on a whole loop. They cost
// nothing until they are asked. Debug mode ([WithDebug], ASYNCIODEBUG=1) also
// reports what holds the loop, with its stack, and calls from wrong goroutines.
// With [WithTraceRegions] tasks and their steps show in a [runtime/trace].
//
// # Tests
//
// With [WithVirtualClock] a loop has a clock of its own, which leaps to the next
// timer when nothing can run. An hour of sleeping takes no time, and the program
// goes the same way each time. When nothing is left that could ever happen while
// somebody waits, the run ends with [ErrDeadlock].
package asyncio
