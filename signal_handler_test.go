//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// raise sends this process a signal.
func raise(t *testing.T, sig syscall.Signal) {
	t.Helper()
	must(t, syscall.Kill(os.Getpid(), sig))
}

func TestASignalHandlerIsCalledInTheLoop(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		came := asyncio.NewFuture[bool](l)
		must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { came.SetResult(asyncio.CurrentTask(ctx) == nil) }))
		raise(t, syscall.SIGUSR1)
		if callback, err := came.Await(ctx); !callback || err != nil {
			t.Errorf("it was called outside of a callback: %v", err)
		}
		if !l.RemoveSignalHandler(syscall.SIGUSR1) || l.RemoveSignalHandler(syscall.SIGUSR1) {
			t.Error("RemoveSignalHandler is wrong about whether there was a handler")
		}
	})
}

func TestTheLastHandlerOfASignalCounts(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("the first handler was called") }))
		came := asyncio.NewFuture[struct{}](l)
		must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { came.SetResult(struct{}{}) }))
		raise(t, syscall.SIGUSR1)
		if _, err := came.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestSignalsHaveHandlersOfTheirOwn(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		one, two := asyncio.NewFuture[int](l), asyncio.NewFuture[int](l)
		must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { one.SetResult(1) }))
		must(t, l.AddSignalHandler(syscall.SIGUSR2, func() { two.SetResult(2) }))
		raise(t, syscall.SIGUSR2)
		if _, err := two.Await(ctx); err != nil || one.Done() {
			t.Errorf("%v, %v", err, one.Done())
		}
		l.RemoveSignalHandler(syscall.SIGUSR2)
		raise(t, syscall.SIGUSR1)
		if _, err := one.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestARemovedHandlerIsNotCalledForASignalThatCameBefore(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		other := make(chan os.Signal, 1)
		signal.Notify(other, syscall.SIGUSR1)
		defer signal.Stop(other)
		must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("it was called") }))
		raise(t, syscall.SIGUSR1)
		<-other // the loop stands still meanwhile
		l.RemoveSignalHandler(syscall.SIGUSR1)
		must(t, asyncio.Sleep(ctx, 5*time.Millisecond))
	})
}

func TestASignalHandlerThatPanicsIsReported(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var reported error
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				l := loopOf(ctx)
				came := asyncio.NewFuture[struct{}](l)
				must(t, l.AddSignalHandler(syscall.SIGUSR1, func() {
					came.SetResult(struct{}{})
					panic("in the handler")
				}))
				raise(t, syscall.SIGUSR1)
				_, err := came.Await(ctx)
				return err
			}, append(optionList(driver), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = c.Err }))...)
			if p := (*asyncio.PanicError)(nil); err != nil || !errors.As(reported, &p) {
				t.Errorf("Run gives %v, the handler was told %v", err, reported)
			}
		})
	}
}

func TestSignalsThatCannotBeHandledAreErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
			if err := l.AddSignalHandler(sig, func() {}); !errors.Is(err, asyncio.ErrNotCatchable) {
				t.Errorf("%v gives %v", sig, err)
			}
		}
		for _, sig := range []syscall.Signal{-1, 0, 1000} {
			if err := l.AddSignalHandler(sig, func() {}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%d gives %v", sig, err)
			}
		}
		if l.AddSignalHandler(nil, func() {}) == nil || l.AddSignalHandler(syscall.SIGUSR1, nil) == nil {
			t.Error("nil is no error")
		}
	})
}

func TestEveryLoopIsToldOfASignal(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			const loops = 5
			var ready, done sync.WaitGroup
			ready.Add(loops)
			for range loops {
				done.Go(func() {
					err := asyncio.Run(t.Context(), func(ctx context.Context) error {
						came := asyncio.NewFuture[struct{}](loopOf(ctx))
						must(t, loopOf(ctx).AddSignalHandler(syscall.SIGUSR1, func() { came.SetResult(struct{}{}) }))
						ready.Done()
						_, err := came.Await(ctx)
						return err
					}, optionList(driver)...)
					if err != nil {
						t.Error(err)
					}
				})
			}
			ready.Wait()
			raise(t, syscall.SIGUSR1)
			done.Wait()
		})
	}
}

