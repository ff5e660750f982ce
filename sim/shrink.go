package sim

import (
	"bytes"
	"slices"
)

// A shrinker looks for a tape that fails in the same way and has fewer choices that are
// not tame.
type shrinker struct {
	runs  int                // that are left
	share int                // of runs, as many as are not for the search that goes on
	fails func(t *tape) bool // runs a world with a tape, which is then written
	thin  uint64             // the seed of the next thin tape
}

// few is how many choices that are not tame a person can think about: with no more of
// them, no others are looked for.
const few = 10

// shrink returns the best that it has found.
//
// A tape can be made smaller step by step only as long as each step still fails, and
// what is left then may be more than the failure needs: to change one choice is to move
// all that come after it. A tape that fails and was thin from the beginning leads
// elsewhere. So no tape is given more than a part of the runs, and many are tried.
func (s *shrinker) shrink(t *tape) *tape {
	best := s.reduce(t, s.runs/3)
	for best.wild() > few {
		thin := s.findThin(4 * best.wild())
		if thin == nil {
			break
		}
		if thin = s.reduce(thin, max(s.runs/4, 50)); thin.wild() < best.wild() {
			best = thin
		}
	}
	return best
}

// findThin looks for a tape that fails and has fewer choices than so many that are not
// tame.
func (s *shrinker) findThin(most int) *tape {
	for s.runs > 0 {
		s.runs--
		s.thin++
		if t := thinTape(s.thin); s.fails(t) && t.wild() < most {
			return t.trimmed()
		}
	}
	return nil
}

// reduce makes a tape smaller step by step, in so many runs.
func (s *shrinker) reduce(t *tape, runs int) *tape {
	best := t.trimmed()
	s.share = s.runs - runs
	try := func(change func(*tape)) bool {
		if s.over() {
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
	for before := -1; before != best.wild() && !s.over(); {
		before = best.wild()
		for i := range best.streams {
			shrinkStream(i, func() []byte { return best.streams[i].data }, try)
		}
	}
	return best
}

// over reports whether what is searched has had its runs.
func (s *shrinker) over() bool { return s.runs <= max(s.share, 0) }

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
