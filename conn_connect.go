package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// connecting is the frame of what connects: it applies the options, runs open
// within the time limit, and names what has failed.
func connecting(ctx context.Context, network, address string, opts []ConnOption, open func(t *task, level context.Context, o *streamOptions) error) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	o := defaultStreamOptions()
	for _, opt := range opts {
		opt.applyConn(&o)
	}
	outer := level
	if outer == nil {
		outer = context.Background()
	}
	if o.connectTimeout != NoTimeout {
		limited, cancel := context.WithTimeout(outer, o.connectTimeout)
		defer cancel()
		level = limited
	}
	if o.tls != nil && o.tls.ServerName == "" && !o.tls.InsecureSkipVerify {
		host, _, _ := net.SplitHostPort(address)
		o.tls = o.tls.Clone()
		o.tls.ServerName = host
	}
	if err := open(t, level, &o); err != nil {
		if level != nil && outer.Err() == nil && errors.Is(err, level.Err()) {
			err = &TimeoutError{}
		}
		return &net.OpError{Op: "connect", Net: network, Addr: textAddr{network, address}, Err: err}
	}
	return nil
}

// textAddr is an address as it was given, for messages.
type textAddr struct{ network, address string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.address }

// connect gives a connection to the first address that answers, or the one
// there is already.
func (o *streamOptions) connect(t *task, level context.Context, network, address string) (driver.Conn, error) {
	if o.conn != nil {
		return t.loop.driver.FromConn(o.conn)
	}
	addrs, err := o.resolve(t, level, network, address)
	if err != nil {
		return nil, err
	}
	d := dialing{options: o, task: t, todo: addrs}
	return d.run(level)
}

// CreateConnection connects to address on the network, as [OpenConnection]
// does, and gives the connection to the protocol that factory makes. It returns
// when ConnectionMade was called, over TLS after the handshake; no data is
// received before the task has run. When the wait is interrupted the connection
// is aborted. It is for a task of the loop. Python: loop.create_connection,
// create_unix_connection.
func (l *Loop) CreateConnection(ctx context.Context, network, address string, factory func() Protocol, opts ...ConnOption) (Transport, Protocol, error) {
	if _, _, err := l.enter(ctx); err != nil {
		return nil, nil, err
	}
	var tr *transport
	err := connecting(ctx, network, address, opts, func(t *task, level context.Context, o *streamOptions) error {
		conn, err := o.connect(t, level, network, address)
		if err != nil {
			return err
		}
		tr, err = connectTransport(t, level, conn, factory, o, false)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return tr, tr.protocol, nil
}

// ConnectAcceptedSocket gives a connection that was accepted elsewhere to the
// protocol that factory makes; with [WithTLS], as the server. nc belongs to the
// loop from then on, also when that fails; see [WithConn] for what it may be.
// It is for a task of the loop. Python: loop.connect_accepted_socket.
func (l *Loop) ConnectAcceptedSocket(ctx context.Context, nc net.Conn, factory func() Protocol, opts ...StreamOption) (Transport, Protocol, error) {
	t, level, err := l.enter(ctx)
	if err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	o := defaultStreamOptions()
	for _, opt := range opts {
		opt.applyServer(&o)
	}
	conn, err := l.driver.FromConn(nc)
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: connect accepted socket: %w", err)
	}
	tr, err := connectTransport(t, level, conn, factory, &o, true)
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: connect accepted socket: %w", err)
	}
	return tr, tr.protocol, nil
}

// connectTransport gives conn to a new protocol, and waits until it was told.
func connectTransport(t *task, level context.Context, conn driver.Conn, factory func() Protocol, o *streamOptions, server bool) (*transport, error) {
	tr, err := startTransport(t.loop, conn, factory, o, server, nil)
	if err != nil {
		return nil, err
	}
	tr.waiter = &future{loop: t.loop}
	if err := tr.wait(t, level); err != nil {
		return nil, err
	}
	return tr, nil
}

// startTransport gives conn to a new protocol, which is told in the next turn.
// When that cannot be, conn is closed.
func startTransport(l *Loop, conn driver.Conn, factory func() Protocol, o *streamOptions, server bool, by *Server) (tr *transport, err error) {
	started := false
	defer func() {
		if !started { // factory may have panicked
			_ = conn.Close()
		}
	}()
	p := factory()
	if p == nil {
		return nil, errors.New("the factory gave no protocol")
	}
	tr = newTransport(l, p)
	if err := tr.attach(conn); err != nil {
		return nil, err
	}
	if o.tls != nil {
		tr.secure(o.tls, server, o)
	}
	if by != nil {
		tr.sock.join(&by.clients)
	}
	started = true
	return tr, nil
}

