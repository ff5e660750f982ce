package asynchttp

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A scripted stream says what it is told to say, and knows what was done to it.
type scripted struct {
	stream
	loop    *asyncio.Loop
	says    []string // what each Read returns
	end     error    // what Read returns then; nil: it waits for more
	more    asyncio.Event
	refuses error // of Write
	got     strings.Builder
	ended   string // how it was
	atEOF   bool
}

func (s *scripted) Read(p []byte) (int, error) {
	for len(s.says) == 0 {
		if s.ended != "" {
			return 0, net.ErrClosed
		}
		if s.end != nil {
			return 0, s.end
		}
		s.more.Clear()
		if err := s.more.Wait(s.loop.CurrentTask().Context()); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.says[0])
	if s.says[0] = s.says[0][n:]; s.says[0] == "" {
		s.says = s.says[1:]
	}
	return n, nil
}

// say lets a Read that waits go on with text.
func (s *scripted) say(text string) {
	s.says = append(s.says, text)
	s.more.Set()
}

func (s *scripted) Write(p []byte) (int, error) {
	if s.refuses != nil {
		return 0, s.refuses
	}
	return s.got.Write(p)
}

func (s *scripted) Abort()                                { s.ended += "aborted"; s.more.Set() }
func (s *scripted) Close() error                          { s.ended += "closed"; s.more.Set(); return nil }
func (s *scripted) AtEOF() bool                           { return s.atEOF }
func (s *scripted) Conn() net.Conn                        { return nil }
func (s *scripted) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

var errBroken = errors.New("it is broken")

