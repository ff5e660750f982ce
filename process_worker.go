package asyncio

import (
	"context"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// ErrMessageTooLarge is the error of a call of a worker process whose argument
// or result is larger than [WithMaxMessage] allows.
var ErrMessageTooLarge = workerproc.ErrTooLarge

// ErrNoWorkerMain is returned where worker processes are wanted of a program
// that does not call [WorkerMain]: started again, it would do all its work
// again, instead of being a worker.
var ErrNoWorkerMain = workerproc.ErrNoMain

// A WorkerFunc is a function that worker processes can run. See
// [RegisterWorker].
type WorkerFunc[In, Out any] struct{ name string }

// Name returns the name under which the function was registered.
func (w *WorkerFunc[In, Out]) Name() string { return w.name }

// RegisterWorker names a function that the worker processes of a
// [ProcessPoolExecutor] can run. It belongs where it runs in every process of
// the program, before [WorkerMain] is called:
//
//	var thumbnail = asyncio.RegisterWorker("thumbnail", makeThumbnail)
//
// The argument and the result go through encoding/gob, so they must be values
// that gob can carry. What the function writes to standard output goes to
// standard error. It panics when the name is taken.
func RegisterWorker[In, Out any](name string, fn func(ctx context.Context, in In) (Out, error)) *WorkerFunc[In, Out] {
	free := workerproc.Register(name, func(ctx context.Context, in In) (Out, error) {
		out, err := fn(ctx, in)
		if p, ok := err.(*PanicError); ok { // of a task or a job that the function has run
			err = &workerproc.Panic{Value: p.Value, Stack: p.Stack}
		}
		return out, err
	})
	if !free {
		panic(fmt.Sprintf("asyncio: RegisterWorker: there are two functions %q", name))
	}
	return &WorkerFunc[In, Out]{name}
}

// WorkerMain must be called first in main, and in TestMain, of a program that
// uses a [ProcessPoolExecutor]. In a worker process, which is the same program
// started once more, it runs the registered functions and never returns;
// elsewhere it does nothing.
//
// A worker process is started without arguments, and its functions run before
// main goes on: flags have their default values there. What a function needs of
// them goes into its argument, or into the environment by [WithWorkerEnv].
func WorkerMain() { workerproc.Main() }
