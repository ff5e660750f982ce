package asynchttp

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A MetricsSource tells what was counted. [Metrics] is one; packages
// asynchttp/prometheus and asynchttp/otel read one.
type MetricsSource interface {
	// Routes returns what was counted, by route, method and status.
	Routes() []RouteMetrics

	// InFlight returns how many requests are being answered.
	InFlight() int64
}

// RouteMetrics is what was counted of the requests with the same route, method and
// status.
type RouteMetrics struct {
	Route  string // as in [Observation]
	Method string // "other" for one that HTTP does not define
	Status int    // as in [Observation]
	Count  uint64 // of requests
	Bytes  uint64 // of bodies of responses

	// Latency says how long the handlers took: Latency[i] is how many took no
	// longer than [LatencyBounds][i], and longer than the one before.
	Latency  []uint64
	Duration time.Duration // of all together
}

// LatencyBounds are the upper bounds of the histograms, those of Prometheus. What
// took longer is counted in no bucket.
var LatencyBounds = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Metrics counts requests. The zero value is ready for use, and several loops may
// share one.
//
//	metrics := new(asynchttp.Metrics)
//	server := &asynchttp.Server{Handler: metrics.Handler(mux)}
//
// It takes memory for each route, method and status that has come, not for each
// path.
type Metrics struct {
	inFlight atomic.Int64
	mu       sync.Mutex // held for no longer than it takes to count
	routes   map[routeKey]*RouteMetrics
}

type routeKey struct {
	route, method string
	status        int
}

var _ MetricsSource = (*Metrics)(nil)

// Handler returns a handler that serves by h, and counts.
func (m *Metrics) Handler(h http.Handler) http.Handler {
	observed := Observe(h, m.Note)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Add(1)
		defer m.inFlight.Add(-1)
		observed.ServeHTTP(w, r)
	})
}

// Note counts a request. It is for any goroutine, and does not wait.
func (m *Metrics) Note(o *Observation) {
	k := routeKey{o.Route, knownMethod(o.Request.Method), o.Status}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.routes[k]
	if c == nil {
		if m.routes == nil {
			m.routes = map[routeKey]*RouteMetrics{}
		}
		c = &RouteMetrics{Route: k.route, Method: k.method, Status: k.status, Latency: make([]uint64, len(LatencyBounds))}
		m.routes[k] = c
	}
	c.Count++
	c.Bytes += uint64(o.Bytes)
	c.Duration += o.Duration
	if i, _ := slices.BinarySearch(LatencyBounds, o.Duration); i < len(c.Latency) {
		c.Latency[i]++
	}
}

// knownMethod returns the method, or "other": clients choose them.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// Routes implements [MetricsSource], sorted. It is for any goroutine.
func (m *Metrics) Routes() []RouteMetrics {
	m.mu.Lock()
	all := make([]RouteMetrics, 0, len(m.routes))
	for _, c := range m.routes {
		one := *c
		one.Latency = slices.Clone(c.Latency)
		all = append(all, one)
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b RouteMetrics) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status))
	})
	return all
}

// InFlight implements [MetricsSource]. It is for any goroutine.
func (m *Metrics) InFlight() int64 { return m.inFlight.Load() }