func TestManySignalsAreNotManyEntriesOfALoopThatIsHeldUp(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		other := make(chan os.Signal, 1)
		signal.Notify(other, syscall.SIGUSR1)
		defer signal.Stop(other)
		calls := 0
		must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { calls++ }))
		const sent = 20
		for range sent {
			raise(t, syscall.SIGUSR1)
			<-other
		}
		eventually(t, ctx, "the handler was called for each", func() bool { return calls == sent })
	})
}

func TestClosingALoopEndsItsSignalHandlers(t *testing.T) {
	l, err := asyncio.NewLoop()
	must(t, err)
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() {}))
	must(t, l.Close())
	if l.RemoveSignalHandler(syscall.SIGUSR1) {
		t.Error("there is a handler still")
	}
	if err := l.AddSignalHandler(syscall.SIGUSR1, func() {}); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("a handler on a closed loop gives %v", err)
	}
}

// interruptible runs main as a program's main would be.
func interruptible(t *testing.T, driver asyncio.Option, main func(context.Context) error) error {
	return asyncio.Run(t.Context(), main, append(optionList(driver), asyncio.WithInterrupts(true))...)
}

func onEachDriverInterruptible(t *testing.T, test func(t *testing.T, run func(func(context.Context) error) error)) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			test(t, func(main func(context.Context) error) error { return interruptible(t, driver, main) })
		})
	}
}

func TestAnInterruptCancelsMain(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		cleaned := false
		err := run(func(ctx context.Context) error {
			raise(t, syscall.SIGINT)
			err := asyncio.Sleep(ctx, time.Hour)
			cleaned = asyncio.IsCancelled(err)
			must(t, asyncio.Sleep(ctx, time.Millisecond))
			return err
		})
		var interrupt *asyncio.InterruptError
		if !errors.As(err, &interrupt) || interrupt.ExitCode() != 130 || interrupt.Signal != os.Interrupt {
			t.Errorf("Run gives %v", err)
		}
		if !errors.Is(err, asyncio.ErrInterrupted) || !errors.Is(err, context.Canceled) || asyncio.IsCancelled(err) {
			t.Errorf("%v is taken for something else", err)
		}
		if !cleaned {
			t.Error("main was not cancelled")
		}
	})
}

func TestAMainThatGoesOnAfterAnInterruptHasItsResult(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		failed := errors.New("failed otherwise")
		for _, want := range []error{nil, failed} {
			err := run(func(ctx context.Context) error {
				raise(t, syscall.SIGINT)
				_ = asyncio.Sleep(ctx, time.Hour)
				return want
			})
			if !errors.Is(err, want) || errors.Is(err, asyncio.ErrInterrupted) {
				t.Errorf("Run gives %v for %v", err, want)
			}
		}
	})
}

func TestACancellationBesideTheInterruptIsOne(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		err := run(func(ctx context.Context) error {
			raise(t, syscall.SIGINT)
			err := asyncio.Sleep(ctx, time.Hour)
			asyncio.CurrentTask(ctx).CancelCause(errors.New("by somebody"))
			return err
		})
		if !asyncio.IsCancelled(err) || errors.Is(err, asyncio.ErrInterrupted) {
			t.Errorf("Run gives %v", err)
		}
	})
}

func TestAnInterruptEndsTheMainOfEveryLoop(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		const loops = 4
		var ready, done sync.WaitGroup
		ready.Add(loops)
		for range loops {
			done.Go(func() {
				err := run(func(ctx context.Context) error {
					ready.Done()
					return asyncio.Sleep(ctx, time.Hour)
				})
				if !errors.Is(err, asyncio.ErrInterrupted) {
					t.Errorf("Run gives %v", err)
				}
			})
		}
		ready.Wait()
		raise(t, syscall.SIGINT)
		done.Wait()
	})
}

