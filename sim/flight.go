package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// A RecordOption is an option of [Record].
type RecordOption interface{ applyRecord(*recordConfig) }

type recordConfig struct{ limit int64 }

type recordOption func(*recordConfig)

func (f recordOption) applyRecord(c *recordConfig) { f(c) }

const defaultRecordLimit = 1 << 30

// RecordLimit bounds how many bytes a recording may have: 1 GiB without it. When there
// are more, it ends, and the program goes on.
func RecordLimit(bytes int64) RecordOption {
	return recordOption(func(c *recordConfig) { c.limit = bytes })
}

// Record makes a loop in the real world write down what comes to it from outside, in
// order: what it reads from sockets, datagrams and pipes and which are ready, what
// connects, the clock, what jobs of executors return, signals that have a handler by
// [asyncio.Loop.AddSignalHandler], and of processes their numbers, pipes and exit codes.
// [Replay] runs the program again with that. It is for programs to which nothing else
// comes: no goroutines of their own that call CallSoonThreadsafe, no interrupt that
// cancels them, no contexts that end by package time, no random numbers but by this
// module. What such a loop is asked for that cannot be recorded returns an error that is
// [errors.ErrUnsupported]: connections, listeners and datagram sockets that are taken
// over, descriptors, and processes that die with a thread. [asyncio.Process.State] is nil.
//
// The file is written again when it is there, and is whole up to the last moment in which
// the loop had nothing to do, also when the process is killed. When it cannot be written
// any more the program goes on, and [asyncio.Loop.Close] returns why. The option stands behind
// those that choose a driver. It costs some bytes of the file for each call of the
// system, and those that were read, and in each wait of the loop a write.
func Record(file string, opts ...RecordOption) asyncio.Option {
	c := recordConfig{limit: defaultRecordLimit}
	for _, o := range opts {
		o.applyRecord(&c)
	}
	return hook.WrapDriver(func(d driver.Driver) (driver.Driver, error) {
		f, err := os.Create(file)
		if err == nil {
			_, err = f.WriteString(recordingHead + runtime.GOOS + "\n")
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("sim: record: %w", err), d.Close())
		}
		return &flight{inner: d, file: f, w: bufio.NewWriterSize(f, 64<<10), left: c.limit, pool: asyncio.NewThreadPoolExecutor(32), unknown: make(map[*flightProcess]struct{})}, nil
	}).(asyncio.Option)
}

// A flight is a driver that is recorded, or played back.
type flight struct {
	inner driver.Driver // nil: it is played back
	last  time.Duration // that the clock showed
	ids   uint64        // of handles
	jobs  uint64
	open  int

	file   *os.File
	w      *bufio.Writer
	left   int64 // bytes that may still be written; 0: the recording is over
	failed error // why it could not be written to its end
	pool   *asyncio.ThreadPoolExecutor

	mu   sync.Mutex
	news []func() // what other goroutines have to tell, for the loop's
	over bool     // the driver is closed

	unknown map[*flightProcess]struct{} // that were started, and the loop does not know it yet

	signals map[os.Signal]*flightSignal
	play    *playback
}

var (
	_ driver.Driver        = (*flight)(nil)
	_ driver.JobRunner     = (*flight)(nil)
	_ driver.Chooser       = (*flight)(nil)
	_ driver.WallClock     = (*flight)(nil)
	_ driver.DeadlineClock = (*flight)(nil)
	_ driver.Signaler      = (*flight)(nil)
)

// do is one call of the driver: really fills in what comes of it; in a replay that is
// what the recording says.
func (d *flight) do(what op, id, arg uint64, really func(e *entry)) entry {
	e := entry{op: what, id: id, arg: arg}
	if d.inner == nil {
		return d.play.next(e)
	}
	really(&e)
	d.note(e)
	return e
}

// note writes an entry.
func (d *flight) note(e entry) {
	if d.left <= 0 {
		return
	}
	d.left -= int64(16 + len(e.data))
	if err := writeEntry(d.w, e); err != nil || d.left <= 0 {
		d.flush()
		d.left = 0
	}
}

// flush writes to the file. One that cannot be written ends the recording, and not the
// program: Close returns why.
func (d *flight) flush() {
	if err := d.w.Flush(); err != nil {
		d.left, d.failed = 0, fmt.Errorf("sim: record: %w", err)
	}
}

// Name implements [driver.Driver].
func (d *flight) Name() string {
	if d.inner == nil {
		return "replayed"
	}
	return "recorded " + d.inner.Name()
}

// Now implements [driver.Clock].
func (d *flight) Now() time.Duration {
	e := d.do(opNow, 0, 0, func(e *entry) { e.n = int64(d.inner.Now() - d.last) })
	d.last += time.Duration(e.n)
	return d.last
}

// WallTime implements [driver.WallClock].
func (d *flight) WallTime() time.Time {
	e := d.do(opWall, 0, 0, func(e *entry) { e.n = time.Now().UnixNano() })
	return time.Unix(0, e.n)
}

// Until implements [driver.DeadlineClock].
func (d *flight) Until(t time.Time) time.Duration {
	return time.Duration(d.do(opUntil, 0, 0, func(e *entry) { e.n = int64(time.Until(t)) }).n)
}

