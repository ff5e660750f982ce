package workerproc

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// variable tells a process that it is a worker, and the most bytes of a message.
const variable = "ASYNCIO_WORKER_PROCESS"

// hello is what a worker says first.
const hello = "asyncio worker 2"

var mainCalled atomic.Bool

// MainCalled reports whether this process has called [Main], and so will those
// that are the same program.
func MainCalled() bool { return mainCalled.Load() }

// Main must be called first in main. In a worker process it runs the registered
// functions and never returns; elsewhere it only takes note.
func Main() {
	limit, isWorker := os.LookupEnv(variable)
	if !isWorker {
		mainCalled.Store(true)
		return
	}
	_ = os.Unsetenv(variable) // processes that a function starts are no workers
	fmt.Fprintln(os.Stderr, "asyncio: worker process:", serve(limit))
	os.Exit(1)
}

// serve runs what the parent asks for. When that closes the pipe the process ends, so
// it returns only what has gone wrong.
func serve(limit string) error {
	most, err := strconv.Atoi(limit)
	if err != nil {
		return err
	}
	in, out := os.Stdin, os.Stdout
	os.Stdout = os.Stderr // what functions print must not get among the messages
	if os.Stdin, err = os.Open(os.DevNull); err != nil {
		return err
	}
	// A terminal interrupts parent and workers alike; it is for the parent to
	// say what shall happen.
	signal.Ignore(os.Interrupt)
	if _, err := io.WriteString(out, hello); err != nil {
		return err
	}
	w := &worker{out: bufio.NewWriterSize(out, oneWrite)}
	w.arrived.L = &w.mu
	go w.read(bufio.NewReaderSize(in, oneWrite), most)
	for {
		c := w.next()
		reply := answer(c, most)
		w.mu.Lock()
		w.running = 0
		w.mu.Unlock()
		if err := w.write(reply); err != nil {
			return err
		}
	}
}

// worker is the state of a worker process.
type worker struct {
	mu      sync.Mutex
	arrived sync.Cond
	queue   []pending
	running uint64 // 0: none

	writing sync.Mutex
	out     *bufio.Writer
}

// pending is a call that has not begun.
type pending struct {
	n       uint64 // from 1
	request Request
}

// next takes the next call.
func (w *worker) next() pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 {
		w.arrived.Wait()
	}
	c := w.queue[0]
	w.queue[0] = pending{}
	if w.queue = w.queue[1:]; len(w.queue) == 0 {
		w.queue = nil
	}
	w.running = c.n
	return c
}

// write writes a reply at once: the next call must not begin before.
func (w *worker) write(r Reply) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	if err := writeFrame(w.out, nil, r); err != nil {
		return err
	}
	return w.out.Flush()
}

// read reads what the parent wants, and never returns.
func (w *worker) read(in *bufio.Reader, most int) {
	for {
		p, err := readFrame(in, most+maxRequestHead+wantHead)
		if err == io.EOF {
			os.Exit(0) // the parent has no more work, or is no more
		}
		if err == nil && len(p) < wantHead {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "asyncio: worker process: read a request:", err)
			os.Exit(1)
		}
		w.wanted(p[0], binary.BigEndian.Uint64(p[1:]), p[wantHead:])
	}
}

func (w *worker) wanted(what byte, n uint64, r Request) {
	w.mu.Lock()
	var dropped []pending
	switch what {
	case wantCall:
		w.queue = append(w.queue, pending{n, r})
		w.arrived.Signal()
	case wantDrop:
		if w.running == n {
			os.Exit(1) // with the lock, so that no other call begins
		}
		w.queue = slices.DeleteFunc(w.queue, func(c pending) bool {
			if c.n == n {
				dropped = append(dropped, c)
			}
			return c.n == n
		})
	case wantBack:
		dropped, w.queue = w.queue, nil
	}
	w.mu.Unlock()
	for _, c := range dropped {
		if err := w.write(newReply(replyDropped, c.n, 0, nil)); err != nil {
			os.Exit(1) // nobody would hear of anything any more
		}
	}
}

// answer runs what is asked for, and returns the reply.
func answer(c pending, most int) Reply {
	kind := replyValue
	out, err := run(c.request)
	if err != nil {
		f := Failure{Message: err.Error()}
		kind = replyFailed
		if p, ok := err.(*Panic); ok {
			kind, f.Stack = replyPanicked, p.Stack
		}
		out, err = Encode(f)
	}
	if err != nil || len(out) > most {
		kind, out = replyTooLarge, []byte(strconv.Itoa(len(out)))
	}
	return newReply(kind, c.n, memoryInUse(), out)
}

// Answer runs what is asked for in this process, and returns the result as it would come
// from a worker. Simulated workers have no process.
func Answer(r Request, most int) ([]byte, error) { return answer(pending{request: r}, most).Result() }

func run(r Request) ([]byte, error) {
	name, arg, err := r.split()
	if err != nil {
		return nil, err
	}
	fn := Find(name)
	if fn == nil {
		return nil, fmt.Errorf("there is no function %q in the worker process: register it before WorkerMain", name)
	}
	return fn(context.Background(), arg)
}

// memoryInUse returns the bytes that this process has from the system.
func memoryInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
