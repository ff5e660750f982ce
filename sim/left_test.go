package sim_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestTasksAndSocketsThatAreLeftAreNamed(t *testing.T) {
	leaves := func(closes bool, lasts time.Duration) error {
		return sim.Run(func(w *sim.World) {
			w.Host("server").Serve(echo)
			w.Host("client").Go(func(ctx context.Context) error {
				s, err := dialRetrying(ctx, "server:7")
				if err != nil {
					return err
				}
				if closes {
					_ = s.Close()
				}
				asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, lasts) }, asyncio.WithName("lingers"))
				return nil
			})
		}, sim.Seeds(5), sim.NothingLeft(time.Second)).Err
	}
	if err := leaves(true, 100*time.Millisecond); err != nil {
		t.Errorf("what ends soon fails the world: %v", err)
	}
	if err := leaves(false, 0); !errors.Is(err, sim.ErrLeft) || !strings.Contains(err.Error(), "host client: 1 sockets") {
		t.Errorf("an open connection gives %v", err)
	}
	if err := leaves(true, time.Minute); !errors.Is(err, sim.ErrLeft) || !strings.Contains(err.Error(), "lingers") {
		t.Errorf("a task gives %v", err)
	}
}

// TestChildLeavesItsBubble is run by TestWhatStaysInABubbleIsNamed.
func TestChildLeavesItsBubble(t *testing.T) {
	switch os.Getenv("SIM_TEST_CHILD_LEAVES") {
	case "goroutine":
		sim.Test(t, func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				go neverEnds(make(chan int))
				return nil
			})
		})
	case "task":
		sim.Test(t, func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				neverEnds(make(chan int))
				return nil
			})
		})
	default:
		t.Skip("it is run by another test")
	}
}

func neverEnds(c chan int) { <-c }

func TestWhatStaysInABubbleIsNamed(t *testing.T) {
	for leaves, want := range map[string]string{"goroutine": "something is left behind: goroutines", "task": "this will wait for ever, and all of the world with it: a task, at "} {
		out, ok := child(t, t.TempDir(), []string{"SIM_TEST_CHILD_LEAVES=" + leaves}, "-test.run=^TestChildLeavesItsBubble$")
		if ok || !strings.Contains(out, want) || !strings.Contains(out, "neverEnds") || !strings.Contains(out, "-sim.seed=1") {
			t.Errorf("a %s: it passed: %v\n%s", leaves, ok, out)
		}
	}
}

// A notice is a writer that tells when something has been written.
type notice struct {
	mu   sync.Mutex
	text bytes.Buffer
	once sync.Once
	came chan struct{}
}

func (n *notice) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.once.Do(func() { close(n.came) })
	return n.text.Write(p)
}

func TestTheWatchdogNamesWhatBlocksAWorld(t *testing.T) {
	for _, who := range []string{"a job of an executor", "a task", "a callback"} {
		n := &notice{came: make(chan struct{})}
		r := sim.Run(func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				switch who {
				case "a task":
					<-n.came
				case "a callback":
					l, err := asyncio.RunningLoop(ctx)
					if err != nil {
						return err
					}
					l.CallSoon(func() { <-n.came })
				default:
					_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
						<-n.came
						return 0, nil
					})
					return err
				}
				return asyncio.Sleep(ctx, time.Second)
			})
		}, sim.Seeds(1), sim.Seed(42), sim.Once(), sim.Patience(100*time.Millisecond), sim.Complaints(n))
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		n.mu.Lock()
		if s := n.text.String(); !strings.Contains(s, "seed 42: nothing has happened for 100ms of real time: "+who+" is blocked") || !strings.Contains(s, "left_test.go:") {
			t.Errorf("of %s it said %s", who, s)
		}
		n.mu.Unlock()
	}
}
