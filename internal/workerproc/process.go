package workerproc

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// A Config says how worker processes are started.
type Config struct {
	MaxMessage int       // the most bytes of an encoded argument or result
	MaxMemory  uint64    // what their garbage collectors try to stay below; 0: no limit
	Stderr     io.Writer // gets what they print; may be nil
	Env        []string  // more variables
}

const (
	dyingTime = time.Second
	startTime = time.Minute
)

// A Process is a worker, seen from its parent. It runs one call after another, in the
// order in which they were sent, and begins one when the reply to that before is
// written. So when it has died, only the first call without a reply may have begun.
//
// One goroutine at a time calls [Process.Receive], and another one those that send.
// Kill, Gone and Pid are for any.
type Process struct {
	most     int
	cmd      *exec.Cmd
	in, out  *os.File
	requests *bufio.Writer // of in
	replies  *bufio.Reader // of out
	tail     *tailWriter
	gone     chan struct{}
}

// Start starts this program once more and waits until it is a worker: one that
// says something else gets [ErrNoMain], one that dies a [*Crash]. When ctx ends
// before, the process is killed, and the error is its cause.
func Start(ctx context.Context, c *Config) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		_, _ = theirIn.Close(), in.Close()
		return nil, err
	}
	p := &Process{most: c.MaxMessage, in: in, out: out, requests: bufio.NewWriterSize(in, oneWrite), replies: bufio.NewReaderSize(out, oneWrite), tail: &tailWriter{to: c.Stderr}, gone: make(chan struct{})}
	p.cmd = exec.Command(self)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirIn, theirOut, p.tail
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Env = append(p.cmd.Env, variable+"="+strconv.Itoa(c.MaxMessage))
	if c.MaxMemory > 0 {
		p.cmd.Env = append(p.cmd.Env, "GOMEMLIMIT="+strconv.FormatUint(c.MaxMemory, 10))
	}
	p.cmd.WaitDelay = dyingTime // processes of its own may hold its standard error
	err = p.cmd.Start()
	_, _ = theirIn.Close(), theirOut.Close()
	if err != nil {
		p.closePipes()
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState says how it ended
		close(p.gone)
	}()
	if err := p.waitReady(ctx); err != nil {
		p.Kill()
		<-p.gone
		p.closePipes()
		return nil, err
	}
	return p, nil
}

// waitReady waits for the worker's first words.
func (p *Process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	said := make([]byte, len(hello))
	if _, err := io.ReadFull(p.replies, said); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		<-p.gone // it has closed its output, or is gone; it has nothing else to do
		return p.Crash()
	}
	if string(said) != hello {
		return ErrNoMain
	}
	if !stop() { // it is ready, and is killed
		return context.Cause(ctx)
	}
	return nil
}

// Send puts a call behind the others. Nothing may be sent before [Process.Flush]. After
// an error the worker is of no use any more.
func (p *Process) Send(n uint64, r Request) error { return p.want(wantCall, n, r) }

// Drop says that a call is not wanted any more. If it runs, the process ends, and no
// other call has begun; if it has not begun, its reply says so; if it is done, nothing
// happens.
func (p *Process) Drop(n uint64) error { return p.want(wantDrop, n, nil) }

// TakeBack says that no call is wanted any more that has not begun. Their replies say
// so.
func (p *Process) TakeBack() error { return p.want(wantBack, 0, nil) }

func (p *Process) want(what byte, n uint64, r Request) error {
	var head [wantHead]byte
	head[0] = what
	binary.BigEndian.PutUint64(head[1:], n)
	return writeFrame(p.requests, head[:], r)
}

// Flush sends what was gathered.
func (p *Process) Flush() error { return p.requests.Flush() }

// Receive waits for the next reply. After an error the worker is of no use any more.
func (p *Process) Receive() (Reply, error) { return readReply(p.replies, p.most) }

// Pid returns the worker's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Gone is closed when the process has ended and was reaped.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Kill ends the process, whatever it does.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// HangUp tells an idle worker that it is not wanted any more: it ends.
func (p *Process) HangUp() { _ = p.in.Close() }

// End waits until the process is gone, and closes the pipes. One whose pipe has
// broken is given a moment to die by itself, so that one learns of what, and is
// killed then.
func (p *Process) End() {
	select {
	case <-p.gone:
	case <-time.After(dyingTime):
		p.Kill()
		<-p.gone
	}
	p.closePipes()
}

// EndSoon kills the process when it has not ended in a moment.
func (p *Process) EndSoon() {
	go func() {
		select {
		case <-p.gone:
		case <-time.After(dyingTime):
			p.Kill()
		}
	}()
}

func (p *Process) closePipes() { _, _ = p.in.Close(), p.out.Close() }

// Crash returns how a process that is gone has ended.
func (p *Process) Crash() *Crash {
	return &Crash{Process: p.Pid(), State: p.cmd.ProcessState, Stderr: p.tail.String()}
}

// A Crash is the end of a worker that should not have ended.
type Crash struct {
	Process int              // the process id it had
	State   *os.ProcessState // its exit status or signal
	Stderr  string           // the last that it wrote, four kilobytes at most
}

func (c *Crash) Error() string { return fmt.Sprintf("worker process %d died: %v", c.Process, c.State) }
