package h2

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/net/http2"
)

// Of the streams that the server had looked at when it said goodbye the answers
// still come; the others may go elsewhere.
func TestAGoodbyeOfTheServerEndsWhatItHasNotLookedAt(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		ended := 0
		r.client.OnEnd = func() { ended++ }
		one, two := r.ask(r.request("GET", "http://x/", nil)), r.ask(r.request("GET", "http://x/", nil))
		third := r.ask(r.request("GET", "http://x/", nil)) // for which there is no stream
		r.take()
		_ = r.fr.WriteGoAway(1, http2.ErrCodeNo, []byte("bye"))
		r.send()
		r.wants()
		for _, task := range []*asyncio.Task[answer]{two, third} {
			var conn *ConnError
			if _, err := r.result(task); !errors.Is(err, ErrUnprocessed) || !errors.As(err, &conn) || !conn.Remote || conn.Reason != "bye" || !strings.Contains(err.Error(), "bye") {
				t.Error(err)
			}
		}
		if r.client.Usable() || r.client.Ready() || r.client.Err() != nil || ended != 0 {
			t.Error("it takes more requests, or has ended:", r.client.Err())
		}
		if _, err := r.result(r.ask(r.request("GET", "http://x/", nil))); !errors.Is(err, ErrUnprocessed) {
			t.Error(err)
		}
		r.headers(1, true, ":status=200")
		r.send()
		if _, err := r.result(one); err != nil {
			t.Error(err)
		}
		r.wants("GOAWAY 0 NO_ERROR")
		if ended != 1 || r.client.Err() == nil {
			t.Error("it has not ended")
		}
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
}

func TestAShutdownOfAClientLetsItsRequestsEnd(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		task := r.ask(r.request("GET", "http://x/", nil))
		r.take()
		r.client.Shutdown()
		r.wants()
		if r.client.Usable() {
			t.Error("it takes more requests")
		}
		r.headers(1, true, ":status=200")
		r.send()
		if _, err := r.result(task); err != nil {
			t.Error(err)
		}
		r.wants("GOAWAY 0 NO_ERROR")
		if r.client.Err() != ErrClosed {
			t.Error(r.client.Err())
		}
	})
}

func TestAShutdownOfAClientEndsWhoWaitForAStream(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		one := r.ask(r.request("GET", "http://x/1", nil))
		two := r.ask(r.request("GET", "http://x/2", nil))
		r.take()
		r.client.Shutdown()
		r.turns()
		if _, err := r.result(two); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		r.headers(1, true, ":status=200")
		r.send()
		if _, err := r.result(one); err != nil {
			t.Error(err)
		}
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
}

// A turn that is given to somebody who does not want it any more goes to the next.
func TestTurnsForAStreamAreHandedOn(t *testing.T) {
	onClient(t, &Client{}, func(r *rig) {
		idle := 0
		r.client.OnIdle = func() { idle++ }
		var all []*asyncio.Task[answer]
		for range 5 {
			all = append(all, r.ask(r.request("GET", "http://x/", nil)))
		}
		if n := r.client.Requests(); n != 5 || r.client.Ready() || !r.client.Usable() || !r.client.Settled() {
			t.Errorf("%d requests, ready: %v", n, r.client.Ready())
		}
		r.take()
		all[1].Cancel()
		r.turns()
		// The response gives its stream to the third, who is cancelled before it
		// runs; then it is the fourth's.
		all[0].AddDoneCallback(func() { all[2].Cancel() })
		r.headers(1, true, ":status=200")
		r.send()
		if got := r.take(); !strings.HasPrefix(got, "HEADERS 3 end") || strings.Contains(got, "HEADERS 5") && !strings.Contains(got, "RST_STREAM 3") {
			t.Error(got)
		}
		_ = r.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 10}) // and now there is room for all
		r.send()
		r.take()
		for id := uint32(3); id <= 9; id += 2 {
			if r.client.c.streams[id] != nil {
				r.headers(id, true, ":status=200")
			}
		}
		r.send()
		for _, i := range []int{3, 4} {
			if _, err := r.result(all[i]); err != nil {
				t.Error(i, err)
			}
		}
		if r.client.Requests() != 0 || !r.client.Ready() || idle != 1 {
			t.Errorf("%d requests, ready: %v, idle %d times", r.client.Requests(), r.client.Ready(), idle)
		}
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
}

func TestBeforeTheServerHasSaidHowManyThereAreAHundredRequests(t *testing.T) {
	onVirtualClock(t, func(ctx context.Context) {
		r := newRig(t, ctx)
		var cl Client
		c, err := cl.NewConn(ctx, r.w)
		if err != nil {
			t.Fatal(err)
		}
		r.client = c
		for range firstStreams + 5 {
			asyncio.CreateTask(ctx, func(ctx context.Context) (answer, error) {
				resp, err := c.Do(r.request("GET", "http://x/", nil), Call{Context: ctx})
				return answer{resp, err}, nil
			})
		}
		if n := strings.Count(r.take(), "HEADERS "); n != firstStreams || c.Settled() {
			t.Errorf("%d requests at once, settled: %v", n, c.Settled())
		}
		_ = r.fr.WriteSettings()
		r.send()
		if n := strings.Count(r.take(), "HEADERS "); n != 5 || !c.Settled() {
			t.Errorf("%d more requests, settled: %v", n, c.Settled())
		}
		r.w.eof = true
		r.w.news.Set()
		if err := c.WaitClosed(ctx); err != nil || !errors.Is(c.Err(), io.ErrUnexpectedEOF) {
			t.Error(err, c.Err())
		}
		r.turns()
	})
}
