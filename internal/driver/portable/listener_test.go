package portable_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

// A scriptedListener accepts, or fails, as the test says, and notes when it was asked.
type scriptedListener struct {
	net.Listener
	d       *portable.Driver
	results []error // nil: a connection
	asked   []time.Duration
}

func (l *scriptedListener) Close() error { return nil }

func (l *scriptedListener) Accept() (net.Conn, error) {
	l.asked = append(l.asked, l.d.Now())
	err := l.results[0]
	if l.results = l.results[1:]; err != nil {
		return nil, err
	}
	near, _ := net.Pipe()
	return near, nil
}

// After an error the next attempt is later each time, until there is a connection.
func TestAcceptingWaitsLongerAfterEachError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := portable.New()
		if err != nil {
			t.Fatal(err)
		}
		failures := slices.Repeat([]error{syscall.EMFILE}, 9)
		s := &scriptedListener{d: d, results: slices.Concat(failures, []error{nil}, failures)}
		var n notes
		l, err := d.FromListener(s, &n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 13 {
			until(t, d, func() bool { return n.seen&driver.Readable != 0 })
			n.seen = 0
			c, err := l.Accept()
			if want := s.asked[:i+1]; len(s.asked) != len(want) {
				t.Fatalf("it was asked at %v", s.asked)
			}
			if (i == 9) != (err == nil) || err != nil && err != syscall.EMFILE {
				t.Errorf("attempt %d: %v, %v", i, c, err)
			}
			if c != nil {
				c.Close()
			}
			if c, err := l.Accept(); c != nil || err != driver.ErrWouldBlock {
				t.Errorf("after attempt %d: %v, %v", i, c, err)
			}
		}
		var waits []int
		for i := range s.asked[1:] {
			waits = append(waits, int((s.asked[i+1]-s.asked[i])/time.Millisecond))
		}
		if want := []int{5, 10, 20, 40, 80, 160, 200, 200, 200, 0, 5, 10}; !slices.Equal(waits, want) {
			t.Errorf("it waited %v milliseconds, and not %v", waits, want)
		}
		// In the midst of a wait nothing holds the end up, and nothing is tried after it.
		tried, began := len(s.asked), d.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil || d.Now() != began || len(s.asked) != tried {
			t.Errorf("the end took %v, with %d attempts, %v", d.Now()-began, len(s.asked)-tried, err)
		}
	})
}

// The name of a unix socket may be of one letter, and what another has put in the place
// of its node stays.
func TestTheNodeOfAUnixSocketIsRemovedByWhoseItIs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no datagrams on unix sockets here")
	}
	t.Chdir(t.TempDir())
	d := newDriver(t)
	for _, name := range []string{"s", "s@"} {
		opens := map[string]func() (interface{ Close() error }, error){
			"Listen": func() (interface{ Close() error }, error) {
				return d.Listen(driver.ListenSpec{Addr: &net.UnixAddr{Name: name, Net: "unix"}}, &notes{})
			},
			"OpenPacket": func() (interface{ Close() error }, error) {
				return d.OpenPacket(driver.PacketSpec{Local: &net.UnixAddr{Name: name, Net: "unixgram"}}, &notes{})
			},
		}
		for what, open := range opens {
			for _, replaced := range []bool{false, true} {
				c, err := open()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if replaced {
					if err := errors.Join(os.Remove(name), os.WriteFile(name, nil, 0o600)); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Close(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if _, err := os.Stat(name); (err == nil) != replaced {
					t.Errorf("%s at %q, replaced %v: %v", what, name, replaced, err)
				}
				os.Remove(name)
			}
		}
	}
}
