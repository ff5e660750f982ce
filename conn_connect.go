package asyncio

import (
	"context"
	"errors"
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// connecting is the frame of what connects: it applies the options, runs open
// within the time limit, and names what has failed. The task must be one of l,
// unless that is nil.
func connecting(ctx context.Context, l *Loop, network, address string, opts []ConnOption, open func(t *task, level context.Context, o *streamOptions) error) error {
	o := defaultStreamOptions()
	for _, opt := range opts {
		opt.applyConn(&o)
	}
	t, level, err := enter(ctx)
	if err == nil && l != nil && t.loop != l {
		err = ErrWrongLoop
	}
	if err != nil {
		o.letGo()
		return err
	}
	if err := o.check(); err != nil {
		o.letGo()
		return &net.OpError{Op: "connect", Net: network, Addr: textAddr{network, address}, Err: err}
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

// connect returns a connection to the first address that answers, or the one
// there is already.
func (o *streamOptions) connect(t *task, level context.Context, network, address string) (driver.Conn, error) {
	if o.conn != nil {
		return t.loop.driver.FromConn(o.conn)
	}
	addrs, err := o.resolve(t, level, network, address)
	if err != nil {
		return nil, err
	}
	locals, err := o.localAddrs(t, level, network)
	if err != nil {
		return nil, err
	}
	d := dialing{options: o, task: t, todo: addrs, locals: locals}
	return d.run(level)
}