func TestAConnectionReadsNothingWhereItFails(t *testing.T) {
	cause := errors.New("somebody has ended it")
	for name, x := range map[string]struct {
		c    conn
		says []string
		p    int // how much is read at once
		n    int
		err  error
		fine bool // it may still be used
	}{
		"ended by somebody":  {conn{cause: cause}, []string{"x"}, 1, 0, cause, false},
		"failed before":      {conn{readErr: errBroken, ioErr: errBroken}, []string{"x"}, 1, 0, errBroken, false},
		"too many bytes":     {conn{meter: headerMeter{on: true, lines: 9}}, []string{"x"}, 1, 0, ErrHeaderTooLarge, false},
		"no bytes wanted":    {conn{meter: headerMeter{on: true, lines: 9}}, []string{"x"}, 0, 0, nil, true},
		"the last byte":      {conn{meter: headerMeter{on: true, lines: 9, bytes: 1}}, []string{"xyz"}, 3, 1, nil, true},
		"too many lines":     {conn{meter: headerMeter{on: true, bytes: 99}}, []string{"A: b\r\n"}, 9, 0, ErrHeaderTooLarge, false},
		"the last line":      {conn{meter: headerMeter{on: true, bytes: 99, lines: 1}}, []string{"A: b\r\n"}, 9, 6, nil, true},
		"one byte":           {conn{}, []string{"x"}, 9, 1, nil, true},
		"the end":            {conn{}, nil, 9, 0, io.EOF, false},
		"what is not limits": {conn{meter: headerMeter{on: true, ended: true}}, []string{"xyz"}, 3, 3, nil, true},
	} {
		c := x.c
		c.fresh = true
		c.s = &scripted{says: x.says, end: io.EOF}
		n, err := c.Read(make([]byte, x.p))
		if n != x.n || err != x.err {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
		if came := n > 0 || name == "too many lines"; c.gone() == x.fine || came == c.fresh {
			t.Errorf("%s: gone: %v, nothing has come: %v", name, c.gone(), c.fresh)
		}
		if err != nil {
			if n, again := c.Read(make([]byte, 9)); n != 0 || again != err {
				t.Errorf("%s: the next read: %d, %v", name, n, again)
			}
		}
	}
}

func TestAConnectionWritesNothingWhereItFails(t *testing.T) {
	s := &scripted{refuses: errBroken}
	c := conn{s: s}
	if n, err := c.Write([]byte("x")); n != 0 || err != errBroken || c.ioErr != errBroken {
		t.Errorf("%d, %v, %v", n, err, c.ioErr)
	}
	s.refuses = nil
	c.fail(io.EOF)
	c.fail(io.ErrClosedPipe) // is too late
	if n, err := c.Write([]byte("x")); n != 0 || err != io.EOF || s.ended != "aborted" || s.got.Len() != 0 {
		t.Errorf("%d, %v, %s", n, err, s.ended)
	}
	if err := c.failed(io.ErrClosedPipe); err != io.EOF || c.ioErr != errBroken {
		t.Errorf("the error is %v, the first was %v", err, c.ioErr)
	}
	if err := c.failed(nil); err != nil {
		t.Error(err)
	}
}

func TestAConnectionIsGoneInEachWay(t *testing.T) {
	for _, c := range []*conn{{closed: true}, {cause: io.EOF}, {ioErr: io.EOF}} {
		if !c.gone() {
			t.Errorf("%+v is not gone", c)
		}
	}
	if (&conn{}).gone() {
		t.Error("nothing has happened to it")
	}
}

// A pooled is a transport of a loop on the virtual clock, with connections of a
// test.
type pooled struct {
	*Transport
	ctx  context.Context
	loop *asyncio.Loop
}

// onPool runs main with a transport, and looks whether it leaves a timer.
func onPool(t *testing.T, tr *Transport, main func(p *pooled)) {
	t.Helper()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		p := &pooled{tr, ctx, asyncio.CurrentTask(ctx).Loop()}
		tr.loop = p.loop
		if tr.DialContext == nil {
			tr.DialContext = func(context.Context, string, string) (*asyncio.Stream, error) { return nil, errNoOther }
		}
		main(p)
		if err := tr.Close(); err != nil {
			return err
		}
		p.turns()
		if n := p.loop.Stats().Timers; n != 0 {
			t.Errorf("%d timers are left", n)
		}
		if all, idle := tr.pool.all.Len(), tr.pool.idle.Len(); all != 0 || idle != 0 || len(tr.pool.hosts) != 0 {
			t.Errorf("%d connections, %d idle, %d hosts are left", all, idle, len(tr.pool.hosts))
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}

var errNoOther = errors.New("there is no other connection")

// turns lets all run that can.
func (p *pooled) turns() {
	for range 20 {
		_ = asyncio.Sleep(p.ctx, 0)
	}
}

func (p *pooled) pass(d time.Duration) {
	_ = asyncio.Sleep(p.ctx, d)
	p.turns()
}

// connect makes a connection that is in use, to the host of an address.
func (p *pooled) connect(addr string, s *scripted) *conn {
	s.loop = p.loop
	h := p.pool.host(key{scheme: "http", addr: addr})
	h.conns++
	c := &conn{t: p.Transport, host: h, s: s}
	c.member = p.pool.all.PushBack(c)
	return c
}

// lying makes one that lies idle.
func (p *pooled) lying(addr string) (*conn, *scripted) {
	s := &scripted{}
	c := p.connect(addr, s)
	p.put(c)
	return c, s
}

func TestAConnectionIsClosedOnceAndItsPlaceGivenBack(t *testing.T) {
	for want, change := range map[string]func(c *conn){
		"closed":         func(c *conn) {},
		"aborted":        func(c *conn) { c.ioErr = io.EOF },
		"abortedaborted": func(c *conn) { c.fail(io.EOF) },
	} {
		onPool(t, &Transport{}, func(p *pooled) {
			s := &scripted{}
			c, other := p.connect("a:80", s), p.connect("a:80", &scripted{})
			c.buffer()
			change(c)
			c.close()
			c.close()
			c.fail(io.EOF)
			if s.ended != want || c.host.conns != 1 || p.pool.all.Len() != 1 || c.br != nil || len(p.readers) != 1 {
				t.Errorf("%s: it is %s, %d connections are left", want, s.ended, c.host.conns)
			}
			other.close()
			if len(p.pool.hosts) != 0 {
				t.Error("the host is known without a connection")
			}
		})
	}
}

// Readers go from one connection to the next, a bounded number of them.
func TestReadersOfConnectionsAreKept(t *testing.T) {
	onPool(t, &Transport{ReadBufferSize: 100}, func(p *pooled) {
		c := p.connect("a:80", &scripted{})
		c.unbuffer() // it has none
		c.buffer()
		first := c.br
		c.buffer() // it has one
		if first == nil || c.br != first || first.Size() != 100 {
			t.Error("it has another reader")
		}
		c.unbuffer()
		if len(p.readers) != 1 || c.br != nil {
			t.Errorf("%d readers are kept", len(p.readers))
		}
		c.buffer()
		if c.br != first || len(p.readers) != 0 {
			t.Error("the reader is not used again")
		}
		var all []*conn
		for range 70 {
			c := p.connect("a:80", &scripted{})
			c.buffer()
			all = append(all, c)
		}
		for _, c := range all {
			c.close()
		}
		if len(p.readers) != 64 {
			t.Errorf("%d readers are kept", len(p.readers))
		}
		c.close()
	})
	onPool(t, &Transport{}, func(p *pooled) {
		c := p.connect("a:80", &scripted{})
		if c.buffer(); c.br.Size() != 4096 {
			t.Errorf("a reader has %d bytes", c.br.Size())
		}
		c.close()
	})
}

// A connection that was idle for a tenth of a second is looked at, and one that
// must not fail always is.
func TestAnIdleConnectionIsLookedAtAfterATime(t *testing.T) {
	for name, x := range map[string]struct {
		idle    time.Duration
		careful bool
		change  func(c *conn, s *scripted)
		stale   bool
	}{
		"at once":          {0, false, nil, false},
		"for a short time": {shortIdle - 1, false, nil, false},
		"longer":           {shortIdle, false, nil, true}, // which cannot be looked at
		"carefully":        {0, true, nil, true},
		"at its end":       {0, false, func(_ *conn, s *scripted) { s.atEOF = true }, true},
		"gone":             {0, false, func(c *conn, _ *scripted) { c.ioErr = io.EOF }, true},
	} {
		onPool(t, &Transport{}, func(p *pooled) {
			c, s := p.lying("a:80")
			p.pass(x.idle)
			if x.change != nil {
				x.change(c, s)
			}
			if got := c.stale(x.careful); got != x.stale {
				t.Errorf("%s: stale: %v", name, got)
			}
		})
	}
}
