package workerproc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
)

// variable tells a process that it is a worker, and the most bytes of a message.
const variable = "ASYNCIO_WORKER_PROCESS"

// hello is what a worker says first.
const hello = "asyncio worker 1"

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
	if err := serve(limit); err != nil {
		fmt.Fprintln(os.Stderr, "asyncio: worker process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs what the parent asks for until it closes the pipe.
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
	requests := make(chan Request)
	go func() {
		in := bufio.NewReader(in)
		for {
			p, err := readFrame(in, most+maxRequestHead)
			if err == io.EOF {
				os.Exit(0) // the parent has no more work, or is no more
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "asyncio: worker process: read a request:", err)
				os.Exit(1)
			}
			requests <- p
		}
	}()
	for p := range requests {
		if err := writeFrame(out, answer(p, most)); err != nil {
			return err
		}
	}
	return nil
}

// answer runs what is asked for, and returns the reply.
func answer(r Request, most int) Reply {
	kind := replyValue
	out, err := run(r)
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
	return newReply(kind, memoryInUse(), out)
}

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