// Choose implements [driver.Chooser].
func (d *flight) Choose(n int64) int64 {
	return d.do(opChoose, 0, uint64(n), func(e *entry) { e.n = chance(n) }).n
}

// Wake implements [driver.Driver].
func (d *flight) Wake() {
	if d.inner != nil {
		d.inner.Wake()
	}
}

// Handles implements [driver.Driver].
func (d *flight) Handles() int { return d.open }

// Poll implements [driver.Driver].
func (d *flight) Poll() error {
	if d.inner == nil {
		return d.play.tell(entry{op: opPoll})
	}
	err := d.inner.Poll()
	d.tellNews()
	d.note(entry{op: opPoll, err: err})
	return err
}

// Park implements [driver.Clock].
func (d *flight) Park(until time.Duration, pending func() bool) error {
	if d.inner == nil {
		return d.play.tell(entry{op: opPark})
	}
	d.flush()
	err := d.inner.Park(until, func() bool { return pending() || d.anyNews() })
	d.tellNews()
	d.note(entry{op: opPark, err: err})
	return err
}

// RunJob implements [driver.JobRunner].
func (d *flight) RunJob(j driver.Job) {
	d.jobs++
	n := d.jobs
	d.do(opJob, n, 0, func(*entry) {
		ended := func() {
			e := entry{op: opJobDone, id: n}
			e.data, e.n, e.err = resultOf(j)
			d.note(e)
			j.Deliver()
		}
		err := d.pool.Submit(j, func(context.Context) {
			defer d.arrive(ended)
			j.Compute()
		})
		if err != nil {
			_, to := j.Result()
			*to = err
			d.arrive(ended)
		}
	})
	if d.inner == nil {
		d.play.jobs[n] = j
	}
}

// arrive lets the loop's goroutine call fn when it next looks what has happened. It may
// be called from any goroutine.
func (d *flight) arrive(fn func()) {
	d.mu.Lock()
	d.news = append(d.news, fn)
	d.mu.Unlock()
	d.inner.Wake()
}

func (d *flight) anyNews() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.news) > 0
}

// tellNews tells the loop what has come of other goroutines.
func (d *flight) tellNews() {
	d.mu.Lock()
	all := d.news
	d.news = nil
	d.mu.Unlock()
	for _, tell := range all {
		tell()
	}
}

// Close implements [driver.Driver].
func (d *flight) Close() error {
	d.do(opEnd, 0, 0, func(*entry) {})
	for _, s := range d.signals {
		s.stop()
	}
	if d.inner == nil {
		return nil
	}
	ended, end := context.WithCancel(context.Background())
	end()
	_ = d.pool.Shutdown(ended) // who waited for a job was told that the loop is closed
	d.discardUnknown()
	d.flush()
	return errors.Join(d.failed, d.file.Close(), d.inner.Close())
}

// Dial implements [driver.Driver].
func (d *flight) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	c := new(flightConn)
	e := c.open(d, opDial, addressSum(spec.Remote), h, func(told driver.Handler) (err error) {
		c.inner, err = d.inner.Dial(spec, told)
		return err
	})
	if e.err != nil {
		return nil, e.err
	}
	return c, nil
}

// Listen implements [driver.Driver].
func (d *flight) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	l := new(flightListener)
	e := l.open(d, opListen, addressSum(spec.Addr), h, func(told driver.Handler) (err error) {
		l.inner, err = d.inner.Listen(spec, told)
		return err
	})
	if e.err != nil {
		return nil, e.err
	}
	l.addr = l.address(opLocal, func() net.Addr { return l.inner.Addr() })
	return l, nil
}

// OpenFile implements [driver.Driver]. In a replay the file is only closed, unless it is
// one of the process's own.
func (d *flight) OpenFile(f *os.File) (driver.Conn, error) {
	c := new(flightConn)
	e := c.open(d, opOpenFile, 0, nil, func(driver.Handler) (err error) {
		c.inner, err = d.inner.OpenFile(f)
		return err
	})
	if d.inner == nil && f != os.Stdin && f != os.Stdout && f != os.Stderr {
		_ = f.Close()
	}
	if e.err != nil {
		return nil, e.err
	}
	return c, nil
}

// cannot is the error of what is not recorded.
func (d *flight) cannot(what string) error {
	return fmt.Errorf("sim: %s: a recording has none: %w", what, errors.ErrUnsupported)
}

// FromConn implements [driver.Driver].
func (d *flight) FromConn(nc net.Conn) (driver.Conn, error) {
	_ = nc.Close()
	return nil, d.cannot("a connection that is taken over")
}

// FromListener implements [driver.Driver].
func (d *flight) FromListener(ln net.Listener, _ driver.Handler) (driver.Listener, error) {
	_ = ln.Close()
	return nil, d.cannot("a listener that is taken over")
}

// FromPacket implements [driver.Driver].
func (d *flight) FromPacket(pc net.PacketConn, _ driver.Handler) (driver.PacketConn, error) {
	_ = pc.Close()
	return nil, d.cannot("a datagram socket")
}

// addressSum is a checksum of an address that was asked for.
func addressSum(a net.Addr) uint64 {
	if a == nil {
		return 0
	}
	return uint64(crc32.ChecksumIEEE([]byte(a.Network() + " " + a.String())))
}