// resolve gives the addresses to try, in their order.
func (o *streamOptions) resolve(t *task, level context.Context, network, address string) ([]net.Addr, error) {
	switch network {
	case "unix":
		return []net.Addr{&net.UnixAddr{Name: address, Net: "unix"}}, nil
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	found, err := o.lookupAddress(t, level, network, address)
	if err != nil {
		return nil, err
	}
	addrs := make([]net.Addr, len(found))
	for i, a := range found {
		addrs[i] = net.TCPAddrFromAddrPort(a)
	}
	return addrs, nil
}

// lookupAddress gives the addresses of a host and a port, in the order in which
// to try them, for the network "tcp" or "udp", or one of these with "4" or "6".
func (o *streamOptions) lookupAddress(t *task, level context.Context, network, address string) ([]netip.AddrPort, error) {
	family := "ip" + network[3:]
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := o.lookupPort(t, level, network, service)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if family == "ip4" && !ip.Unmap().Is4() || family == "ip6" && !ip.Is6() {
			return nil, &net.AddrError{Err: "not an address of " + network, Addr: host}
		}
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), uint16(port))}, nil
	}
	if host == "" { // this machine, as for net.Dial
		host = "localhost"
	}
	ips, err := o.lookup(t, level, family, host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range interleave(ips) {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs, nil
}

func (o *streamOptions) lookupPort(t *task, level context.Context, network, service string) (int, error) {
	if port, err := strconv.ParseUint(service, 10, 16); err == nil {
		return int(port), nil
	}
	return toThread(t, level, func(ctx context.Context) (int, error) {
		return net.DefaultResolver.LookupPort(ctx, network, service)
	})
}

func (o *streamOptions) lookup(t *task, level context.Context, network, host string) ([]netip.Addr, error) {
	resolver := o.resolver
	if resolver == nil {
		resolver = net.DefaultResolver.LookupNetIP
	}
	ips, err := toThread(t, level, func(ctx context.Context) ([]netip.Addr, error) {
		return resolver(ctx, network, host)
	})
	if err == nil && len(ips) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return ips, err
}

// interleave orders addresses as RFC 8305 wants them tried: the families in
// turn, beginning with that of the first.
func interleave(ips []netip.Addr) []netip.Addr {
	var same, other []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() == ips[0].Unmap().Is4() {
			same = append(same, ip)
		} else {
			other = append(other, ip)
		}
	}
	out := make([]netip.Addr, 0, len(ips))
	for i := range max(len(same), len(other)) {
		if i < len(same) {
			out = append(out, same[i])
		}
		if i < len(other) {
			out = append(out, other[i])
		}
	}
	return out
}

// A dialing is a race of connections to the addresses of one host.
type dialing struct {
	options *streamOptions
	task    *task
	todo    []net.Addr // not tried yet
	running []*attempt
	errs    []error
	started time.Duration // when the last attempt was
	news    future        // what the task waits for: an attempt has ended, or the next is due
}

// An attempt is one runner.
type attempt struct {
	race *dialing
	addr net.Addr
	conn driver.Conn
}

// Ready implements driver.Handler.
func (a *attempt) Ready(driver.Event) { a.race.tell() }

func (d *dialing) tell() {
	if d.news.loop != nil && d.news.state == pending {
		d.news.setResult()
	}
}

// run starts attempts until one connects or all have failed.
func (d *dialing) run(level context.Context) (driver.Conn, error) {
	defer d.abandon()
	for {
		if len(d.todo) > 0 && (len(d.running) == 0 || d.task.loop.Time() >= d.nextStart()) {
			if err := d.start(level); err != nil {
				return nil, err
			}
		}
		if c := d.winner(); c != nil {
			return c, nil
		}
		if len(d.running) == 0 {
			if len(d.todo) == 0 {
				return nil, d.failure()
			}
			continue // the last one has failed: no reason to wait
		}
		if err := d.wait(level); err != nil {
			return nil, err
		}
	}
}

// nextStart is when the next address is to be tried beside those under way.
func (d *dialing) nextStart() time.Duration {
	if d.options.eyeballsDelay < 0 {
		return driver.Forever
	}
	return d.started + d.options.eyeballsDelay
}

// unixRetry is how long to wait before asking a unix socket again whose queue
// is full: nothing says when it is not.
const unixRetry = 5 * time.Millisecond

// start begins the next attempt. Its error is that of a wait; that of the
// attempt is noted.
func (d *dialing) start(level context.Context) error {
	a := &attempt{race: d, addr: d.todo[0]}
	d.todo = d.todo[1:]
	spec := driver.DialSpec{Remote: a.addr, Local: d.options.local, Control: d.options.control}
	conn, err := d.task.loop.driver.Dial(spec, a)
	for a.addr.Network() == "unix" && errors.Is(err, syscall.EAGAIN) {
		if err := d.task.sleep(unixRetry, level); err != nil {
			return err
		}
		conn, err = d.task.loop.driver.Dial(spec, a)
	}
	d.started = d.task.loop.Time()
	if err != nil {
		d.errs = append(d.errs, &addressError{a.addr, err})
		return nil
	}
	a.conn = conn
	d.running = append(d.running, a)
	return nil
}

// winner looks how the attempts stand: it gives the connection of one that has
// succeeded, and forgets those that have failed.
func (d *dialing) winner() driver.Conn {
	for i := 0; i < len(d.running); {
		a := d.running[i]
		err := a.conn.ConnectError()
		if err == driver.ErrWouldBlock {
			i++
			continue
		}
		d.running = slices.Delete(d.running, i, i+1)
		if err == nil {
			return a.conn
		}
		_ = a.conn.Close()
		d.errs = append(d.errs, &addressError{a.addr, err})
	}
	return nil
}

// wait suspends the task until an attempt has ended or the next is due.
func (d *dialing) wait(level context.Context) error {
	d.news = future{loop: d.task.loop}
	if len(d.todo) > 0 && d.options.eyeballsDelay >= 0 {
		timer := d.task.loop.CallAt(d.nextStart(), d.tell)
		defer timer.Cancel()
	}
	return d.task.wait(&d.news, level)
}

// abandon ends the attempts that did not win.
func (d *dialing) abandon() {
	for _, a := range d.running {
		_ = a.conn.Close()
	}
	d.running = nil
}

// failure tells of the one address there was, or of all.
func (d *dialing) failure() error {
	if len(d.errs) == 1 {
		return errors.Unwrap(d.errs[0])
	}
	return fmt.Errorf("all %d addresses failed: %w", len(d.errs), errors.Join(d.errs...))
}

type addressError struct {
	addr net.Addr
	err  error
}

func (e *addressError) Error() string { return e.addr.String() + ": " + e.err.Error() }
func (e *addressError) Unwrap() error { return e.err }
