package insight

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

// writeHistogram writes every second bucket: a factor of four is as much as a graph needs.
func writeHistogram(b *bytes.Buffer, s Sample) {
	var count uint64
	var sum float64
	h := s.Histogram
	for i, n := range h.Counts {
		count += n
		low, high := h.Buckets[i], h.Buckets[i+1]
		if math.IsInf(high, 1) {
			high = low
		}
		sum += float64(n) * (low + high) / 2
		if i%2 == 1 && i < len(h.Counts)-1 {
			le := Label{"le", strconv.FormatFloat(high, 'g', -1, 64)}
			writeSample(b, s.Name+"_bucket", append(slices.Clone(s.Labels), le), float64(count))
		}
	}
	writeSample(b, s.Name+"_bucket", append(slices.Clone(s.Labels), Label{"le", "+Inf"}), float64(count))
	writeSample(b, s.Name+"_sum", s.Labels, sum)
	writeSample(b, s.Name+"_count", s.Labels, float64(count))
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
