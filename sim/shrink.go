package sim

import (
	"bytes"
	"slices"
)

// shrink looks for a tape with fewer choices that are not tame for which fails is
// true, as it is for t. It asks at most so many times.
func shrink(t *tape, runs int, fails func(*tape) bool) *tape {
	best := t.trimmed()
	try := func(change func(*tape)) bool {
		if runs <= 0 {
			return false
		}
		next := best.again()
		change(next)
		runs--
		if !fails(next) {
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
	for before := -1; before != best.wild() && runs > 0; {
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
