package frontier

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
)

// State is what is known of a URL. The zero value is nothing.
type State uint8

const (
	Unknown       State = iota
	Pending             // it is still to be fetched
	SavedHTML           // and what type it has
	SavedCSS            //
	SavedOther          //
	SavedNoFollow       // a page whose header says that its links are not to be followed
	Redirected          // it leads elsewhere
	Ended               // it failed, or may not be fetched, or is not saved
)

// Saved reports whether there is a file of the URL.
func (s State) Saved() bool { return s >= SavedHTML && s <= SavedNoFollow }

const stateBits = 3

// A Key stands for a URL: 61 bits of a hash that nobody outside can foresee. Of a
// hundred million URLs two have the same key with a probability of 0.002, and
// the second is then not fetched.
type Key uint64

// A Salt makes keys. It is that of one crawl.
type Salt [16]byte

// Key returns the key of a URL's text.
func (s *Salt) Key(url []byte) Key {
	var buf [256]byte
	sum := sha256.Sum256(append(append(buf[:0], s[:]...), url...))
	return Key(binary.LittleEndian.Uint64(sum[:])&^(1<<stateBits-1) | 1<<stateBits) // never 0
}

// Seen is the set of all URLs of a crawl, with their states, in 8 bytes each and
// some room. The zero value is an empty set.
type Seen struct {
	slots []uint64 // a key and a state; 0 is free
	n     int
}

// Len is how many URLs there are.
func (s *Seen) Len() int { return s.n }

// Get returns the state of a URL.
func (s *Seen) Get(k Key) State {
	if s.n == 0 {
		return Unknown
	}
	return State(s.slots[s.find(k)] & (1<<stateBits - 1))
}

// Set sets the state of a URL, which may be new.
func (s *Seen) Set(k Key, state State) {
	if 4*(s.n+1) > 3*len(s.slots) {
		s.grow()
	}
	i := s.find(k)
	if s.slots[i] == 0 {
		s.n++
	}
	s.slots[i] = uint64(k) | uint64(state)
}

// find returns the slot of a key, or the free one where it would be.
func (s *Seen) find(k Key) uint64 {
	mask := uint64(len(s.slots) - 1)
	for i := uint64(k) >> stateBits & mask; ; i = (i + 1) & mask {
		if have := s.slots[i]; have == 0 || have&^(1<<stateBits-1) == uint64(k) {
			return i
		}
	}
}

// Reserve makes room for so many URLs in all.
func (s *Seen) Reserve(n int) {
	size := max(64, len(s.slots))
	for 3*size < 4*(n+1) {
		size *= 2
	}
	if size > len(s.slots) {
		s.resize(size)
	}
}

func (s *Seen) grow() { s.resize(max(64, 2*len(s.slots))) }

func (s *Seen) resize(size int) {
	old := s.slots
	s.slots = make([]uint64, size)
	for _, v := range old {
		if v != 0 {
			s.slots[s.find(Key(v&^(1<<stateBits-1)))] = v
		}
	}
}

// All yields all URLs, in no order.
func (s *Seen) All() iter.Seq2[Key, State] {
	return func(yield func(Key, State) bool) {
		for _, v := range s.slots {
			if v != 0 && !yield(Key(v&^(1<<stateBits-1)), State(v&(1<<stateBits-1))) {
				return
			}
		}
	}
}
