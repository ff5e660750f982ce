package insight

import (
	"bytes"
	"math"
	"net/http"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

func (w *window) serveMetrics(out http.ResponseWriter, r *http.Request) error {
	out.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = out.Write(prometheus(w.samples(r.Context())))
	return nil
}

// prometheus writes samples in Prometheus' text format, version 0.0.4. Samples of one
// name must follow each other there.
func prometheus(samples []Sample) []byte {
	samples = slices.Clone(samples)
	order := make(map[string]int)
	for _, s := range samples {
		if _, ok := order[s.Name]; !ok {
			order[s.Name] = len(order)
		}
	}
	slices.SortStableFunc(samples, func(a, b Sample) int { return order[a.Name] - order[b.Name] })
	var b bytes.Buffer
	last := ""
	for _, s := range samples {
		if s.Name != last {
			last = s.Name
			b.WriteString("# HELP " + s.Name + " " + s.Help)
			if s.Histogram != nil {
				b.WriteString(" The sum is estimated from the buckets.")
			}
			b.WriteString("\n# TYPE " + s.Name + " " + s.kind() + "\n")
		}
		if s.Histogram == nil {
			writeSample(&b, s.Name, s.Labels, s.Value)
		} else {
			writeHistogram(&b, s)
		}
	}
	return b.Bytes()
}

func (s *Sample) kind() string {
	switch {
	case s.Histogram != nil:
		return "histogram"
	case s.Cumulative:
		return "counter"
	}
	return "gauge"
}

func writeHistogram(b *bytes.Buffer, s Sample) {
	var count uint64
	for bound, below := range insightwire.Buckets(s.Histogram) {
		le := Label{"le", strconv.FormatFloat(bound, 'g', -1, 64)}
		writeSample(b, s.Name+"_bucket", append(slices.Clone(s.Labels), le), float64(below))
		count = below
	}
	writeSample(b, s.Name+"_sum", s.Labels, estimatedSum(s.Histogram))
	writeSample(b, s.Name+"_count", s.Labels, float64(count))
}

// estimatedSum returns the sum of what was counted, as if all had been in the middle of
// its bucket.
func estimatedSum(h *metrics.Float64Histogram) (sum float64) {
	for i, n := range h.Counts {
		low, high := h.Buckets[i], h.Buckets[i+1]
		if math.IsInf(high, 1) {
			high = low
		}
		sum += float64(n) * (low + high) / 2
	}
	return sum
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func writeSample(b *bytes.Buffer, name string, labels []Label, value float64) {
	b.WriteString(name)
	for i, l := range labels {
		if i == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(l.Name + `="`)
		_, _ = escapeLabel.WriteString(b, l.Value)
		b.WriteByte('"')
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}
