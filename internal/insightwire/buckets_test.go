package insightwire_test

import (
	"math"
	"runtime/metrics"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBucketsHaveAllThatWasCounted(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		counts []uint64
		bounds []float64
		below  []uint64
	}{
		{[]uint64{1, 2, 3, 4}, []float64{2, inf}, []uint64{3, 10}},
		{[]uint64{1, 2, 3}, []float64{2, inf}, []uint64{3, 6}},
		{[]uint64{5}, []float64{inf}, []uint64{5}},
	} {
		h := &metrics.Float64Histogram{Counts: c.counts, Buckets: []float64{0}}
		for i := range c.counts[1:] {
			h.Buckets = append(h.Buckets, float64(i+1))
		}
		h.Buckets = append(h.Buckets, inf)
		var bounds []float64
		var below []uint64
		for bound, n := range insightwire.Buckets(h) {
			bounds, below = append(bounds, bound), append(below, n)
		}
		if !slices.Equal(bounds, c.bounds) || !slices.Equal(below, c.below) {
			t.Errorf("%v: %v %v, want %v %v", c.counts, bounds, below, c.bounds, c.below)
		}
		for range insightwire.Buckets(h) {
			break // it may be left
		}
	}
}
