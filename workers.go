package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"github.com/asyncio-go/asyncio/internal/sharedport"
)

// Workers runs main on n loops, each on a goroutine of its own, for a server
// that should use every core; when n is not positive, as many as Go uses
// processors. It returns when all have, with their errors joined. When one
// fails, or ctx ends, the others are cancelled, each as by [Run].
//
// The loops share nothing: what a main makes belongs to its own loop. A port
// they share by [Worker.StartServer] or [Worker.CreateServer]. Python has
// nothing like it but processes.
func Workers(ctx context.Context, n int, main func(ctx context.Context, w *Worker) error, opts ...Option) error {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ports := sharedport.New(n)
	defer ports.Close()
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			errs[i] = ErrGoexit // unless it returns
			defer func() {
				if errs[i] != nil {
					cancel(fmt.Errorf("worker %d: %w", i, errs[i]))
				}
			}()
			w := &Worker{index: i, count: n, ports: ports.Member(i)}
			errs[i] = Run(ctx, func(ctx context.Context) error { return main(ctx, w) }, opts...)
		})
	}
	running.Wait()
	if err := workersError(errs, context.Cause(ctx)); err != nil {
		return fmt.Errorf("asyncio: workers: %w", err)
	}
	return nil
}

// workersError joins the errors, but for those that only say that a worker was
// stopped, for the cause; if there are no others, it is the cause.
func workersError(errs []error, cause error) error {
	var own []error
	stopped := false
	for i, err := range errs {
		switch {
		case err == nil:
		case cause != nil && errors.Is(err, cause):
			stopped = true
		default:
			own = append(own, fmt.Errorf("worker %d: %w", i, err))
		}
	}
	if len(own) == 0 && stopped {
		return cause
	}
	return errors.Join(own...)
}

// A Worker is one of the loops of [Workers]. Its methods are for its loop's
// goroutine.
type Worker struct {
	index, count int
	ports        *sharedport.Member
}

// Index returns the worker's number, from zero.
func (w *Worker) Index() int { return w.index }

// Count returns the number of workers.
func (w *Worker) Count() int { return w.count }

// Listen returns the worker's listener on an address that all workers share, as
// [Worker.StartServer] says, for a server that takes [WithListener]. It is the
// caller's to close, unless a server gets it.
func (w *Worker) Listen(network, address string) (net.Listener, error) {
	return w.ports.Listen(network, address)
}

// StartServer is the package's [StartServer] on an address that all workers
// share: each calls it with the same one, and the system deals the connections
// out. Of port 0 all get the same. What is dealt to a worker that has not come
// to listen yet waits for it.
//
// On Linux each worker has a listener of its own on the port (SO_REUSEPORT), or
// for a unix socket a descriptor of the same one; elsewhere one goroutine
// accepts for all.
func (w *Worker) StartServer(ctx context.Context, network, address string, handler func(ctx context.Context, s *Stream) error, opts ...ServerOption) (*Server, error) {
	ln, err := w.ports.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return StartServer(ctx, network, address, handler, append(opts[:len(opts):len(opts)], WithListener(ln))...)
}

// CreateServer is [Loop.CreateServer] on an address that all workers share, as
// [Worker.StartServer] says.
func (w *Worker) CreateServer(ctx context.Context, network, address string, factory func() Protocol, opts ...ServerOption) (*Server, error) {
	ln, err := w.ports.Listen(network, address)
	if err != nil {
		return nil, err
	}
	l, err := RunningLoop(ctx)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	return l.CreateServer(ctx, network, address, factory, append(opts[:len(opts):len(opts)], WithListener(ln))...)
}
