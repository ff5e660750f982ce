package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A track is a driver on the virtual clock to whose addresses connections race.
// It looks names up itself, and notes who started when.
type track struct {
	*asyncio.Clock
	addrs   []netip.Addr
	delay   time.Duration // of a look-up
	results map[string]result
	started []string
	locals  []net.Addr
	open    int
	loop    *asyncio.Loop
	asked   []string
}

// A result is how an attempt ends, and after which time; none: it never does.
type result struct {
	after time.Duration
	err   error
	never bool
}

func (k *track) LookupNetIP(network, host string) ([]netip.Addr, time.Duration, error) {
	k.asked = append(k.asked, network+" "+host)
	return k.addrs, k.delay, nil
}

func (k *track) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	name := spec.Remote.String()
	if a, ok := spec.Remote.(*net.TCPAddr); ok {
		name = a.IP.String()
	}
	k.started = append(k.started, fmt.Sprint(name, " ", k.Now()))
	k.locals = append(k.locals, spec.Local)
	r, ok := k.results[name]
	switch {
	case !ok:
		return nil, syscall.ENETUNREACH
	case r.after < 0:
		return nil, r.err
	}
	k.open++
	c := &racer{k: k, name: name, err: driver.ErrWouldBlock}
	h.Ready(driver.Writable) // a driver may tell more often than there is something
	if !r.never {
		k.loop.CallLater(r.after, func() { c.err = r.err; h.Ready(driver.Writable); h.Ready(driver.Writable) })
	}
	return c, nil
}

// A racer is one attempt.
type racer struct {
	wire
	k    *track
	name string
	err  error
}

func (c *racer) ConnectError() error  { return c.err }
func (c *racer) RemoteAddr() net.Addr { return textAddr(c.name) }
func (c *racer) Close() error {
	if c.closed == 0 {
		c.k.open--
	}
	return c.wire.Close()
}

const (
	six1, six2, six3 = "2001:db8::1", "2001:db8::2", "2001:db8::3"
	four1, four2     = "192.0.2.1", "192.0.2.2"
)

const aDay = 24 * time.Hour

// race connects to a host that has the addresses, within a limit, and returns who
// has won, and how long it took.
func race(t *testing.T, k *track, limit time.Duration, opts ...asyncio.ConnOption) (winner string, took time.Duration, err error) {
	t.Helper()
	k.Clock = asyncio.NewClock()
	rerr := asyncio.Run(t.Context(), func(ctx context.Context) error {
		k.loop = loopOf(ctx)
		k.Outside = func() bool { return k.loop.Stats().Jobs > 0 }
		var s *asyncio.Stream
		err = asyncio.Timeout(ctx, limit, func(ctx context.Context) (err error) {
			s, err = asyncio.OpenConnection(ctx, "tcp", "some.example:80", opts...)
			return err
		})
		took = k.Now()
		if err == nil {
			winner = s.RemoteAddr().String()
			if k.open != 1 {
				t.Errorf("%d attempts are open beside that which has won", k.open-1)
			}
			s.Abort()
		}
		if k.open != 0 {
			t.Errorf("%d attempts are left open", k.open)
		}
		return nil
	}, asyncio.WithDriver(k))
	if rerr != nil {
		t.Error(rerr)
	}
	return winner, took, err
}

