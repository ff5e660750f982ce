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
// order: what it reads from sockets and which are ready, what connects, the clock, and
// what jobs of executors return. [Replay] runs the program again with that. It is for
// programs to which nothing else comes: no goroutines of their own that call
// CallSoonThreadsafe, no signals, processes, pipes or datagrams, no contexts that end by
// package time, no random numbers but by this module. What such a loop is asked for that
// cannot be recorded returns an error that is [errors.ErrUnsupported].
//
// The file is written again when it is there, and is whole up to the last moment in which
// the loop had nothing to do, also when the process is killed. The option stands behind
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
		return &flight{inner: d, file: f, w: bufio.NewWriterSize(f, 64<<10), left: c.limit, pool: asyncio.NewThreadPoolExecutor(32)}, nil
	}).(asyncio.Option)
}

// A flight is a driver that is recorded, or played back.
type flight struct {
	inner driver.Driver // nil: it is played back
	last  time.Duration // that the clock showed
	ids   uint64        // of handles
	jobs  uint64
	open  int

	file *os.File
	w    *bufio.Writer
	left int64 // bytes that may still be written; 0: the recording is over
	pool *asyncio.ThreadPoolExecutor

	mu   sync.Mutex
	done []flown // jobs that have ended

	play *playback
}

// A flown is a job and its number.
type flown struct {
	n   uint64
	job driver.Job
}

var (
	_ driver.Driver        = (*flight)(nil)
	_ driver.JobRunner     = (*flight)(nil)
	_ driver.Chooser       = (*flight)(nil)
	_ driver.WallClock     = (*flight)(nil)
	_ driver.DeadlineClock = (*flight)(nil)
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

// note writes an entry. A file that cannot be written ends the recording, and not the
// program.
func (d *flight) note(e entry) {
	if d.left <= 0 {
		return
	}
	d.left -= int64(16 + len(e.data))
	if err := writeEntry(d.w, e); err != nil || d.left <= 0 {
		d.left = 0
		_ = d.w.Flush()
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
	d.jobsEnded()
	d.note(entry{op: opPoll, err: err})
	return err
}

// Park implements [driver.Clock].
func (d *flight) Park(until time.Duration, pending func() bool) error {
	if d.inner == nil {
		return d.play.tell(entry{op: opPark})
	}
	if d.left > 0 {
		_ = d.w.Flush() // note finds out
	}
	err := d.inner.Park(until, func() bool { return pending() || d.anyEnded() })
	d.jobsEnded()
	d.note(entry{op: opPark, err: err})
	return err
}

// RunJob implements [driver.JobRunner].
func (d *flight) RunJob(j driver.Job) {
	d.jobs++
	f := flown{d.jobs, j}
	d.do(opJob, f.n, 0, func(*entry) {
		err := d.pool.Submit(j, func(context.Context) {
			defer func() {
				d.mu.Lock()
				d.done = append(d.done, f)
				d.mu.Unlock()
				d.inner.Wake()
			}()
			j.Compute()
		})
		if err != nil {
			_, to := j.Result()
			*to = err
			d.mu.Lock()
			d.done = append(d.done, f)
			d.mu.Unlock()
		}
	})
	if d.inner == nil {
		d.play.jobs[f.n] = j
	}
}

func (d *flight) anyEnded() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.done) > 0
}

// jobsEnded tells the loop of the jobs that have ended.
func (d *flight) jobsEnded() {
	d.mu.Lock()
	all := d.done
	d.done = nil
	d.mu.Unlock()
	for _, f := range all {
		e := entry{op: opJobDone, id: f.n}
		e.data, e.n, e.err = resultOf(f.job)
		d.note(e)
		f.job.Deliver()
	}
}

// Close implements [driver.Driver].
func (d *flight) Close() error {
	d.do(opEnd, 0, 0, func(*entry) {})
	if d.inner == nil {
		return nil
	}
	ended, end := context.WithCancel(context.Background())
	end()
	_ = d.pool.Shutdown(ended) // who waited for a job was told that the loop is closed
	var err error
	if d.left > 0 {
		err = d.w.Flush()
	}
	return errors.Join(err, d.file.Close(), d.inner.Close())
}

// Dial implements [driver.Driver].
func (d *flight) Dial(spec driver.DialSpec, h driver.Handler) (driver.Conn, error) {
	c := &flightConn{d: d}
	d.ids++
	c.id = d.ids
	c.told.begin(d, c.id, h)
	e := d.do(opDial, c.id, addressSum(spec.Remote), func(e *entry) { c.inner, e.err = d.inner.Dial(spec, &c.told) })
	if e.err != nil {
		c.told.end()
		return nil, e.err
	}
	d.open++
	return c, nil
}

// Listen implements [driver.Driver].
func (d *flight) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	l := &flightListener{d: d}
	d.ids++
	l.id = d.ids
	l.told.begin(d, l.id, h)
	e := d.do(opListen, l.id, addressSum(spec.Addr), func(e *entry) {
		if l.inner, e.err = d.inner.Listen(spec, &l.told); e.err == nil {
			e.data = encodeAddr(l.inner.Addr())
		}
	})
	if e.err != nil {
		l.told.end()
		return nil, e.err
	}
	l.addr = decodeAddr(e.data)
	d.open++
	return l, nil
}

// cannot is the error of what is not recorded.
func (d *flight) cannot(what string) error {
	return fmt.Errorf("sim: %s: a recording has none: %w", what, errors.ErrUnsupported)
}

// OpenFile implements [driver.Driver].
func (d *flight) OpenFile(f *os.File) (driver.Conn, error) {
	_ = f.Close()
	return nil, d.cannot("a pipe or terminal")
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

// OpenPacket implements [driver.Driver].
func (d *flight) OpenPacket(driver.PacketSpec, driver.Handler) (driver.PacketConn, error) {
	return nil, d.cannot("a datagram socket")
}

// FromPacket implements [driver.Driver].
func (d *flight) FromPacket(pc net.PacketConn, _ driver.Handler) (driver.PacketConn, error) {
	_ = pc.Close()
	return nil, d.cannot("a datagram socket")
}

// addressSum is a checksum of an address that was asked for.
func addressSum(a net.Addr) uint64 {
	return uint64(crc32.ChecksumIEEE([]byte(a.Network() + " " + a.String())))
}
