// Package asyncfile is files for tasks: what package os does, on threads, while the task
// is suspended and the loop goes on. Python: aiofiles, which is not of the standard
// library.
//
//	f, err := asyncfile.Open(ctx, "access.log")
//	if err != nil {
//		return err
//	}
//	defer f.Close(ctx)
//	for line, err := range f.Lines(ctx) {
//		...
//	}
//
// No system has readiness for files, so a call is a job on a thread: about two
// microseconds and a switch there and back. So it pays to do much in one call:
// [ReadFile], [WriteFile], [ReplaceFile] are one job each, [File.Lines] is one for many
// lines, and [Do] makes one of whatever package os has more of. What Linux has in memory of
// an open file, [File.Read] and [File.ReadAt] read without one.
//
// # Threads
//
// The threads are of the package, not of the loop: as many as Python has, four more than
// the processors and at most 32. Files that may keep one waiting long, on a network, are
// better given threads of their own: see [WithExecutor].
//
// # Cancellation
//
// When the task is cancelled, or its context ends, a call returns at once. What was under
// way goes on behind its back, since a system does not interrupt it: a file that was
// opened for nobody is closed, a temporary one removed, a copy given up. What is written
// may have been written or not. Memory that was given to a call is the caller's again
// when it has returned: reads and writes go by way of buffers of the package.
//
// Close is always done, whatever becomes of the wait.
package asyncfile
