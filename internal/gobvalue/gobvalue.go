// Package gobvalue encodes the arguments and results of functions that run in
// other processes, with encoding/gob.
//
// Each encoded value stands for itself: it begins with gob's definitions of its
// types. A new gob.Decoder for each of them costs some tens of microseconds, most
// of it to compile the definitions, which are the same each time. So encoders and
// decoders that know them already are kept, by type and definitions.
package gobvalue

import (
	"bytes"
	"encoding/gob"
	"reflect"
	"sync"
)

// envelope is what goes through gob: it cannot carry a bare nil, or nothing.
type envelope[T any] struct{ V T }

const (
	// maxKept bounds the size of a value after which an encoder or decoder is
	// kept: they hold on to their buffers.
	maxKept = 64 << 10
	// maxDefinitions bounds for how many different definitions of one type
	// decoders are kept. Programs number their types in the order of use.
	maxDefinitions = 16
)

// codecs are the kept encoders and decoders, by reflect.Type of the value.
var codecs sync.Map

type codec struct {
	plain    bool      // the definitions are the same for each value
	encoders sync.Pool // of *encoder
	mu       sync.RWMutex
	decoders map[string]*sync.Pool // of *decoder, by definitions
}

type encoder struct {
	b           bytes.Buffer
	enc         *gob.Encoder
	definitions []byte
}

type decoder struct {
	r   bytes.Reader
	dec *gob.Decoder
}

func codecOf[T any]() *codec {
	t := reflect.TypeFor[T]()
	if c, ok := codecs.Load(t); ok {
		return c.(*codec)
	}
	c, _ := codecs.LoadOrStore(t, &codec{plain: isPlain(t, map[reflect.Type]bool{}), decoders: map[string]*sync.Pool{}})
	return c.(*codec)
}

// isPlain reports whether gob defines all of the type at once. What lies in an
// interface is defined where it first occurs.
func isPlain(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return isPlain(t.Elem(), seen)
	case reflect.Map:
		return isPlain(t.Key(), seen) && isPlain(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !isPlain(f.Type, seen) {
				return false
			}
		}
	}
	return true
}

// Encode returns the bytes of v. For any goroutine.
func Encode[T any](v T) ([]byte, error) {
	if _, nothing := any(v).(struct{}); nothing {
		return nil, nil
	}
	c := codecOf[T]()
	if !c.plain {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(envelope[T]{v})
		return b.Bytes(), err
	}
	e, _ := c.encoders.Get().(*encoder)
	if e == nil {
		var err error
		if e, err = newEncoder[T](); err != nil {
			return nil, err
		}
	}
	e.b.Reset()
	if err := e.enc.Encode(envelope[T]{v}); err != nil {
		return nil, err
	}
	p := make([]byte, 0, len(e.definitions)+e.b.Len())
	p = append(append(p, e.definitions...), e.b.Bytes()...)
	if len(p) <= maxKept {
		c.encoders.Put(e)
	}
	return p, nil
}

// newEncoder makes an encoder that has sent its definitions.
func newEncoder[T any]() (*encoder, error) {
	e := new(encoder)
	e.enc = gob.NewEncoder(&e.b)
	var zero envelope[T]
	if err := e.enc.Encode(zero); err != nil {
		return nil, err
	}
	all := bytes.Clone(e.b.Bytes())
	e.b.Reset()
	if err := e.enc.Encode(zero); err != nil {
		return nil, err
	}
	e.definitions = all[:len(all)-e.b.Len()]
	return e, nil
}

// Decode returns the value that p was encoded from. For any goroutine.
func Decode[T any](p []byte) (T, error) {
	var v envelope[T]
	if _, nothing := any(v.V).(struct{}); nothing {
		return v.V, nil
	}
	c := codecOf[T]()
	n, single := split(p)
	if !c.plain || !single || len(p) > maxKept {
		err := gob.NewDecoder(bytes.NewReader(p)).Decode(&v)
		return v.V, err
	}
	pool := c.pool(p[:n])
	d, _ := pool.Get().(*decoder)
	if d == nil {
		d = new(decoder)
		d.dec = gob.NewDecoder(&d.r)
		d.r.Reset(p)
	} else {
		d.r.Reset(p[n:])
	}
	if err := d.dec.Decode(&v); err != nil {
		return v.V, err
	}
	d.r.Reset(nil)
	pool.Put(d)
	return v.V, nil
}

// pool returns the decoders that know these definitions.
func (c *codec) pool(definitions []byte) *sync.Pool {
	c.mu.RLock()
	p := c.decoders[string(definitions)]
	c.mu.RUnlock()
	if p != nil {
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.decoders[string(definitions)]; p != nil {
		return p
	}
	if len(c.decoders) >= maxDefinitions {
		clear(c.decoders)
	}
	p = new(sync.Pool)
	c.decoders[string(definitions)] = p
	return p
}

// split returns where the definitions end, and reports whether one value
// follows them and nothing else. Each message of gob is its length and its
// content, which begins with a type: below zero for a definition.
func split(p []byte) (n int, single bool) {
	for n < len(p) {
		length, head := gobUint(p[n:])
		if head == 0 || length > uint64(len(p)-n-head) {
			return 0, false
		}
		end := n + head + int(length)
		id, size := gobUint(p[n+head : end])
		if size == 0 {
			return 0, false
		}
		if id&1 == 0 { // gob keeps the sign in the lowest bit
			return n, end == len(p)
		}
		n = end
	}
	return 0, false
}

// gobUint reads gob's unsigned integer: one byte below 128, or the negated count
// of the bytes that follow, highest first. The size is 0 when it is cut off.
func gobUint(p []byte) (v uint64, size int) {
	if len(p) == 0 {
		return 0, 0
	}
	if p[0] < 128 {
		return uint64(p[0]), 1
	}
	n := -int(int8(p[0])) // 128 at most, which an int8 cannot hold
	if n > 8 || len(p) < 1+n {
		return 0, 0
	}
	for _, b := range p[1 : 1+n] {
		v = v<<8 | uint64(b)
	}
	return v, 1 + n
}