func addresses(all ...string) (addrs []netip.Addr) {
	for _, a := range all {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs
}

func TestAddressesAreTriedTheFamiliesInTurnAndOneEveryQuarterOfASecond(t *testing.T) {
	k := &track{addrs: addresses(six1, six2, six3, four1), results: map[string]result{
		six1: {never: true}, six2: {never: true}, six3: {never: true}, four1: {never: true},
	}}
	_, took, err := race(t, k, 10*time.Second)
	var timeout *asyncio.TimeoutError
	if !errors.As(err, &timeout) || took != 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if want := []string{six1 + " 0s", four1 + " 250ms", six2 + " 500ms", six3 + " 750ms"}; !slices.Equal(k.started, want) {
		t.Errorf("started %v", k.started)
	}
	if !slices.Equal(k.asked, []string{"ip some.example"}) {
		t.Errorf("looked up %v", k.asked)
	}
}

func TestAnAttemptThatFailsMakesTheNextOneBeginAtOnce(t *testing.T) {
	k := &track{addrs: addresses(four1, four2, six1, six2), results: map[string]result{
		four1: {after: 100 * time.Millisecond, err: syscall.ECONNREFUSED}, // six1 is refused at once
		four2: {never: true}, six2: {after: 10 * time.Millisecond},
	}}
	winner, took, err := race(t, k, aDay)
	if winner != six2 || err != nil || took != 360*time.Millisecond {
		t.Errorf("%s won after %v, %v", winner, took, err)
	}
	if want := []string{four1 + " 0s", six1 + " 100ms", four2 + " 100ms", six2 + " 350ms"}; !slices.Equal(k.started, want) {
		t.Errorf("started %v", k.started)
	}
}

func TestTheFirstAttemptThatConnectsWinsAndTheOthersAreClosed(t *testing.T) {
	for _, c := range []struct {
		results map[string]result
		want    string
		took    time.Duration
	}{
		{map[string]result{six1: {after: 0}}, six1, 0},
		{map[string]result{six1: {after: 260 * time.Millisecond}, four1: {never: true}}, six1, 260 * time.Millisecond},
		{map[string]result{six1: {never: true}, four1: {after: 50 * time.Millisecond}}, four1, 300 * time.Millisecond},
		{map[string]result{six1: {after: 300 * time.Millisecond, err: syscall.ECONNREFUSED}, four1: {after: 60 * time.Millisecond}}, four1, 310 * time.Millisecond},
	} {
		k := &track{addrs: addresses(six1, four1), results: c.results}
		if winner, took, err := race(t, k, aDay); winner != c.want || took != c.took || err != nil {
			t.Errorf("%v: %s won after %v, %v", c.results, winner, took, err)
		}
	}
}

func TestWithANegativeDelayAddressesAreTriedOneAfterAnother(t *testing.T) {
	k := &track{addrs: addresses(six1, four1), results: map[string]result{
		six1: {after: time.Hour, err: syscall.ETIMEDOUT}, four1: {after: time.Second},
	}}
	winner, took, err := race(t, k, aDay, asyncio.WithHappyEyeballsDelay(-1))
	if winner != four1 || took != time.Hour+time.Second || err != nil {
		t.Errorf("%s won after %v, %v; started %v", winner, took, err, k.started)
	}
}

func TestWithoutADelayAllAddressesAreTriedAtOnce(t *testing.T) {
	k := &track{addrs: addresses(six1, four1), results: map[string]result{six1: {never: true}, four1: {after: time.Second}}}
	if winner, took, err := race(t, k, aDay, asyncio.WithHappyEyeballsDelay(0)); winner != four1 || took != time.Second || err != nil {
		t.Errorf("%s won after %v, %v; started %v", winner, took, err, k.started)
	}
}

func TestWhereAllAddressesFailTheErrorHasAllOfThem(t *testing.T) {
	k := &track{addrs: addresses(six1, four1), results: map[string]result{
		six1: {after: time.Second, err: syscall.ETIMEDOUT}, four1: {after: time.Millisecond, err: syscall.ECONNREFUSED},
	}}
	_, _, err := race(t, k, aDay)
	if !errors.Is(err, syscall.ETIMEDOUT) || !errors.Is(err, syscall.ECONNREFUSED) ||
		!strings.Contains(err.Error(), "all 2 addresses failed") || !strings.Contains(err.Error(), four1+":80: ") || !strings.Contains(err.Error(), "["+six1+"]:80: ") {
		t.Errorf("got %v", err)
	}
	k = &track{addrs: addresses(four1), results: map[string]result{four1: {after: time.Second, err: syscall.ETIMEDOUT}}}
	if _, _, err = race(t, k, aDay); !errors.Is(err, syscall.ETIMEDOUT) || strings.Contains(err.Error(), "addresses") || strings.Contains(err.Error(), four1) {
		t.Errorf("of one address: %v", err)
	}
}

func TestTheLocalAddressIsOneOfTheFamilyOfTheRemoteOne(t *testing.T) {
	results := map[string]result{six1: {after: 0, err: syscall.ECONNREFUSED}, four1: {after: 0}}
	k := &track{addrs: addresses(six1, four1), results: results}
	if winner, _, err := race(t, k, aDay, asyncio.WithLocalAddr(":7")); winner != four1 || err != nil || fmt.Sprint(k.locals) != "[[::]:7 0.0.0.0:7]" {
		t.Errorf("%s won from %v, %v", winner, k.locals, err)
	}
	k = &track{addrs: addresses(six1, four1), results: results}
	if winner, _, err := race(t, k, aDay, asyncio.WithLocalAddr("192.0.2.9:7")); winner != four1 || err != nil || fmt.Sprint(k.locals) != "[192.0.2.9:7]" {
		t.Errorf("%s won from %v, %v", winner, k.locals, err)
	}
	k = &track{addrs: addresses(six1), results: results}
	_, _, err := race(t, k, aDay, asyncio.WithLocalAddr("192.0.2.9:7"))
	var wrong *net.AddrError
	if !errors.As(err, &wrong) || wrong.Addr != "192.0.2.9:7" || len(k.started) != 0 {
		t.Errorf("from another family: %v, started %v", err, k.started)
	}
}

func TestALookUpOfTheDriversOwnTakesItsTime(t *testing.T) {
	for _, delay := range []time.Duration{0, 1, time.Second} {
		k := &track{addrs: addresses(four1), delay: delay, results: map[string]result{four1: {after: 0}}}
		if winner, took, err := race(t, k, aDay); winner != four1 || took != delay || err != nil {
			t.Errorf("%s won after %v and not %v, %v", winner, took, delay, err)
		}
	}
	k := &track{addrs: addresses(four1), delay: time.Minute}
	_, took, err := race(t, k, time.Second)
	var timeout *asyncio.TimeoutError
	if !errors.As(err, &timeout) || took != time.Second || len(k.started) != 0 {
		t.Errorf("after %v: %v, started %v", took, err, k.started)
	}
	// A resolver that is given has the say.
	k = &track{addrs: addresses(four1), delay: time.Minute, results: map[string]result{four2: {after: 0}}}
	given := asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) { return addresses(four2), nil })
	if winner, _, err := race(t, k, aDay, given); winner != four2 || err != nil || len(k.asked) != 0 {
		t.Errorf("%s won, %v, asked %v", winner, err, k.asked)
	}
}

