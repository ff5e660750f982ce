// Package workerproc is the protocol of worker processes: the same program started
// once more, which runs registered functions that its parent asks for by name.
//
// Requests and replies go in frames through two pipes, values in them through
// encoding/gob. A worker's pipe that ends tells the parent that it died, and a
// parent's that it is not wanted any more. What a function prints goes to standard
// error. Which worker is asked, and how many there are, is a pool's affair; this
// package knows nothing of loops.
package workerproc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync"

	"github.com/asyncio-go/asyncio/internal/gobvalue"
)

// ErrTooLarge is the error of a value whose frame is larger than was allowed.
var ErrTooLarge = errors.New("asyncio: the message to or from a worker process is too large")

// ErrNoMain is the error of a program that, started again, does not call [Main]:
// it would do all its work again, instead of being a worker.
var ErrNoMain = errors.New("asyncio: the program does not call WorkerMain first in main")

// MostBytes is the most that an encoded argument or result can be allowed to have.
const MostBytes = math.MaxInt32 - maxRequestHead

// registered are the functions that a worker process can run. They are in a
// variable of the package because the processes have nothing in common but the
// program: both sides must know them by name before main begins.
var registered = struct {
	mu   sync.Mutex
	body map[string]body
}{body: make(map[string]body)}

// A body is a registered function on encoded values.
type body = func(ctx context.Context, in []byte) (out []byte, err error)

// Register names a function, and reports whether the name was free.
func Register[In, Out any](name string, fn func(ctx context.Context, in In) (Out, error)) bool {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	if _, taken := registered.body[name]; taken {
		return false
	}
	registered.body[name] = func(ctx context.Context, in []byte) ([]byte, error) {
		v, err := Decode[In](in)
		if err != nil {
			return nil, fmt.Errorf("the argument of %s: %w", name, err)
		}
		out, err := protect(ctx, v, fn)
		if err != nil {
			return nil, err
		}
		p, err := Encode(out)
		if err != nil {
			return nil, fmt.Errorf("the result of %s: %w", name, err)
		}
		return p, nil
	}
	return true
}

// Find returns the function of that name, on encoded values, or nil. Package
// cluster runs it on other machines. Its error of a panic is a [*Panic]. For any
// goroutine.
func Find(name string) func(ctx context.Context, in []byte) (out []byte, err error) {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	return registered.body[name]
}

// A Panic is the error of a function that has panicked.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprint(p.Value) }

// protect makes a panic of fn an error.
func protect[In, Out any](ctx context.Context, in In, fn func(context.Context, In) (Out, error)) (out Out, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn(ctx, in)
}

// Encode returns the bytes of an argument or a result.
func Encode[T any](v T) ([]byte, error) { return gobvalue.Encode(v) }

// Decode returns the value that a result is.
func Decode[T any](p []byte) (T, error) { return gobvalue.Decode[T](p) }
