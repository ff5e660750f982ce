package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // connections are lost on purpose
	goleak.VerifyTestMain(m)
}

// start serves a cache at an address.
func start(ctx context.Context, t *testing.T, c cache, address string) *asyncio.Server {
	t.Helper()
	srv, err := asyncio.StartServer(ctx, "tcp", address, c.serve)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// stop ends a client and a server, and waits for both.
func stop(ctx context.Context, t *testing.T, c *client, srv *asyncio.Server) {
	t.Helper()
	c.close()
	if _, err := c.task.Await(ctx); !asyncio.IsCancelled(err) {
		t.Error(err)
	}
	srv.Close()
	srv.CloseClients()
	if err := srv.WaitClosed(ctx); err != nil {
		t.Error(err)
	}
}

func TestValuesAreKeptUntilTheyAreDeleted(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		srv := start(ctx, t, cache{}, "127.0.0.1:0")
		c := newClient(ctx, srv.Addr().String(), 10*time.Second)
		defer func() { stop(ctx, t, c, srv) }()
		for _, step := range []struct{ kind, key, value, want string }{
			{"get", "a", "", "notfound "},
			{"set", "a", `{"b":[1,2]}`, "ok "},
			{"get", "a", "", `ok {"b":[1,2]}`},
			{"delete", "a", "", "ok "},
			{"delete", "a", "", "notfound "},
			{"set", "a", "", "a value is missing "},
			{"get", "", "", "a key is missing "},
			{"jump", "a", "", `"jump" is no type of request `},
		} {
			r, err := c.do(ctx, request{Type: step.kind, Key: step.key, Value: json.RawMessage(step.value)})
			if got := fmt.Sprintf("%s %s", r.Status, r.Value); err != nil || got != step.want {
				t.Errorf("%s %s %s: %q, %v, want %q", step.kind, step.key, step.value, got, err, step.want)
			}
		}
	}, asynctest.WithRealClock())
}

func TestAClientConnectsAgainAndSendsAgain(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		values := cache{}
		srv := start(ctx, t, values, "127.0.0.1:0")
		address := srv.Addr().String()
		c := newClient(ctx, address, 10*time.Second)
		defer func() { stop(ctx, t, c, srv) }()
		if r, err := c.do(ctx, request{Type: "set", Key: "a", Value: json.RawMessage("1")}); r.Status != "ok" || err != nil {
			t.Fatal(r, err)
		}
		srv.Close()
		srv.AbortClients()
		var asked []*asyncio.Task[response]
		for range 3 {
			asked = append(asked, asyncio.CreateTask(ctx, func(ctx context.Context) (response, error) {
				return c.do(ctx, request{Type: "get", Key: "a"})
			}))
		}
		if err := srv.WaitClosed(ctx); err != nil {
			t.Fatal(err)
		}
		srv = start(ctx, t, values, address)
		all, err := asyncio.Gather(ctx, asked...)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if string(r.Value) != "1" {
				t.Errorf("%+v", r)
			}
		}
	}, asynctest.WithRealClock())
}

func TestARequestHasATimeLimit(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.ReadAll(ctx) // and no answer
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(ctx, srv.Addr().String(), 20*time.Millisecond)
		defer func() { stop(ctx, t, c, srv) }()
		if _, err := c.do(ctx, request{Type: "get", Key: "a"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if len(c.wanted) != 0 {
			t.Errorf("%d are still wanted", len(c.wanted))
		}
	}, asynctest.WithRealClock())
}
