package sim

import (
	"bytes"
	"slices"
)

// A shrinker looks for a tape that fails in the same way and has fewer choices that are
// not tame.
type shrinker struct {
	runs  int                // that are left
	fails func(t *tape) bool // runs a world with a tape, which is then written
	thin  uint64             // the seed of the next thin tape
}

// few is how many choices that are not tame a person can think about: with no more of
// them, no others are looked for.
const few = 10

// shrink returns the best that it has found.
//
// A tape can be made smaller step by step only as long as each step still fails, and
// what is left then may be more than the failure needs. A tape that fails and was thin
// from the beginning leads elsewhere.
func (s *shrinker) shrink(t *tape) *tape {
	best := s.reduce(t)
	for best.wild() > few {
		thin := s.findThin(4 * best.wild())
		if thin == nil {
			break
		}
		if thin = s.reduce(thin); thin.wild() < best.wild() {
			best = thin
		}
	}
	return best
}

// findThin looks for a tape that fails and has fewer choices than so many that are not
// tame, the thinnest first.
func (s *shrinker) findThin(most int) *tape {
	for _, thin := range []uint64{64, 32, 16, 8, 4, 2} {
		for range 12 {
			if s.runs <= 0 {
				return nil
			}
			s.runs--
			s.thin++
			t := thinTape(s.thin, thin)
			if s.fails(t) && t.wild() < most {
				return t.trimmed()
			}
		}
	}
	return nil
}

// reduce makes a tape smaller step by step.
func (s *shrinker) reduce(t *tape) *tape {
	best := t.trimmed()
	try := func(change func(*tape)) bool {
		if s.runs <= 0 {
			return false
		}
		next := best.again()
		change(next)
		s.runs--
		if !s.fails(next.again()) {
			return false
		}
		best = next.trimmed()
		return true
	}
	for i := range best.streams {
		if len(best.streams[i].data) > 0 {
			try(func(t *tape) { t.streams[i].data = nil })
		}
	}
	for before := -1; before != best.wild() && s.runs > 0; {
		before = best.wild()
		for i := range best.streams {
			shrinkStream(i, func() []byte { return best.streams[i].data }, try)
		}
	}
	return best
}

// shrinkStream takes blocks out of a stream or makes them tame, large ones first:
// what is left is tried in smaller ones. data returns what the stream is now.
func shrinkStream(i int, data func() []byte, try func(func(*tape)) bool) {
	replace := func(at, end int, by []byte) bool {
		return try(func(t *tape) {
			t.streams[i].data = slices.Replace(slices.Clone(t.streams[i].data), at, end, by...)
		})
	}
	for size := len(data()); size > 0; size /= 2 {
		for at := 0; at < len(data()); {
			end := min(at+size, len(data()))
			if len(bytes.Trim(data()[at:end], "\x00")) == 0 {
				at = end
				continue
			}
			if size > 2 && replace(at, end, nil) {
				continue // what was behind it stands there now
			}
			replace(at, end, make([]byte, end-at))
			at = end
		}
	}
	for at := 0; at < len(data()); at++ { // what cannot be tame may be small
		for at < len(data()) && data()[at] > 1 && replace(at, at+1, []byte{data()[at] / 2}) {
		}
	}
}
