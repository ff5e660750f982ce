// Package prometheus tells Prometheus what an [asynchttp.Metrics] has counted. It is
// a package of its own so that nobody else depends on its client.
//
//	metrics := new(asynchttp.Metrics)
//	mux.Handle("GET /metrics", prometheus.Handler(metrics))
//	server := &asynchttp.Server{Handler: metrics.Handler(mux)}
package prometheus

import (
	"context"
	"net/http"
	"strconv"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

var (
	requests = client.NewDesc("http_server_requests_total",
		"Requests that were answered.", []string{"route", "method", "status"}, nil)
	bytes = client.NewDesc("http_server_response_body_bytes_total",
		"Bytes of the bodies of responses.", []string{"route", "method", "status"}, nil)
	durations = client.NewDesc("http_server_request_duration_seconds",
		"How long handlers took.", []string{"route", "method", "status"}, nil)
	inFlight = client.NewDesc("http_server_requests_in_flight",
		"Requests that are being answered.", nil, nil)
)

// A collector is a [client.Collector] of a source.
type collector struct{ source asynchttp.MetricsSource }

// NewCollector returns a collector for a registry of one's own.
func NewCollector(source asynchttp.MetricsSource) client.Collector { return collector{source} }

// Describe implements [client.Collector].
func (c collector) Describe(to chan<- *client.Desc) {
	for _, d := range []*client.Desc{requests, bytes, durations, inFlight} {
		to <- d
	}
}

// Collect implements [client.Collector].
func (c collector) Collect(to chan<- client.Metric) {
	for _, r := range c.source.Routes() {
		labels := []string{r.Route, r.Method, strconv.Itoa(r.Status)}
		to <- client.MustNewConstMetric(requests, client.CounterValue, float64(r.Count), labels...)
		to <- client.MustNewConstMetric(bytes, client.CounterValue, float64(r.Bytes), labels...)
		buckets, below := map[float64]uint64{}, uint64(0)
		for i, n := range r.Latency {
			below += n
			buckets[asynchttp.LatencyBounds[i].Seconds()] = below
		}
		to <- client.MustNewConstHistogram(durations, r.Count, r.Duration.Seconds(), buckets, labels...)
	}
	to <- client.MustNewConstMetric(inFlight, client.GaugeValue, float64(c.source.InFlight()))
}

// Handler returns a handler that tells Prometheus what the source has counted, and
// what Go's runtime and the process take.
func Handler(source asynchttp.MetricsSource) http.Handler {
	registry := client.NewRegistry()
	registry.MustRegister(NewCollector(source), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return HandlerFor(registry)
}

// HandlerFor returns a handler for a registry of one's own. On a loop it gathers in
// the executor: a registry starts goroutines and waits for them.
func HandlerFor(registry client.Gatherer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		families, err := gather(r.Context(), registry)
		if asyncio.IsCancelled(err) {
			return // the client has gone
		}
		gathered := client.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, err })
		promhttp.HandlerFor(gathered, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

func gather(ctx context.Context, registry client.Gatherer) ([]*dto.MetricFamily, error) {
	if _, err := asyncio.RunningLoop(ctx); err != nil {
		return registry.Gather() // net/http's server
	}
	return asyncio.ToThread(ctx, func(context.Context) ([]*dto.MetricFamily, error) { return registry.Gather() })
}
