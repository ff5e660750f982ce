package insight

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// A fake is a subject whose looks were made by hand.
type fake struct {
	mu   sync.Mutex
	look func(o asyncio.LookOptions) *asyncio.LoopLook
	id   uint64
}

func (f *fake) ID() uint64 { return f.id }

func (f *fake) Look(_ context.Context, _ time.Duration, o asyncio.LookOptions) (*asyncio.LoopLook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := *f.look(o)
	// As a loop does, a page at a time.
	tasks := k.Tasks
	k.Tasks = nil
	for _, t := range tasks {
		if t.ID <= o.After || o.Tasks < 0 {
			continue
		}
		if most := o.Tasks; len(k.Tasks) == most {
			k.More = true
			break
		}
		if !o.Stacks {
			t.Stack, t.At, t.Function = nil, nil, ""
		}
		k.Tasks = append(k.Tasks, t)
	}
	if o.Each != nil {
		for i := range k.Tasks {
			o.Each(&k.Tasks[i])
		}
		k.Tasks = nil
	}
	events := k.Events
	k.Events = nil
	for _, e := range events {
		if o.Events != nil && e.Seq > *o.Events {
			k.Events = append(k.Events, e)
		}
	}
	return &k, nil
}

func (f *fake) CallSoonThreadsafe(fn func()) (*asyncio.Handle, error) {
	return nil, asyncio.ErrLoopClosed
}

func (f *fake) TaskByID(uint64) asyncio.AnyTask { return nil }

// fakes makes a window on loops that were made by hand.
func fakes(looks ...*asyncio.LoopLook) *window {
	w := newWindow()
	var all []subject
	for _, k := range looks {
		all = append(all, &fake{id: k.Loop, look: func(asyncio.LookOptions) *asyncio.LoopLook { return k }})
	}
	w.subjects = func() []subject { return slices.Clone(all) }
	return w
}

// startServer starts a server in a directory of the test's own.
func startServer(t testing.TB, w *window, opts ...Option) *Server {
	t.Helper()
	o := options{level: asyncio.InsightOn, directory: filepath.Join(t.TempDir(), "s")}
	for _, opt := range opts {
		opt.apply(&o)
	}
	s, err := start(&o, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// clientOf returns a client of the server's socket.
func clientOf(t testing.TB, s *Server) *http.Client {
	var at insightwire.Loopback // empty where there is a unix socket
	if info, err := os.Stat(s.Path()); err == nil && info.Mode().IsRegular() {
		text, err := os.ReadFile(s.Path())
		if err == nil {
			err = json.Unmarshal(text, &at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		if at.Address != "" {
			return d.DialContext(ctx, "tcp", at.Address)
		}
		return d.DialContext(ctx, "unix", s.Path())
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: &authorized{tr, at}}
}

// An authorized client is one that has read the file of a loopback listener.
type authorized struct {
	*http.Transport
	at insightwire.Loopback
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.at.Token != "" {
		r = r.Clone(r.Context())
		r.Host = a.at.Address
		r.Header.Set("Authorization", "Bearer "+a.at.Token)
	}
	return a.Transport.RoundTrip(r)
}
