package asyncsql

import (
	"bytes"
	"sync"
)

// taken are the values of rows, one after another, as the driver had them. Bytes are held.
type taken struct {
	values []any
	held   []held // those among values
	spare  []byte // for bytes, which are the driver's
	box    *taken // in which the memory waits for others, once it has
}

// takens has the memory of rows that were read, for others.
var takens = sync.Pool{New: func() any { return new(taken) }}

// newTaken returns one without values.
func newTaken() taken {
	box := takens.Get().(*taken)
	t := *box
	*box, t.box = taken{}, box
	return t
}

// free says that nobody reads the values any more, nor puts others in their place.
func (t *taken) free() {
	if t.box != nil {
		*t.box = t.again()
		takens.Put(t.box)
	}
	*t = taken{}
}

// held are bytes in memory of our own. They stand in values as a pointer, since a slice
// among them would be another piece of memory for each.
type held []byte

// again returns the memory of values that nobody reads any more, for others.
func (t taken) again() taken {
	clear(t.values) // or what they point to would be kept
	clear(t.held)
	return taken{values: t.values[:0], held: t.held[:0], spare: t.spare[:0], box: t.box}
}

// A taker is an [sql.Scanner] that takes the driver's values as they are: what becomes
// of them is for the Scan on the loop.
type taker struct {
	taken
	size int // about the memory of values
}

// maxSpare bounds what is made at once for the bytes of several values.
const maxSpare = 16 << 10

// Scan implements [sql.Scanner].
func (t *taker) Scan(src any) error {
	t.size += 16
	switch v := src.(type) {
	case []byte:
		t.size += len(v)
		t.held = append(t.held, t.own(v))
		src = &t.held[len(t.held)-1]
	case string:
		t.size += len(v)
	}
	t.values = append(t.values, src)
	return nil
}

// own returns a copy of b.
func (t *taker) own(b []byte) held {
	if len(b) == 0 {
		return bytes.Clone(b)
	}
	if len(b) > cap(t.spare)-len(t.spare) {
		// The first is often the only one; where there are many, their memory is one.
		t.spare = make([]byte, 0, max(len(b), min(2*cap(t.spare), maxSpare)))
	}
	n := len(t.spare)
	t.spare = append(t.spare, b...)
	return t.spare[n:len(t.spare):len(t.spare)]
}

// plain returns a value of a taker as the driver had it.
func plain(v any) any {
	if h, ok := v.(*held); ok {
		return []byte(*h)
	}
	return v
}
