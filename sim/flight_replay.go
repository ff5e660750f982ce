package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// Replay runs main again with what a [Record] has written, instead of the world, in a
// bubble of testing/synctest, and returns what [asyncio.Run] returns for it. It takes no
// more time than main needs for itself. The options are those of the loop, as they were.
// Nothing leaves it: no process is started, no signal is sent to one, and a pipe that main
// hands to the loop is closed. It is for the goroutine of the test.
//
// It fails with [ErrDiverged], which names the first thing that main did otherwise and the
// stack of that, when main does not do what it did: it has been changed, or it depends on
// something that was not recorded. Where the recording ends before main does, as that of a
// process that was killed, it fails with [io.ErrUnexpectedEOF].
//
// A job whose result could not be written down is called again in its place: where
// encoding/gob does not know the type, or the error is of another than the system's.
func Replay(t *testing.T, file string, main func(ctx context.Context) error, opts ...asyncio.Option) error {
	t.Helper()
	f, r, err := openRecording(file)
	if err != nil {
		return err
	}
	defer f.Close()
	p := &playback{r: r, handles: make(map[uint64]*told), jobs: make(map[uint64]driver.Job)}
	synctest.Test(t, func(t *testing.T) {
		d := &flight{play: p}
		err = asyncio.Run(context.Background(), main, append(opts, hook.WithDriver(d).(asyncio.Option))...)
	})
	if p.err != nil {
		return p.err
	}
	return err
}

// A playback is a recording that is played back.
type playback struct {
	r       *bufio.Reader
	n       int   // entries that were read
	err     error // why it is over
	handles map[uint64]*told
	jobs    map[uint64]driver.Job
}

// read returns the next entry.
func (p *playback) read() (e entry, ok bool) {
	if p.err != nil {
		return e, false
	}
	e, err := readEntry(p.r)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("sim: replay: the recording ends after %d entries, and the program goes on: %w", p.n, io.ErrUnexpectedEOF)
	}
	if err != nil {
		p.err = err
		return e, false
	}
	p.n++
	return e, true
}

// next returns what came of what is asked, according to the recording.
func (p *playback) next(asked entry) entry {
	e, ok := p.read()
	if ok && !e.same(asked) {
		p.diverged(e, asked)
		ok = false
	}
	if !ok {
		return entry{op: asked.op, err: p.err}
	}
	return e
}

// diverged ends the playback.
func (p *playback) diverged(recorded, asked entry) {
	p.err = &divergedError{fmt.Sprintf("%v: the recording and this one, first in entry %d\nrecorded: %v\nnow:      %v\n%s", ErrDiverged, p.n, recorded, asked, userStack())}
}

// tell tells what has happened, up to the end of the call of the driver that asked.
func (p *playback) tell(asked entry) error {
	for {
		e, ok := p.read()
		if !ok {
			return p.err
		}
		switch {
		case e.op == opReady && p.handles[e.id] != nil:
			p.handles[e.id].Ready(driver.Event(e.n))
		case e.op == opJobDone && p.jobs[e.id] != nil:
			p.finish(e)
		case e.op == asked.op:
			return e.err
		default:
			p.diverged(e, asked)
			return p.err
		}
	}
}

// finish ends a job as it ended.
func (p *playback) finish(e entry) {
	j := p.jobs[e.id]
	delete(p.jobs, e.id)
	if value, err := j.Result(); e.n == jobAgain || gob.NewDecoder(bytes.NewReader(e.data)).Decode(value) != nil && e.n == jobValue {
		j.Compute()
	} else {
		*err = e.err
	}
	j.Deliver()
}

// What an entry says of the result of a job.
const (
	jobValue = iota // it is there
	jobEmpty        // there is none but the error
	jobAgain        // it could not be written down
)

// resultOf returns the result of a job that has ended, as it is written down.
func resultOf(j driver.Job) (data []byte, kind int64, err error) {
	value, failed := j.Result()
	if *failed != nil {
		if _, whole := encodeError(*failed); !whole {
			return nil, jobAgain, nil
		}
		return nil, jobEmpty, *failed
	}
	v := reflect.ValueOf(value).Elem()
	if v.IsZero() {
		return nil, jobEmpty, nil
	}
	var b bytes.Buffer
	if !exact(v.Type(), nil) || gob.NewEncoder(&b).Encode(value) != nil {
		return nil, jobAgain, nil
	}
	return b.Bytes(), jobValue, nil
}

var (
	gobEncoder      = reflect.TypeFor[gob.GobEncoder]()
	binaryMarshaler = reflect.TypeFor[encoding.BinaryMarshaler]()
)

// exact reports whether gob brings all of a type's values: it leaves out fields without
// a word that are not exported.
func exact(t reflect.Type, within []reflect.Type) bool {
	for _, outer := range within {
		if outer == t {
			return true
		}
	}
	if t.Implements(gobEncoder) || reflect.PointerTo(t).Implements(gobEncoder) || t.Implements(binaryMarshaler) {
		return true
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer, reflect.Uintptr:
		return false
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return exact(t.Elem(), within)
	case reflect.Map:
		return exact(t.Key(), within) && exact(t.Elem(), within)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); !f.IsExported() || !exact(f.Type, within) {
				return false
			}
		}
	}
	return true
}