func TestAUnixSocketMayHaveALocalAddress(t *testing.T) {
	k := &track{Clock: asyncio.NewClock(), results: map[string]result{"/there": {after: 0}}}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		k.loop = loopOf(ctx)
		s, err := asyncio.OpenConnection(ctx, "unix", "/there", asyncio.WithLocalAddr("/here"))
		if err == nil {
			s.Abort()
		}
		return err
	}, asyncio.WithDriver(k))
	if err != nil || fmt.Sprint(k.locals) != "[/here]" {
		t.Errorf("from %v, %v", k.locals, err)
	}
}

// Nothing says when a unix socket's listener has room again.
func TestAUnixSocketWhoseListenerIsFullIsTriedAgain(t *testing.T) {
	connect := func(k *track, limit time.Duration) (took time.Duration, err error) {
		k.Clock = asyncio.NewClock()
		rerr := asyncio.Run(t.Context(), func(ctx context.Context) error {
			k.loop = loopOf(ctx)
			k.loop.CallLater(12*time.Millisecond, func() { k.results["/a"] = result{after: time.Millisecond} })
			err = asyncio.Timeout(ctx, limit, func(ctx context.Context) error {
				s, err := asyncio.OpenConnection(ctx, "unix", "/a")
				took = k.Now()
				if err == nil {
					s.Abort()
				}
				return err
			})
			return nil
		}, asyncio.WithDriver(k))
		if rerr != nil || k.open != 0 {
			t.Errorf("%v, %d are left open", rerr, k.open)
		}
		return took, err
	}
	full := func() map[string]result { return map[string]result{"/a": {after: -1, err: syscall.EAGAIN}} }
	k := &track{results: full()}
	if took, err := connect(k, aDay); took != 16*time.Millisecond || err != nil || len(k.started) != 4 {
		t.Errorf("after %v: %v, started %v", took, err, k.started)
	}
	k = &track{results: full()}
	took, err := connect(k, 7*time.Millisecond)
	var timeout *asyncio.TimeoutError
	if took != 7*time.Millisecond || !errors.As(err, &timeout) || len(k.started) != 2 {
		t.Errorf("after %v: %v, started %v", took, err, k.started)
	}
}