func TestAHandlerForInterruptsTakesThePlaceOfRuns(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		err := run(func(ctx context.Context) error {
			l := loopOf(ctx)
			calls := 0
			must(t, l.AddSignalHandler(os.Interrupt, func() { calls++ }))
			for want := 1; want <= 3; want++ {
				raise(t, syscall.SIGINT)
				eventually(t, ctx, "the handler was called", func() bool { return calls == want })
			}
			l.RemoveSignalHandler(os.Interrupt)
			raise(t, syscall.SIGINT)
			return asyncio.Sleep(ctx, time.Hour)
		})
		if !errors.Is(err, asyncio.ErrInterrupted) {
			t.Errorf("Run gives %v", err)
		}
	})
}

func TestARunnerHandlesInterruptsInEachRun(t *testing.T) {
	r, err := asyncio.NewRunner(asyncio.WithInterrupts(true))
	must(t, err)
	defer r.Close()
	for range 3 {
		err := r.Run(t.Context(), func(ctx context.Context) error {
			raise(t, syscall.SIGINT)
			return asyncio.Sleep(ctx, time.Hour)
		})
		if !errors.Is(err, asyncio.ErrInterrupted) {
			t.Errorf("it gives %v", err)
		}
	}
	must(t, r.Run(t.Context(), func(context.Context) error { return nil }))
}

// What follows needs a program: its main goroutine, and its end.

func init() {
	sleepy := func(ctx context.Context) error {
		fmt.Println("ready")
		return asyncio.Sleep(ctx, time.Hour)
	}
	tell := func(err error) {
		var interrupt *asyncio.InterruptError
		if errors.As(err, &interrupt) {
			fmt.Println("interrupted")
			os.Exit(interrupt.ExitCode())
		}
		fmt.Println(err)
	}
	testPrograms["plain"] = func() { tell(asyncio.Run(context.Background(), sleepy)) }
	testPrograms["off"] = func() { tell(asyncio.Run(context.Background(), sleepy, asyncio.WithInterrupts(false))) }
	testPrograms["goroutine"] = func() {
		done := make(chan error)
		go func() { done <- asyncio.Run(context.Background(), sleepy) }()
		tell(<-done)
	}
	testPrograms["notify context"] = func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		tell(asyncio.Run(ctx, sleepy))
	}
	testPrograms["stubborn"] = func() {
		tell(asyncio.Run(context.Background(), func(ctx context.Context) error {
			_ = sleepy(ctx)
			return sleepy(ctx)
		}))
	}
	testPrograms["blocked"] = func() {
		tell(asyncio.Run(context.Background(), func(ctx context.Context) error {
			fmt.Println("ready")
			//lint:ignore SA5002 it holds the loop on purpose
			for {
			}
		}))
	}
	testPrograms["afterwards"] = func() {
		_ = asyncio.Run(context.Background(), sleepy)
		fmt.Println("ready")
		select {}
	}
}

// program runs this test's binary as the program, and waits until it is ready.
func program(t *testing.T, ctx context.Context, name string, opts ...asyncio.ProcessOption) *asyncio.Process {
	t.Helper()
	opts = append(opts, asyncio.WithStdout(asyncio.Pipe), asyncio.WithEnv(append(os.Environ(), "ASYNCIO_TEST_PROGRAM="+name)...))
	self := itself()
	p := start(t, ctx, opts, self[0], self[1:]...)
	if line := readLine(t, ctx, p.Stdout); line != "ready" {
		t.Fatalf("the program says %q", line)
	}
	return p
}

