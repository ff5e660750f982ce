package insightwire

import (
	"iter"
	"runtime/metrics"
)

// Buckets returns the upper bounds of a histogram, the last of which is infinite, and how
// many lie below each. It is every second bound of those that loops count by: a factor of
// four is as much as a graph needs.
func Buckets(h *metrics.Float64Histogram) iter.Seq2[float64, uint64] {
	return func(yield func(bound float64, below uint64) bool) {
		below := uint64(0)
		for i, n := range h.Counts {
			below += n
			if (i%2 == 1 || i == len(h.Counts)-1) && !yield(h.Buckets[i+1], below) {
				return
			}
		}
	}
}
