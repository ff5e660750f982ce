package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// ask connects, and returns the line that it is sent.
func ask(ctx context.Context, addr net.Addr) (string, error) {
	s, err := asyncio.OpenConnection(ctx, addr.Network(), addr.String())
	if err != nil {
		return "", err
	}
	defer s.Close()
	line, err := s.ReadLine(ctx)
	return string(line), err
}

// startWorkers runs n workers, each of which tells its number to whoever
// connects, and returns their addresses once all listen.
func startWorkers(t *testing.T, ctx context.Context, n int, network, address string, opts ...asyncio.Option) (addrs []net.Addr, done chan error) {
	t.Helper()
	var listening sync.WaitGroup
	listening.Add(n)
	addrs = make([]net.Addr, n)
	done = make(chan error, 1)
	go func() {
		done <- asyncio.Workers(ctx, n, func(ctx context.Context, w *asyncio.Worker) error {
			if w.Count() != n {
				t.Errorf("Count gave %d", w.Count())
			}
			srv, err := w.StartServer(ctx, network, address, func(_ context.Context, s *asyncio.Stream) error {
				_, err := fmt.Fprintln(s, w.Index())
				return err
			})
			if err != nil {
				t.Error(err)
			} else {
				addrs[w.Index()] = srv.Addr()
			}
			listening.Done()
			if err != nil {
				return err
			}
			return srv.ServeForever(ctx)
		}, opts...)
	}()
	listening.Wait()
	return addrs, done
}

func TestWorkersShareAPortAndStopTogether(t *testing.T) {
	for name, driver := range drivers() {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(name+"/"+network, func(t *testing.T) {
				address := "127.0.0.1:0"
				if network == "unix" {
					address = filepath.Join(t.TempDir(), "s")
				}
				ctx, stop := context.WithCancel(t.Context())
				addrs, done := startWorkers(t, ctx, 3, network, address, options(driver)...)
				for _, a := range addrs {
					if a.String() != addrs[0].String() {
						t.Fatalf("the addresses are %v", addrs)
					}
				}
				seen := make(map[string]int)
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					for range 60 {
						line, err := ask(ctx, addrs[0])
						if err != nil {
							return err
						}
						seen[line]++
					}
					return nil
				})
				if err != nil || network == "tcp" && len(seen) != 3 {
					t.Errorf("the workers served %v, %v", seen, err)
				}
				stop()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("Workers gave %v", err)
				}
				if nc, err := net.Dial(addrs[0].Network(), addrs[0].String()); err == nil {
					nc.Close()
					t.Error("somebody still listens")
				}
			})
		}
	}
}

func TestWorkerThatFailsStopsTheOthers(t *testing.T) {
	wrong := errors.New("wrong")
	var mu sync.Mutex
	cancelled := 0
	err := asyncio.Workers(t.Context(), 4, func(ctx context.Context, w *asyncio.Worker) error {
		if w.Index() == 2 {
			return wrong
		}
		err := asyncio.Sleep(ctx, 1<<40)
		if asyncio.IsCancelled(err) {
			mu.Lock()
			cancelled++
			mu.Unlock()
		}
		return err
	})
	if !errors.Is(err, wrong) || errors.Is(err, context.Canceled) || cancelled != 3 {
		t.Errorf("Workers gave %v; %d were cancelled", err, cancelled)
	}
}

func TestWorkersThatEndWellGiveNoError(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err := asyncio.Workers(ctx, 0, func(ctx context.Context, w *asyncio.Worker) error {
		if w.Index() == 0 {
			stop()
		}
		_ = asyncio.Sleep(ctx, 1<<40)
		return nil // stopped, and that is well
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAWorkerWithAnEndedContextLeavesNoListener(t *testing.T) {
	for _, create := range []bool{false, true} {
		address := filepath.Join(t.TempDir(), "s")
		err := asyncio.Workers(t.Context(), 1, func(ctx context.Context, w *asyncio.Worker) (err error) {
			if create {
				_, err = w.CreateServer(ended(ctx), "unix", address, newEcho)
			} else {
				_, err = w.StartServer(ended(ctx), "unix", address, echo)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it returned %v", err)
			}
			if nc, err := net.Dial("unix", address); err == nil { //asyncvet:ignore blocking the peer is a plain connection, to this machine
				nc.Close()
				t.Error("somebody listens")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestWorkersAllLearnThatTheyCannotListen(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	err := asyncio.Workers(t.Context(), 2, func(ctx context.Context, w *asyncio.Worker) error {
		_, err := w.CreateServer(ctx, "tcp", ln.Addr().String(), newEcho)
		return err
	})
	if err == nil {
		t.Error("they listen where another does")
	}
}

// Listen is for servers that are not started by the worker, such as those of HTTP.
func TestWorkersListenForServersOfTheirOwn(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			addrs := make([]string, 2)
			asked := make(chan struct{})
			err := asyncio.Workers(t.Context(), 2, func(ctx context.Context, w *asyncio.Worker) error {
				ln, err := w.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				srv, err := asyncio.StartServer(ctx, "", "", func(_ context.Context, s *asyncio.Stream) error {
					_, err := fmt.Fprintln(s, "served")
					return err
				}, asyncio.WithListener(ln))
				if err != nil {
					return err
				}
				defer srv.Close()
				addrs[w.Index()] = srv.Addr().String()
				if w.Index() > 0 { // it may be the one that is asked
					_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-asked; return 0, nil })
					return err
				}
				defer close(asked)
				line, err := ask(ctx, srv.Addr())
				if err != nil || line != "served\n" {
					t.Errorf("%q, %v", line, err)
				}
				return nil
			}, options(driver)...)
			if err != nil || addrs[0] != addrs[1] || addrs[0] == "" {
				t.Errorf("%q, %v", addrs, err)
			}
		})
	}
}
