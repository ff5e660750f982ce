package cluster_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

// The server ends with all that it had in memory, and another takes its place.
func TestAServerThatForgetsIsToldAgain(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "k"} {
		s := startServer(t)
		port := s.Addr().(*net.TCPAddr).Port
		url := s.ClientURL()
		onLoop(t, url, func(ctx context.Context, c *cluster.Client) {
			var opts []cluster.JobOption
			if key != "" {
				opts = append(opts, cluster.WithKey(key))
			}
			f, err := cluster.Submit(ctx, c, square, 7, opts...)
			if err != nil {
				t.Fatal(err)
			}
			for n := uint64(0); n == 0; {
				if n, err = queued(ctx, c); err != nil {
					t.Fatal(err)
				}
			}
			blocking(t, ctx, func() {
				s.Shutdown()
				s.WaitForShutdown()
				startServer(t, func(o *server.Options) { o.Port = port })
				serve(t, url)
			})
			if v, err := f.Await(ctx); err != nil || v != 49 {
				t.Errorf("%d, %v", v, err)
			}
		}, quiet)
	}
}

func TestAFileStoreOutlivesItsServer(t *testing.T) {
	s := startServer(t)
	port, dir := s.Addr().(*net.TCPAddr).Port, s.StoreDir()
	url := s.ClientURL()
	onLoop(t, url, func(ctx context.Context, c *cluster.Client) {
		f, err := cluster.Submit(ctx, c, square, 7, cluster.WithKey("k"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
		_ = f.Err() // its client is gone
	}, cluster.WithFileStore())
	s.Shutdown()
	s.WaitForShutdown()
	startServer(t, func(o *server.Options) { o.Port, o.StoreDir = port, strings.TrimSuffix(dir, "/jetstream") })
	onLoop(t, url, func(ctx context.Context, c *cluster.Client) {
		if n, err := queued(ctx, c); err != nil || n != 1 {
			t.Errorf("%d jobs are queued, %v", n, err)
		}
		serve(t, url)
		if v, err := cluster.Call(ctx, c, square, 0, cluster.WithKey("k")); err != nil || v != 49 {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestWorkersAreSeenComingAndGoing(t *testing.T) {
	s := startServer(t)
	leave := serve(t, s.ClientURL(), cluster.WithConcurrency(3))
	var states []cluster.WorkerState
	left := asyncio.NewEvent()
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		all, err := c.Workers(ctx)
		for err == nil && len(all) == 0 {
			_ = asyncio.Sleep(ctx, time.Millisecond)
			all, err = c.Workers(ctx)
		}
		if err != nil || len(all) != 1 || all[0].Places != 3 || all[0].State != cluster.Working || all[0].Process == 0 {
			t.Errorf("%+v, %v", all, err)
		}
		blocking(t, ctx, func() { _ = leave() })
		if err := left.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}, cluster.WithWorkerNews(func(w cluster.Worker) {
		states = append(states, w.State)
		if w.State == cluster.Left {
			left.Set()
		}
	}))
	if len(states) != 3 || states[0] != cluster.Working || states[1] != cluster.Leaving || states[2] != cluster.Left {
		t.Errorf("%v", states)
	}
}

// A worker is known before it knows that itself: one that is told to leave in between
// says that it has.
func TestAWorkerThatLeavesAsItComesSaysSo(t *testing.T) {
	s := startServer(t)
	for range 10 {
		came, left := make(chan struct{}), asyncio.NewEvent()
		onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
			if _, err := c.Workers(ctx); err != nil {
				t.Fatal(err)
			}
			leave := serve(t, s.ClientURL())
			blocking(t, ctx, func() {
				<-came
				_ = leave()
			})
			if err := left.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}, cluster.WithWorkerNews(func(w cluster.Worker) {
			switch w.State {
			case cluster.Working:
				close(came)
			case cluster.Left:
				left.Set()
			}
		}))
	}
}

func TestAWorkerThatCannotWaitGivesItsJobBack(t *testing.T) {
	s := startServer(t)
	leave := serve(t, s.ClientURL(), cluster.WithGrace(0))
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		begun := asyncio.NewEvent()
		f, err := cluster.Submit(ctx, c, reportAndHang, 1, cluster.WithProgress(func(cluster.Progress) { begun.Set() }))
		if err != nil {
			t.Fatal(err)
		}
		if err := begun.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		blocking(t, ctx, func() {
			if err := leave(); err != nil {
				t.Error(err)
			}
		})
		begun.Clear()
		serve(t, s.ClientURL(), cluster.WithGrace(0))
		if err := begun.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		f.Cancel()
	})
}

func TestCloseFailsWhatIsUnderWay(t *testing.T) {
	s := startServer(t)
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		f, err := cluster.Submit(ctx, c, square, 7)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Result(); !errors.Is(err, cluster.ErrClosed) {
			t.Error(err)
		}
		if _, err := cluster.Submit(ctx, c, square, 7); !errors.Is(err, cluster.ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Workers(ctx); !errors.Is(err, cluster.ErrClosed) {
			t.Error(err)
		}
	})
	// The job was in the cluster all the same.
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		if n, err := queued(ctx, c); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestBadOptionsAreErrors(t *testing.T) {
	s := startServer(t)
	if err := cluster.Serve(t.Context(), s.ClientURL(), cluster.WithName("a b")); err == nil {
		t.Error("a name with a space")
	}
	if err := cluster.Serve(t.Context(), "nats://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Error(err)
	}
	if err := cluster.Serve(t.Context(), "nats://secret@127.0.0.1:1"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		for _, o := range []cluster.JobOption{
			cluster.WithKey(""), cluster.WithTimeout(0), cluster.WithRetry(0, 0, 0),
			cluster.WithRetry(2, time.Second, 0), cluster.WithKey(strings.Repeat("k", 1<<17)),
		} {
			if _, err := cluster.Submit(ctx, c, square, 1, o); err == nil {
				t.Error("no error")
			}
		}
		if c.Pending() != 0 {
			t.Error("a job is under way")
		}
	})
}

func TestAConnectThatIsCutOffLeavesNothing(t *testing.T) {
	s := startServer(t)
	if err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for i := range 10 {
			err := asyncio.Timeout(ctx, time.Duration(i)*time.Millisecond, func(ctx context.Context) error {
				c, err := cluster.Connect(ctx, s.ClientURL())
				if err == nil {
					err = c.Close(ctx)
				}
				return err
			})
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestConnectNeedsALoop(t *testing.T) {
	if _, err := cluster.Connect(t.Context(), ""); !errors.Is(err, asyncio.ErrNoRunningLoop) {
		t.Error(err)
	}
}

// blocking does what blocks elsewhere than on the loop.
func blocking(t testing.TB, ctx context.Context, fn func()) {
	t.Helper()
	if _, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
		fn()
		return struct{}{}, nil
	}); err != nil {
		t.Fatal(err)
	}
}
