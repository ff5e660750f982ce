package remote

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/gobvalue"
)

var quiet = slog.New(slog.DiscardHandler)

// startNATS starts a server, and connects to it.
func startNATS(t *testing.T) (string, *nats.Conn) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not get ready")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return s.ClientURL(), nc
}

// hanging is a site that answers nothing: it tells who has asked, and who has gone.
type hanging struct {
	*httptest.Server
	asked, gone chan string
}

func newHanging(t *testing.T) *hanging {
	h := &hanging{asked: make(chan string, 10), gone: make(chan string, 10)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.asked <- r.URL.Path
		<-r.Context().Done()
		h.gone <- r.URL.Path
	}))
	t.Cleanup(h.Close)
	return h
}

// next returns what comes from a channel.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing comes")
		panic("not reached")
	}
}

// handOwner speaks to a member by hand.
type handOwner struct {
	t       *testing.T
	nc      *nats.Conn
	beats   chan Member
	reports chan *report
	order   order
}

func newHandOwner(t *testing.T, nc *nats.Conn) *handOwner {
	o := &handOwner{t: t, nc: nc, beats: make(chan Member, 1000), reports: make(chan *report, 100)}
	settings, id, err := (&Settings{AllowPrivate: true}).encode()
	if err != nil {
		t.Fatal(err)
	}
	o.order = order{Crawl: "c", Generation: 5, Reply: nc.NewInbox(), Settings: settings, SettingsID: id}
	for subject, fn := range map[string]nats.MsgHandler{
		beatSubject: func(m *nats.Msg) {
			var member Member
			if json.Unmarshal(m.Data, &member) == nil {
				o.beats <- member
			}
		},
		o.order.Reply: func(m *nats.Msg) {
			if r, err := decode[report]("a report", m.Data[1:]); err == nil {
				o.reports <- r
			}
		},
	} {
		if _, err := nc.Subscribe(subject, fn); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *handOwner) send(to Member, change func(*order)) {
	o.t.Helper()
	m := o.order
	m.Beat = to.Beat
	change(&m)
	b, err := gobvalue.Encode(&m)
	if err == nil {
		err = o.nc.Publish(memberSubject+to.ID, b)
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

func TestAMemberWorksForItsOwnerAsLongAsItsLease(t *testing.T) {
	t.Parallel()
	address, nc := startNATS(t)
	site := newHanging(t)
	o := newHandOwner(t, nc)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	began := time.Now() // before the beat with which the lease begins
	go func() {
		over <- asyncio.Run(ctx, func(ctx context.Context) error {
			return Serve(ctx, MemberOptions{URL: address, Places: 2, AllowPrivate: true, Log: quiet, Note: t.Logf})
		})
	}()
	member := next(t, o.beats)
	fetches := func(paths ...string) (all []job) {
		for i, p := range paths {
			all = append(all, job{N: uint64(i + 1), URL: site.URL + p})
		}
		return all
	}
	// An order of which it is not known how old it is, and one beyond the places.
	o.send(member, func(m *order) { m.Beat, m.Fetches = 1<<40, fetches("/old") })
	if r := next(t, o.reports); !slices.Equal(r.Refused, []uint64{1}) {
		t.Errorf("of an old order: %+v", r)
	}
	// One without the settings.
	o.send(member, func(m *order) { m.Settings, m.Fetches = nil, fetches("/unset") })
	if r := next(t, o.reports); !r.Unset || !slices.Equal(r.Refused, []uint64{1}) {
		t.Errorf("of an order without settings: %+v", r)
	}
	o.send(member, func(m *order) { m.Fetches, m.Ask = fetches("/1", "/2", "/3"), []uint64{77} })
	if r := next(t, o.reports); !slices.Equal(r.Refused, []uint64{3}) || !slices.Equal(r.Lost, []uint64{77}) {
		t.Errorf("of three fetches for two places: %+v", r)
	}
	next(t, site.asked)
	next(t, site.asked)
	// Nothing more is heard of the owner.
	next(t, site.gone)
	next(t, site.gone)
	if took := time.Since(began); took < lease || took > giveUp+10*time.Second {
		t.Errorf("they were cancelled after %v", took)
	}
	lost := next(t, o.reports).Lost
	if len(lost) < 2 {
		lost = append(lost, next(t, o.reports).Lost...)
	}
	slices.Sort(lost)
	if !slices.Equal(lost, []uint64{1, 2}) {
		t.Errorf("%v were lost", lost)
	}
	// A later owner of the crawl ends what it does for the one before, which is not
	// heard any more.
	for member.Beat < uint64(lease/beatEvery) || len(o.beats) > 0 {
		member = next(t, o.beats)
	}
	o.send(member, func(m *order) { m.Fetches = fetches("/before") })
	next(t, site.asked)
	o.send(member, func(m *order) { m.Generation = 6 })
	if p := next(t, site.gone); p != "/before" {
		t.Errorf("%s was cancelled", p)
	}
	o.send(member, func(m *order) { m.Fetches = fetches("/late") })
	o.send(member, func(m *order) { m.Generation, m.Fetches = 6, fetches("/now") })
	if p := next(t, site.asked); p != "/now" {
		t.Errorf("%s was asked for", p)
	}
	// One that leaves says so, twice.
	stop()
	if err := next(t, over); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for !member.Left {
		member = next(t, o.beats)
	}
	next(t, site.gone)
}

// A member that says nothing after it was given something: its fetches are given up, and
// not before its own lease is over.
func TestAnOwnerGivesUpWhatASilentMemberHas(t *testing.T) {
	t.Parallel()
	address, nc := startNATS(t)
	orders := make(chan *order, 100)
	if _, err := nc.Subscribe(memberSubject+"m", func(m *nats.Msg) {
		if o, err := decode[order]("an order", m.Data); err == nil {
			orders <- o
		}
	}); err != nil {
		t.Fatal(err)
	}
	beat := func(n uint64) {
		b, _ := json.Marshal(Member{ID: "m", Beat: n, Places: 1})
		if err := errors.Join(nc.Publish(beatSubject, b), nc.Flush()); err != nil {
			t.Error(err)
		}
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		o, err := Connect(ctx, OwnerOptions{URL: address, Crawl: "c", Settings: &Settings{}, Log: quiet, Note: t.Logf})
		if err != nil {
			return err
		}
		defer o.Close(ctx)
		u := &url.URL{Scheme: "http", Host: "h", Path: "/"}
		get := func() *asyncio.Task[*fetch.Response] {
			return asyncio.CreateTask(ctx, func(ctx context.Context) (*fetch.Response, error) {
				return o.Get(ctx, &fetch.Request{URL: u, Limit: 10})
			})
		}
		first, second := get(), get()
		began := time.Now()
		beat(7)
		got, err := asyncio.ToThread(ctx, func(context.Context) (*order, error) { return next(t, orders), nil })
		if err != nil {
			return err
		}
		if got.Beat != 7 || len(got.Settings) == 0 || len(got.Fetches) != 1 || got.Fetches[0].URL != "http://h/" {
			t.Errorf("the order is %+v", got)
		}
		if _, err := first.Await(ctx); !errors.Is(err, ErrLost) {
			t.Errorf("it gave %v", err)
		}
		if took := time.Since(began); took < lease+silence/2 {
			t.Errorf("it was given up after %v", took)
		}
		if o.Lost() != 1 || len(o.Members()) != 0 {
			t.Errorf("%d were lost, %v are there", o.Lost(), o.Members())
		}
		second.Cancel() // it still waits for a member
		if _, err := second.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it gave %v", err)
		}
		// What is larger than it may be is an error of the fetch.
		third := get()
		beat(8)
		for got.Beat != 8 || len(got.Fetches) == 0 {
			if got, err = asyncio.ToThread(ctx, func(context.Context) (*order, error) { return next(t, orders), nil }); err != nil {
				return err
			}
		}
		large := piece{n: got.Fetches[0].N, data: make([]byte, 512<<10)}
		for i := range 10 {
			large.index = uint64(i)
			if err := nc.Publish(got.Reply, large.encode()); err != nil {
				return err
			}
		}
		if r, err := third.Await(ctx); err != nil || r.Err == nil || r.Err.Code != fetch.FileTooLarge {
			t.Errorf("%+v, %v", r, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
