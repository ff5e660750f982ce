package natslink_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestURLsAreShownWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"nats://h:1":           "nats://h:1",
		"nats://s@h:1,tls://b": "nats://h:1,tls://b",
		"u:p@h":                "h",
		"nats://u:p@x@h":       "nats://h",
		"s@h://":               "h://",
	} {
		if got := natslink.WithoutSecrets(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// What several goroutines put comes whole, each one's in order, and goes out again.
func TestWhatIsPutComesInOrder(t *testing.T) {
	const senders, each = 4, 1000
	next := make([]int, senders) // of the loop
	var sent []int
	out := natslink.NewOutbox(func(n int) { sent = append(sent, n) })
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		all := asyncio.NewEvent()
		left := senders * each
		in := natslink.NewInbox(loop, func(v [2]int) {
			if next[v[0]] != v[1] {
				t.Errorf("of %d came %d in the place of %d", v[0], v[1], next[v[0]])
			}
			next[v[0]]++
			out.Put(left)
			if left--; left == 0 {
				all.Set()
			}
		}, func() { t.Error("the loop is closed") })
		var group sync.WaitGroup
		for s := range senders {
			group.Go(func() {
				for n := range each {
					in.Put([2]int{s, n})
				}
			})
		}
		defer group.Wait() //asyncvet:ignore blocking all that they put has come
		return all.Wait(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	out.Wait()
	out.Put(-1)
	if len(sent) != senders*each || sent[0] != senders*each || sent[len(sent)-1] != 1 {
		t.Errorf("%d were sent", len(sent))
	}
}

func TestAnInboxOfAClosedLoopSaysSo(t *testing.T) {
	loop, err := asyncio.NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.Close(); err != nil {
		t.Fatal(err)
	}
	lost := false
	natslink.NewInbox(loop, func(int) { t.Error("it was handled") }, func() { lost = true }).Put(1)
	if !lost {
		t.Error("nobody was told")
	}
}
