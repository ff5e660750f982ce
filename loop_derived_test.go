package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// inCancelledTask runs body in a task that has been cancelled and was told so.
func inCancelledTask(ctx context.Context, body func(ctx context.Context) error) error {
	task := asyncio.Go(ctx, func(ctx context.Context) error {
		if err := asyncio.Sleep(ctx, time.Hour); !asyncio.IsCancelled(err) {
			return fmt.Errorf("the task was not cancelled: %v", err)
		}
		return body(ctx)
	})
	if err := asyncio.Sleep(ctx, 0); err != nil {
		return err
	}
	task.Cancel()
	_, err := task.Await(ctx)
	return err
}

func TestADeadlineHoldsInACancelledTask(t *testing.T) {
	waitsOfTheOwn := map[string]func(ctx context.Context) error{
		"Sleep": func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
		"Event": func(ctx context.Context) error { return asyncio.NewEvent().Wait(ctx) },
		"ToThread": func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			return err
		},
	}
	derived := map[string]func(context.Context) (context.Context, context.CancelFunc){
		"WithTimeout": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		},
		"WithTimeout in a value": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			return context.WithValue(ctx, testKey{}, 1), cancel
		},
		"WithCancel of WithTimeout": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			ctx, cancel2 := context.WithCancel(ctx)
			return ctx, func() { cancel2(); cancel() }
		},
	}
	for name, derive := range derived {
		for waitName, wait := range waitsOfTheOwn {
			t.Run(name+"/"+waitName, func(t *testing.T) {
				inRealTime(t, func(ctx context.Context) {
					err := inCancelledTask(ctx, func(ctx context.Context) error {
						limited, cancel := derive(ctx)
						defer cancel()
						for range 2 { // also when it has passed already
							if err := wait(limited); err != context.DeadlineExceeded {
								t.Errorf("got %v", err)
							}
						}
						return asyncio.Sleep(ctx, 0)
					})
					if err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

type testKey struct{}

func TestWhatEndsBeforeADeadlineInACancelledTaskIsNoError(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		err := inCancelledTask(ctx, func(ctx context.Context) error {
			limited, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return asyncio.Sleep(limited, time.Millisecond)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestADerivedContextThatCannotBeHeededIsAnError(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := inCancelledTask(ctx, func(ctx context.Context) error {
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			return asyncio.Sleep(derived, time.Second)
		})
		if err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
}

func TestAContextThatHasEndedByItselfStaysEndedInACancelledTask(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			limited, cancel := context.WithTimeout(ctx, time.Hour)
			cancel()
			g.Cancel()
			_ = asyncio.Sleep(ctx, 0)
			if err := asyncio.Sleep(limited, time.Second); err != context.Canceled {
				t.Errorf("got %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAValueOfACancelledTasksContextWaitsAsTheTaskDoes(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := inCancelledTask(ctx, func(ctx context.Context) error {
			return asyncio.Sleep(context.WithValue(ctx, testKey{}, 1), time.Second)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// The graceful end of a server after ^C.
func TestShutdownOfAServerHeedsItsTimeLimitInACancelledTask(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		served := asyncio.NewEvent()
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			served.Set()
			return asyncio.Sleep(ctx, time.Hour)
		})
		if err != nil {
			t.Fatal(err)
		}
		client, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := served.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		err = inCancelledTask(ctx, func(ctx context.Context) error {
			limited, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			return srv.Shutdown(limited)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAJoinOfNothingButCancellationsIsOne(t *testing.T) {
	c := &asyncio.CancelledError{}
	for _, err := range []error{
		errors.Join(c, nil), errors.Join(c, fmt.Errorf("reading: %w", c)), fmt.Errorf("%w and %w", c, c),
		&asyncio.GroupError{Errors: []error{c, c}}, fmt.Errorf("x: %w", errors.Join(c)),
	} {
		if !asyncio.IsCancelled(err) {
			t.Errorf("%v is no cancellation", err)
		}
	}
	for _, err := range []error{
		nil, errBoom, errors.Join(c, errBoom), &asyncio.GroupError{Errors: []error{c, errBoom}}, &asyncio.GroupError{},
	} {
		if asyncio.IsCancelled(err) {
			t.Errorf("%v is a cancellation", err)
		}
	}
}

func TestAJoinedCancellationEndsATimeoutAndATaskOfAGroupAsAPlainOneDoes(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		joined := func(ctx context.Context) error { return errors.Join(asyncio.Sleep(ctx, time.Hour), nil) }
		wantTimeout(t, asyncio.Timeout(ctx, time.Second, joined))
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(joined)
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			g.Cancel()
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAGroupErrorOfOneErrorPrintsAsThatError(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error { return errBoom })
		if err.Error() != errBoom.Error() || !errors.Is(err, errBoom) {
			t.Errorf("%v", err)
		}
	})
}

func TestWaitDoneEndsWithItsContextOrItsTask(t *testing.T) {
	inRealTime(t, func(ctx context.Context) {
		limited, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := asyncio.WaitDone(limited); err != context.DeadlineExceeded {
			t.Errorf("a derived context: %v", err)
		}
		task := asyncio.Go(ctx, asyncio.WaitDone)
		asyncio.Sleep(ctx, 0)
		task.CancelCause(errBoom)
		_, err := task.Await(ctx)
		wantCancelled(t, err, "boom")
	})
}

func TestCallLaterRunsTheMostNegativeDelayFirst(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		l := loopOf(ctx)
		var order []string
		l.CallLater(-time.Second, func() { order = append(order, "a") })
		l.CallLater(-2*time.Second, func() { order = append(order, "b") })
		l.CallLater(0, func() { order = append(order, "c") })
		turns(ctx, 3)
		if fmt.Sprint(order) != "[b a c]" {
			t.Error(order)
		}
	})
}
