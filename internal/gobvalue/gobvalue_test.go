package gobvalue

import (
	"bytes"
	"encoding/gob"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type node struct {
	Name string
	Next *node
	At   time.Time
	By   map[string][]int
}

type holder struct{ V any }

func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	for range 3 { // the second time by a kept encoder and decoder
		p, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode[T](p)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%#v became %#v, %v", v, got, err)
		}
	}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	gob.Register(node{})
	roundTrip(t, 7)
	roundTrip(t, struct{}{})
	roundTrip(t, "text")
	roundTrip(t, []byte("bytes"))
	roundTrip(t, node{Name: "a", Next: &node{Name: "b"}, At: time.Unix(1, 2).UTC(), By: map[string][]int{"x": {1, 2}}})
	roundTrip(t, holder{V: 1})
	roundTrip(t, holder{V: node{Name: "in an interface"}})
	roundTrip(t, make([]byte, 3*maxKept))
}

func TestAnEncodedValueStandsForItself(t *testing.T) {
	for i := range 3 {
		p, err := Encode(node{Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		var v envelope[node]
		if err := gob.NewDecoder(bytes.NewReader(p)).Decode(&v); err != nil || v.V.Name != "a" {
			t.Fatalf("value %d: %v, %v", i, v, err)
		}
	}
}

func TestWhatGobCannotCarryIsAnError(t *testing.T) {
	for range 2 {
		if _, err := Encode(make(chan int)); err == nil {
			t.Error("a channel was encoded")
		}
		if _, err := Encode(holder{V: struct{ A int }{1}}); err == nil {
			t.Error("an unregistered type in an interface was encoded")
		}
		if _, err := Encode(failing{1}); err == nil {
			t.Error("no error of GobEncode")
		}
	}
}

type failing struct{ A int }

func (failing) GobEncode() ([]byte, error) { return nil, errors.New("not today") }

func (*failing) GobDecode([]byte) error { return nil }

func TestADamagedValueSpoilsNoOther(t *testing.T) {
	good, err := Encode(node{Name: "good"})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(good)
		for range rapid.IntRange(1, 4).Draw(t, "bytes") {
			bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		_, _ = Decode[node](bad[:rapid.IntRange(0, len(bad)).Draw(t, "length")])
		if v, err := Decode[node](good); err != nil || v.Name != "good" {
			t.Fatalf("%v, %v", v, err)
		}
	})
}

func TestManyGoroutinesShareTheCodecs(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				p, err := Encode(i*1000 + j)
				if err != nil {
					t.Error(err)
					return
				}
				if v, err := Decode[int](p); err != nil || v != i*1000+j {
					t.Errorf("%d, %v", v, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkRoundTrip(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		p, err := Encode(i)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Decode[int](p); err != nil {
			b.Fatal(err)
		}
	}
}
