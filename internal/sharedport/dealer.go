package sharedport

import (
	"net"
	"sync"
)

// A dealer accepts on one listener and deals the connections out to several,
// in turn. It is for systems where several sockets cannot share a port.
type dealer struct {
	ln    net.Listener
	hands []*dealtListener
	mu    sync.Mutex
	open  int // hands that are not closed
}

// deal begins to deal out to n listeners. When all of them are closed, so is ln.
func deal(ln net.Listener, n int) []net.Listener {
	d := &dealer{ln: ln, open: n}
	out := make([]net.Listener, n)
	for i := range n {
		h := &dealtListener{dealer: d, dealt: make(chan dealt), closed: make(chan struct{})}
		d.hands = append(d.hands, h)
		out[i] = h
	}
	go d.run()
	return out
}

// run deals until the listener is closed. A hand that is busy is passed over
// for one that waits, if there is any.
func (d *dealer) run() {
	for i := 0; ; i++ {
		nc, err := d.ln.Accept()
		if d.over() {
			if nc != nil {
				_ = nc.Close()
			}
			return
		}
		d.give(dealt{nc, err}, i)
	}
}

func (d *dealer) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open == 0
}

// give hands x to the first hand, from the i'th on, that takes it: each is
// asked whether it waits, and then the first that is open is waited for.
func (d *dealer) give(x dealt, i int) {
	n := len(d.hands)
	for k := range n {
		select {
		case d.hands[(i+k)%n].dealt <- x:
			return
		default:
		}
	}
	for k := range n {
		h := d.hands[(i+k)%n]
		select {
		case h.dealt <- x:
			return
		case <-h.closed:
		}
	}
	if x.nc != nil {
		_ = x.nc.Close()
	}
}

type dealt struct {
	nc  net.Conn
	err error
}

// dealtListener is a listener that is dealt to.
type dealtListener struct {
	dealer *dealer
	dealt  chan dealt
	once   sync.Once
	closed chan struct{}
}

func (l *dealtListener) Accept() (net.Conn, error) {
	select {
	case x := <-l.dealt:
		return x.nc, x.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *dealtListener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		d := l.dealer
		d.mu.Lock()
		d.open--
		last := d.open == 0
		d.mu.Unlock()
		if last {
			err = d.ln.Close()
		}
	})
	return err
}

func (l *dealtListener) Addr() net.Addr { return l.dealer.ln.Addr() }
