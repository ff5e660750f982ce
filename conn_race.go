package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A dialing is a race of connections to the addresses of one host.
type dialing struct {
	options *streamOptions
	task    *task
	todo    []net.Addr // not tried yet
	locals  []net.Addr // where to come from, by family; none: anywhere
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
	conn, err := d.dial(a)
	for a.addr.Network() == "unix" && errors.Is(err, syscall.EAGAIN) {
		if err := d.task.sleep(unixRetry, level); err != nil {
			return err
		}
		conn, err = d.dial(a)
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

func (d *dialing) dial(a *attempt) (driver.Conn, error) {
	local, err := d.localFor(a.addr)
	if err != nil {
		return nil, err
	}
	return d.task.loop.driver.Dial(driver.DialSpec{Remote: a.addr, Local: local, Control: d.options.control}, a)
}

// localFor returns where to come from to remote.
func (d *dialing) localFor(remote net.Addr) (net.Addr, error) {
	if len(d.locals) == 0 {
		return nil, nil
	}
	for _, local := range d.locals {
		if sameFamily(local, remote) {
			return local, nil
		}
	}
	return nil, &net.AddrError{Err: "the local address is of another family than the remote one", Addr: *d.options.local}
}

func sameFamily(a, b net.Addr) bool {
	one, isTCP := a.(*net.TCPAddr)
	if !isTCP {
		return true
	}
	return (one.IP.To4() == nil) == (b.(*net.TCPAddr).IP.To4() == nil)
}

// winner looks how the attempts stand: it returns the connection of one that has
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