func TestAProgramsInterrupts(t *testing.T) {
	for _, c := range []struct {
		program string
		what    string
		code    int
	}{
		{"plain", "interrupted\n", 130},
		{"off", "", -2},
		{"goroutine", "", -2},
		{"notify context", "asyncio: run: interrupt signal received\n", 0},
	} {
		t.Run(c.program, func(t *testing.T) {
			runOn(t, nil, func(t *testing.T, ctx context.Context) {
				p := program(t, ctx, c.program)
				must(t, p.SendSignal(os.Interrupt))
				if rest, err := p.Stdout.ReadAll(ctx); string(rest) != c.what || err != nil {
					t.Errorf("it says %q, %v", rest, err)
				}
				waitFor(t, ctx, p, c.code)
			})
		})
	}
}

func TestTheSecondInterruptEndsTheProgram(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		p := program(t, ctx, "stubborn")
		must(t, p.SendSignal(os.Interrupt))
		readLine(t, ctx, p.Stdout) // it goes on
		must(t, p.SendSignal(os.Interrupt))
		waitFor(t, ctx, p, 130)
	})
}

func TestTheSecondInterruptEndsAProgramWhoseLoopIsBlocked(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		p := program(t, ctx, "blocked")
		for range 5000 { // two at once may be merged into one
			if _, ended := p.ReturnCode(); ended {
				break
			}
			_ = p.SendSignal(os.Interrupt)
			must(t, asyncio.Sleep(ctx, time.Millisecond))
		}
		waitFor(t, ctx, p, 130)
	})
}

func TestAfterRunAnInterruptDoesWhatItDidBefore(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		p := program(t, ctx, "afterwards")
		must(t, p.SendSignal(os.Interrupt))
		readLine(t, ctx, p.Stdout)
		must(t, p.SendSignal(os.Interrupt))
		waitFor(t, ctx, p, -2)
	})
}

func TestAProgramThatIgnoresInterruptsGoesOnDoingSo(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, []asyncio.ProcessOption{asyncio.WithStdout(asyncio.Pipe), asyncio.WithEnv(append(os.Environ(), "ASYNCIO_TEST_PROGRAM=plain")...)},
			"sh", append([]string{"-c", `trap "" INT; exec "$@"`, "sh"}, itself()...)...)
		readLine(t, ctx, p.Stdout)
		must(t, p.SendSignal(os.Interrupt)) // of two signals the lower number comes first
		must(t, p.Terminate())
		waitFor(t, ctx, p, -15)
	})
}

func TestAnInterruptReachesABusyLoop(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		err := run(func(ctx context.Context) error {
			raise(t, syscall.SIGINT)
			for { // the loop never waits
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		})
		if !errors.Is(err, asyncio.ErrInterrupted) {
			t.Errorf("Run gives %v", err)
		}
	})
}

func TestAnInterruptThatComesWhenMainHasReturnedIsNotLost(t *testing.T) {
	onEachDriverInterruptible(t, func(t *testing.T, run func(func(context.Context) error) error) {
		failed := errors.New("failed")
		for _, want := range []error{nil, failed} {
			err := run(func(ctx context.Context) error {
				seen := make(chan os.Signal, 1)
				signal.Notify(seen, os.Interrupt)
				defer signal.Stop(seen)
				raise(t, syscall.SIGINT)
				<-seen // the loop does not come to it while main runs
				return want
			})
			if !errors.Is(err, asyncio.ErrInterrupted) || !errors.Is(err, want) && want != nil {
				t.Errorf("Run gives %v", err)
			}
		}
	})
}

func TestTheVirtualClockDoesNotWaitForSignals(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		came := asyncio.NewFuture[struct{}](loopOf(ctx))
		must(t, loopOf(ctx).AddSignalHandler(syscall.SIGUSR1, func() { came.SetResult(struct{}{}) }))
		_, err := came.Await(ctx)
		return err
	}, asyncio.WithVirtualClock())
	if !errors.Is(err, asyncio.ErrDeadlock) {
		t.Errorf("Run gives %v", err)
	}
}
