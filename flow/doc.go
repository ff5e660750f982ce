// Package flow is what services on a loop need between their tasks, beyond the locks and
// queues of asyncio: ticks without drift ([Every]), values for many receivers ([Broadcast],
// [Watch]), limits ([RateLimiter]), and functions that are called again ([Retry]), once for
// many ([Singleflight]) or once for a burst ([Debounce]).
//
// What is not here is there already: a value that comes once, for one or many, is an
// [asyncio.Future] (whoever was to set it and cannot must set an error, since nothing else
// ends the wait for it); a wait for one of several things is [asyncio.Select], for a
// broadcast or a watch among them by OnNews; a write that drops what a slow reader has no
// room for is [asyncio.StreamWriter.TryWrite].
//
// All of it is for the goroutine of a loop, and belongs to the loop of the task that uses
// it first. Another goroutine sends by [asyncio.Loop.CallSoonThreadsafe].
package flow
