package portable_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

func TestAWriteTakesWhatThereIsRoomFor(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe() // which takes nothing before it is read
	defer far.Close()
	c, err := d.FromConn(near)
	if err != nil {
		t.Fatal(err)
	}
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 50<<10)
	if got, err := c.Writev([][]byte{p, nil, p}); got != 64<<10 || err != nil {
		t.Errorf("Writev took %d, %v", got, err)
	}
	// It has taken less than it was given, and tells when there is room again:
	// what the goroutine is writing is not among what is pending.
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	got := 0
	until(t, d, func() bool {
		for {
			k, err := c.Write(p)
			if got += k; err == driver.ErrWouldBlock && k == 0 {
				return got > 0
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if got != 64<<10 {
		t.Errorf("%d bytes were taken", got)
	}
	if k, err := c.Write(p); k != 0 || err != driver.ErrWouldBlock {
		t.Errorf("Write took %d, %v", k, err)
	}
	if k, err := c.Writev(nil); k != 0 || err != nil {
		t.Errorf("Writev of nothing took %d, %v", k, err)
	}
	n.seen = 0
	go io.CopyN(io.Discard, far, 128<<10)
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// slowClose is a connection of others whose Close waits.
type slowClose struct {
	net.Conn
	proceed chan struct{}
}

func (s slowClose) Close() error { <-s.proceed; return s.Conn.Close() }

func TestTheCloseOfAConnectionOfOthersHoldsNobodyUp(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	s := slowClose{near, make(chan struct{})}
	c, err := d.FromConn(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	close(s.proceed)
	if err := d.Close(); err != nil { // which waits for it
		t.Error(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end read %v", err)
	}

	d = newDriver(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = d.FromConn(nc); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("one of net's is not closed at once: %v", err)
	}
}

// A reset waits for nothing that is still to be written.
func TestAResetConnectionIsClosedAtOnce(t *testing.T) {
	d := newDriver(t)
	d.Linger = time.Hour
	near, far := net.Pipe()
	defer far.Close()
	s := &stuck{Conn: near, closed: make(chan struct{}), lingered: -1}
	c, err := d.FromConn(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("something")); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.closed
	if s.lingered != 0 {
		t.Errorf("it lingers for %d seconds", s.lingered)
	}
}

// lastWords is a connection of others that gives its end together with the last
// that comes.
type lastWords struct {
	net.Conn
	words string
}

func (c *lastWords) Read(p []byte) (int, error) {
	n := copy(p, c.words)
	c.words = ""
	return n, io.EOF
}

func TestAnEndThatComesWithTheLastBytesIsToldAfterThem(t *testing.T) {
	d := newDriver(t)
	near, _ := net.Pipe()
	c, err := d.FromConn(&lastWords{near, "goodbye"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	until(t, d, func() bool { return n.seen&driver.Readable != 0 })
	n.seen = 0
	p := make([]byte, 100)
	if got, err := c.Read(p[:4]); string(p[:got]) != "good" || err != nil {
		t.Errorf("read %q, %v", p[:got], err)
	}
	if got, err := c.Read(p); string(p[:got]) != "bye" || err != nil {
		t.Errorf("read %q, %v", p[:got], err)
	}
	until(t, d, func() bool { return n.seen == driver.Readable|driver.Hangup })
	for range 2 {
		if got, err := c.Read(p); got != 0 || err != io.EOF {
			t.Errorf("read %d, %v", got, err)
		}
	}
}

// deadlines is a connection of others that notes what was set.
type deadlines struct {
	*stuck
	read []time.Time
}

func (d *deadlines) SetDeadline(time.Time) error       { return nil }
func (d *deadlines) SetReadDeadline(t time.Time) error { d.read = append(d.read, t); return nil }

// What comes while a closed connection still sends is for nobody.
func TestAClosedConnectionThatStillSendsReadsNoMore(t *testing.T) {
	d := newDriver(t)
	d.Linger = time.Millisecond
	near, far := net.Pipe()
	defer far.Close()
	s := &deadlines{stuck: &stuck{Conn: near, closed: make(chan struct{})}}
	c, err := d.FromConn(s)
	if err != nil {
		t.Fatal(err)
	}
	c.Discard(make([]byte, 1)) // there is no descriptor
	if _, err := c.Write([]byte("something")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if len(s.read) != 1 || !s.read[0].Before(time.Now()) {
		t.Errorf("the deadlines of reading are %v", s.read)
	}
}

// After Close each piece has the whole time to be sent.
func TestAPeerThatTakesAPieceInTimeGetsTheNextOneToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := portable.New()
		if err != nil {
			t.Fatal(err)
		}
		d.Linger = 10 * time.Second
		near, far := net.Pipe()
		c, err := d.FromConn(near)
		if err != nil {
			t.Fatal(err)
		}
		piece := make([]byte, 64<<10)
		for range 2 {
			if n, err := c.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			synctest.Wait() // the first is being sent
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		go func() {
			for range 2 {
				<-time.After(6 * time.Second)
				if n, err := io.ReadFull(far, piece); err != nil {
					t.Errorf("%d bytes came, %v", n, err)
				}
			}
		}()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if n, err := far.Read(piece); n != 0 || err != io.EOF {
			t.Errorf("after all %d bytes came, %v", n, err)
		}
	})
}
