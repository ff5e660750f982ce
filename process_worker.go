package asyncio

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
)

// ErrMessageTooLarge is the error of a call of a worker process whose argument
// or result is larger than [WithMaxMessage] allows.
var ErrMessageTooLarge = errors.New("asyncio: the message to or from a worker process is too large")

// A WorkerFunc is a function that worker processes can run. See
// [RegisterWorker].
type WorkerFunc[In, Out any] struct{ name string }

// Name returns the name under which the function was registered.
func (w *WorkerFunc[In, Out]) Name() string { return w.name }

// workerBody is a registered function on encoded values.
type workerBody func(ctx context.Context, in []byte) (out []byte, err error)

// registered are the functions that a worker process can run. They are in a
// variable of the package because the processes have nothing in common but the
// program: both sides must know them by name before main begins.
var registered = struct {
	mu   sync.Mutex
	body map[string]workerBody
}{body: make(map[string]workerBody)}

// RegisterWorker names a function that the worker processes of a
// [ProcessPoolExecutor] can run. It belongs where it runs in every process of
// the program, before [WorkerMain] is called:
//
//	var thumbnail = asyncio.RegisterWorker("thumbnail", makeThumbnail)
//
// The argument and the result go through encoding/gob, so they must be values
// that gob can carry. What the function writes to standard output goes to
// standard error. It panics when the name is taken.
func RegisterWorker[In, Out any](name string, fn func(ctx context.Context, in In) (Out, error)) *WorkerFunc[In, Out] {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	if _, taken := registered.body[name]; taken {
		panic(fmt.Sprintf("asyncio: RegisterWorker: there are two functions %q", name))
	}
	registered.body[name] = func(ctx context.Context, in []byte) ([]byte, error) {
		v, err := decodeValue[In](in)
		if err != nil {
			return nil, fmt.Errorf("the argument of %s: %w", name, err)
		}
		out, err := protect(ctx, func(ctx context.Context) (Out, error) { return fn(ctx, v) })
		if err != nil {
			return nil, err
		}
		p, err := encodeValue(out)
		if err != nil {
			return nil, fmt.Errorf("the result of %s: %w", name, err)
		}
		return p, nil
	}
	return &WorkerFunc[In, Out]{name}
}

// protect makes a panic of fn an error.
func protect[T any](ctx context.Context, fn func(context.Context) (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return fn(ctx)
}

// envelope is what goes through gob: it cannot carry a bare nil, or nothing.
type envelope[T any] struct{ V T }

func encodeValue[T any](v T) ([]byte, error) {
	if _, nothing := any(v).(struct{}); nothing {
		return nil, nil
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(envelope[T]{v})
	return b.Bytes(), err
}

func decodeValue[T any](p []byte) (T, error) {
	var e envelope[T]
	if _, nothing := any(e.V).(struct{}); nothing {
		return e.V, nil
	}
	err := gob.NewDecoder(bytes.NewReader(p)).Decode(&e)
	return e.V, err
}

// workerVariable tells a process that it is a worker, and the most bytes of a
// message.
const workerVariable = "ASYNCIO_WORKER_PROCESS"

// workerHello is what a worker says first.
const workerHello = "asyncio worker 1"

var workerMainCalled atomic.Bool

// WorkerMain must be called first in main, and in TestMain, of a program that
// uses a [ProcessPoolExecutor]. In a worker process, which is the same program
// started once more, it runs the registered functions and never returns;
// elsewhere it does nothing.
func WorkerMain() {
	limit, isWorker := os.LookupEnv(workerVariable)
	if !isWorker {
		workerMainCalled.Store(true)
		return
	}
	_ = os.Unsetenv(workerVariable) // processes that a function starts are no workers
	if err := serveWorker(limit); err != nil {
		fmt.Fprintln(os.Stderr, "asyncio: worker process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveWorker runs what the parent asks for until it closes the pipe.
func serveWorker(limit string) error {
	maxMessage, err := strconv.Atoi(limit)
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
	if _, err := io.WriteString(out, workerHello); err != nil {
		return err
	}
	requests := make(chan []byte)
	go func() {
		for {
			p, err := readFrame(in, maxMessage+maxFrameHead)
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
		if err := writeFrame(out, runRequest(p, maxMessage)); err != nil {
			return err
		}
	}
	return nil
}

// A request is the name's length in two bytes, the name, and the argument. A
// reply is how it went in one byte, the bytes of memory that the process uses
// in eight, and the result or a failure.
const (
	replyValue byte = iota
	replyFailed
	replyPanicked
	replyTooLarge

	replyHead    = 9
	maxName      = 1<<16 - 1
	maxFrameHead = maxName + 2
)

// failure is a function's error on its way to the parent.
type failure struct {
	Message string
	Stack   []byte
}

func encodeRequest(name string, in []byte) []byte {
	p := make([]byte, 2, 2+len(name)+len(in))
	binary.BigEndian.PutUint16(p, uint16(len(name)))
	return append(append(p, name...), in...)
}

// runRequest returns the reply to a request.
func runRequest(p []byte, maxMessage int) []byte {
	kind, out := replyValue, []byte(nil)
	body, in, err := lookUpRequest(p)
	if err == nil {
		out, err = body(context.Background(), in)
	}
	if err != nil {
		f := failure{Message: err.Error()}
		kind = replyFailed
		if e, ok := err.(*PanicError); ok {
			kind, f.Message, f.Stack = replyPanicked, fmt.Sprint(e.Value), e.Stack
		}
		out, err = encodeValue(f)
	}
	if err != nil || len(out) > maxMessage {
		kind, out = replyTooLarge, []byte(strconv.Itoa(len(out)))
	}
	reply := make([]byte, replyHead, replyHead+len(out))
	reply[0] = kind
	binary.BigEndian.PutUint64(reply[1:], memoryInUse())
	return append(reply, out...)
}

func lookUpRequest(p []byte) (body workerBody, in []byte, err error) {
	if len(p) < 2 || len(p) < 2+int(binary.BigEndian.Uint16(p)) {
		return nil, nil, errors.New("the request is cut off")
	}
	n := 2 + int(binary.BigEndian.Uint16(p))
	name := string(p[2:n])
	registered.mu.Lock()
	defer registered.mu.Unlock()
	body, ok := registered.body[name]
	if !ok {
		return nil, nil, fmt.Errorf("there is no function %q in the worker process: register it before WorkerMain", name)
	}
	return body, p[n:], nil
}

// memoryInUse returns the bytes that this process has from the system.
func memoryInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

func writeFrame(w io.Writer, p []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(p)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(p)
	return err
}

// readFrame returns the next frame; io.EOF when there is none.
func readFrame(r io.Reader, most int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(most) {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, n)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		return nil, fmt.Errorf("a message was cut off: %w", err)
	}
	return p, nil
}
