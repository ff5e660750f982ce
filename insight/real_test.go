package insight

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// A log is where a test reads what was logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	said chan struct{} // closed when what is wanted was logged
}

func newLog(want string) *log { return &log{want: want, said: make(chan struct{})} }

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := strings.Contains(l.text.String(), l.want)
	n, err := l.text.Write(b)
	if !before && strings.Contains(l.text.String(), l.want) {
		close(l.said)
	}
	return n, err
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestARealLoopIsLookedIntoAndItsTasksCancelled(t *testing.T) {
	s := startServer(t, newWindow())
	c := clientOf(t, s)
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("sleeper"))
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		id, err := asyncio.ToThread(ctx, func(context.Context) (uint64, error) {
			var body string
			for range 10 { // a busy machine may have held up the loop, which is looked at from outside then
				var l insightwire.Looks
				_, body = get(t, c, "/v1/loops?stacks=1&loop="+strconv.FormatUint(loop.ID(), 10))
				if err := json.Unmarshal([]byte(body), &l); err != nil {
					return 0, err
				}
				for _, k := range l.Loops[0].Tasks {
					if k.Name == "sleeper" && k.Waits != nil && k.Waits.Kind == "sleep" && k.At != nil && strings.HasSuffix(k.At.File, "real_test.go") {
						return k.ID, nil
					}
				}
			}
			return 0, errors.New("the task is not there: " + body)
		})
		if err != nil {
			return err
		}
		path := "/v1/cancel?task=" + strconv.FormatUint(id, 10) + "&loop=" + strconv.FormatUint(loop.ID(), 10)
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			status, body := ask(t, c, "POST", path)
			if status != 200 || !strings.Contains(body, `"cancelled"`) || !strings.Contains(body, `"sleeper"`) {
				t.Errorf("%d %s", status, body)
			}
			return 0, nil
		}); err != nil {
			return err
		}
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || !errors.Is(err, errAsked) {
			t.Errorf("the task has ended with %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStallOfARealLoopIsLoggedWithWhatTheWindowShows(t *testing.T) {
	l := newLog("real_test.go") // a busy machine may have held up the loop before it is here
	startServer(t, newWindow(), WithIncidentLog(slog.New(slog.NewTextHandler(l, nil))))
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("beside"))
		for {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			select { // on the loop: that is what hangs it
			case <-l.said:
				return nil
			case <-time.After(time.Second): // it was told of before it was here, and once
			}
		}
	}, asyncio.WithStallWatch(20*time.Millisecond), asyncio.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"stands still", "real_test.go", "beside"} {
		if !strings.Contains(l.String(), want) {
			t.Errorf("%q is missing in %s", want, l)
		}
	}
}

func TestAPanicOfARealTaskIsLogged(t *testing.T) {
	l := newLog("boom")
	startServer(t, newWindow(), WithIncidentLog(slog.New(slog.NewTextHandler(l, nil))))
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		task := asyncio.Go(ctx, func(context.Context) error { panic("boom") })
		_, err := task.Await(ctx)
		_, _ = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			<-l.said
			return 0, nil
		})
		return err
	})
	var p *asyncio.PanicError
	if !errors.As(err, &p) || !strings.Contains(l.String(), "has panicked: ") || !strings.Contains(l.String(), "boom") {
		t.Errorf("%v, logged: %s", err, l)
	}
}

func TestTheHandlerAnswersOnALoopToo(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: Handler()}
		at, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer srv.Close()
		c := &http.Client{Transport: &http.Transport{}}
		defer c.CloseIdleConnections()
		for path, want := range map[string]struct {
			status int
			says   string
		}{
			"/metrics":            {200, `asyncio_loop_responsive{loop="%d"} 1`},
			"/v1/loops?tasks=1":   {200, `"tasks":[{"id":1,`},
			"/v1/loops?tasks=bad": {400, "tasks="},
			"/v1/events":          {501, "not on a loop"},
		} {
			type answer struct {
				status int
				body   string
			}
			got, err := asyncio.ToThread(ctx, func(context.Context) (a answer, err error) {
				a.status, a.body = get(t, c, "http://"+at.String()+path)
				return a, nil
			})
			if err != nil {
				return err
			}
			loop, _ := asyncio.RunningLoop(ctx)
			if says := strings.Replace(want.says, "%d", strconv.FormatUint(loop.ID(), 10), 1); got.status != want.status || !strings.Contains(got.body, says) {
				t.Errorf("%s: %d %.2000s", path, got.status, got.body)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
