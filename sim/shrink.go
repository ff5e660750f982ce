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

// shrinkStream makes blocks of a stream tame, large ones first: what is left is
// tried in smaller ones. data returns what the stream is now.
func shrinkStream(i int, data func() []byte, try func(func(*tape)) bool) {
	for size := len(data()); size > 0; size /= 2 {
		for at := 0; at < len(data()); at += size {
			end := min(at+size, len(data()))
			if len(bytes.Trim(data()[at:end], "\x00")) == 0 {
				continue
			}
			try(func(t *tape) {
				p := slices.Clone(t.streams[i].data)
				clear(p[at:end])
				t.streams[i].data = p
			})
		}
	}
	for at := 0; at < len(data()); at++ { // what cannot be tame may be small
		for at < len(data()) && data()[at] > 1 && try(func(t *tape) {
			p := slices.Clone(t.streams[i].data)
			p[at] /= 2
			t.streams[i].data = p
		}) {
		}
	}
}
