package workerproc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A message to a worker is what is wanted in one byte, the call's number in eight,
// and, for a call, the request: the name's length in two bytes, the name, and the
// argument.
const (
	wantCall byte = iota
	wantDrop      // the call is not wanted any more: if it runs, the process ends
	wantBack      // nor are those that have not begun; the number is of no meaning

	wantHead       = 9
	maxName        = 1<<16 - 1
	maxRequestHead = maxName + 2
)

// A reply is how it went in one byte, the call's number in eight, the bytes of memory
// that the process uses in eight, and the result or a failure.
const (
	replyValue byte = iota
	replyFailed
	replyPanicked
	replyTooLarge
	replyDropped // the call has not begun, and will not

	replyHead = 17
)

// A Request is an encoded call of a function.
type Request []byte

// NewRequest encodes a call. An argument of more than most bytes is
// [ErrTooLarge].
func NewRequest[In any](name string, in In, most int) (Request, error) {
	arg, err := Encode(in)
	switch {
	case err != nil:
		return nil, err
	case len(arg) > most:
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(arg))
	case len(name) > maxName:
		return nil, errors.New("asyncio: the name is too long")
	}
	p := make([]byte, 2, 2+len(name)+len(arg))
	binary.BigEndian.PutUint16(p, uint16(len(name)))
	return append(append(p, name...), arg...), nil
}

// split returns the parts of a request.
func (r Request) split() (name string, arg []byte, err error) {
	if len(r) < 2 || len(r) < 2+int(binary.BigEndian.Uint16(r)) {
		return "", nil, errors.New("the request is cut off")
	}
	n := 2 + int(binary.BigEndian.Uint16(r))
	return string(r[2:n]), r[n:], nil
}

// A Reply is the encoded answer to a request.
type Reply []byte

func newReply(kind byte, n, memory uint64, out []byte) Reply {
	p := make([]byte, replyHead, replyHead+len(out))
	p[0] = kind
	binary.BigEndian.PutUint64(p[1:], n)
	binary.BigEndian.PutUint64(p[9:], memory)
	return append(p, out...)
}

// readReply returns the next reply.
func readReply(r io.Reader, most int) (Reply, error) {
	p, err := readFrame(r, most+replyHead)
	if err == nil && len(p) < replyHead {
		err = io.ErrUnexpectedEOF
	}
	return p, err
}

// Number returns which call the reply is for.
func (r Reply) Number() uint64 { return binary.BigEndian.Uint64(r[1:]) }

// Memory returns the bytes of memory that the worker used after the call.
func (r Reply) Memory() uint64 { return binary.BigEndian.Uint64(r[9:]) }

// Dropped reports whether the call was not begun, and will not be.
func (r Reply) Dropped() bool { return r[0] == replyDropped }

// Result returns the result, for [Decode], or a [*Failure], or [ErrTooLarge] of
// one that was larger than allowed.
func (r Reply) Result() ([]byte, error) {
	kind, out := r[0], r[replyHead:]
	switch kind {
	case replyValue:
		return out, nil
	case replyTooLarge:
		return nil, fmt.Errorf("the result: %w: %s bytes", ErrTooLarge, out)
	}
	f, err := Decode[Failure](out)
	if err != nil {
		return nil, fmt.Errorf("the reply: %w", err)
	}
	f.Panicked = kind == replyPanicked
	return nil, &f
}

// A Failure is a function's error on its way to the parent: only its text comes
// over.
type Failure struct {
	Message  string
	Stack    []byte // of a panic
	Panicked bool
}

func (f *Failure) Error() string { return f.Message }
