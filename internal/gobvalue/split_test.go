package gobvalue

import (
	"bytes"
	"encoding/gob"
	"testing"
)

// message is a message of gob: its length and its content.
func message(content ...byte) []byte { return append([]byte{byte(len(content))}, content...) }

func TestSplitFindsTheOneValueBehindItsDefinitions(t *testing.T) {
	definition := message(0x7f, 1, 2)                        // of type -64
	value := message(0x80-2, 7)                              // of type 63
	large := append([]byte{0xff, 130}, make([]byte, 130)...) // whose length has two bytes
	large[2] = 4
	for name, c := range map[string]struct {
		p      []byte
		n      int
		single bool
	}{
		"nothing":                  {nil, 0, false},
		"a value":                  {value, 0, true},
		"a definition and a value": {join(definition, value), 4, true},
		"two definitions":          {join(definition, definition, value), 8, true},
		"a large value":            {join(definition, large), 4, true},
		"only a definition":        {definition, 0, false},
		"two values":               {join(definition, value, value), 4, false},
		"a value that is cut":      {join(definition, value[:2]), 0, false},
		"a large one that is cut":  {large[:131], 0, false},
		"a length that is cut":     {[]byte{0xfe, 1}, 0, false},
		"a length of nine bytes":   {append([]byte{0x80 - 9 + 0x80}, make([]byte, 20)...), 0, false},
		"an empty message":         {join(definition, []byte{0}), 0, false},
		"no type":                  {join(definition, []byte{1, 0xfe}), 0, false},
	} {
		if n, single := split(c.p); n != c.n || single != c.single {
			t.Errorf("%s: %d, %v, want %d, %v", name, n, single, c.n, c.single)
		}
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestGobUintIsAsGobWritesIt(t *testing.T) {
	for _, c := range []struct {
		p    []byte
		v    uint64
		size int
	}{
		{nil, 0, 0},
		{[]byte{0}, 0, 1},
		{[]byte{127, 9}, 127, 1},
		{[]byte{0xff, 128}, 128, 2},
		{[]byte{0xfe, 1, 2, 3}, 0x102, 3},
		{[]byte{0xfe, 1}, 0, 0},
		{[]byte{0xf8, 1, 2, 3, 4, 5, 6, 7, 8}, 0x102030405060708, 9},
		{[]byte{0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 0},
		{[]byte{0x80}, 0, 0},
	} {
		if v, size := gobUint(c.p); v != c.v || size != c.size {
			t.Errorf("%x: %d of %d bytes, want %d of %d", c.p, v, size, c.v, c.size)
		}
	}
}

// A value whose definitions are known is decoded by a decoder that is kept, and
// that knows them: of the second one no definitions are read any more.
func TestDecodersAreKeptByDefinitions(t *testing.T) {
	type point struct{ X, Y int }
	c := codecOf[point]()
	kept := 0
	for i := range 3 {
		p, err := Encode(point{i, i + 1})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := Decode[point](p); err != nil || v != (point{i, i + 1}) {
			t.Errorf("%+v, %v", v, err)
		}
		if i == 0 {
			kept = len(c.decoders)
		}
	}
	if len(c.decoders) != kept || kept == 0 {
		t.Errorf("decoders for %d definitions, %d after the first", len(c.decoders), kept)
	}
	// What another program has encoded may have other definitions; there are not
	// kept decoders for any number of them.
	for i := range 3 * maxDefinitions {
		var b bytes.Buffer
		e := gob.NewEncoder(&b)
		for range i { // so many types are known to it already
			_ = e.Encode(struct{ A int }{1})
		}
		b.Reset()
		_ = e.Encode(envelope[point]{point{i, 7}})
		p := append([]byte(nil), b.Bytes()...)
		if v, err := Decode[point](p); err == nil && v != (point{i, 7}) {
			t.Errorf("%+v, %v", v, err)
		}
		c.pool([]byte{byte(i)})
		if len(c.decoders) > maxDefinitions {
			t.Fatalf("decoders for %d definitions are kept", len(c.decoders))
		}
	}
	if first, again := c.pool([]byte{1}), c.pool([]byte{1}); first != again {
		t.Error("the same definitions have another pool")
	}
}

func TestLargeValuesKeepNoDecoder(t *testing.T) {
	type large struct{ P []byte }
	for _, n := range []int{maxKept / 2, 2 * maxKept} {
		p, err := Encode(large{make([]byte, n)})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := Decode[large](p); err != nil || len(v.P) != n {
			t.Error(len(v.P), err)
		}
		if want := n < maxKept; (len(codecOf[large]().decoders) > 0) != want && n > maxKept == want {
			t.Errorf("of %d bytes: a decoder is kept: %v", n, !want)
		}
	}
}
