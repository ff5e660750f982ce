// Package otel tells OpenTelemetry what an [asynchttp.Metrics] has counted. It is a
// package of its own so that nobody else depends on OpenTelemetry, and needs of that the
// interfaces alone. Package insight/otel does the same for the loops.
//
//	metrics := new(asynchttp.Metrics)
//	registration, err := otel.Register(provider, metrics)
//	if err != nil {
//		return err
//	}
//	defer registration.Unregister()
//	server := &asynchttp.Server{Handler: metrics.Handler(mux)}
package otel

import (
	"context"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// scope is the name of the meter.
const scope = "github.com/asyncio-go/asyncio/asynchttp"

// Register has the source read whenever the provider collects, until the registration is
// taken back. Attributes are named as OpenTelemetry's conventions for HTTP name them:
// http.route, http.request.method, http.response.status_code. The instruments are
//
//   - http.server.requests: the requests that were answered;
//   - http.server.response.body.bytes: the bytes of their bodies;
//   - http.server.request.duration.sum: how long handlers took together, in seconds;
//   - http.server.request.duration.bucket: how many of them took no longer than the
//     attribute le, in seconds, of which "+Inf" counts all;
//   - http.server.active_requests: the requests that are being answered.
//
// OpenTelemetry observes no histograms, so theirs are counters by their upper bounds, as
// Prometheus has them.
//
// It may be called in any goroutine. A collection costs a copy of what was counted and
// waits for no loop. The error is the provider's.
func Register(provider metric.MeterProvider, source asynchttp.MetricsSource) (metric.Registration, error) {
	var i instruments
	meter := provider.Meter(scope)
	if err := i.make(meter); err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	r, err := meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		i.observe(to, source)
		return nil
	}, i.requests, i.bytes, i.sum, i.bucket, i.active)
	if err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	return r, nil
}

type instruments struct {
	requests, bytes, bucket metric.Int64ObservableCounter
	sum                     metric.Float64ObservableCounter
	active                  metric.Int64ObservableUpDownCounter
}

func (i *instruments) make(m metric.Meter) (err error) {
	for _, c := range []struct {
		to                *metric.Int64ObservableCounter
		name, unit, about string
	}{
		{&i.requests, "http.server.requests", "{request}", "Requests that were answered."},
		{&i.bytes, "http.server.response.body.bytes", "By", "Bytes of the bodies of responses."},
		{&i.bucket, "http.server.request.duration.bucket", "{request}", "Requests whose handlers took no longer than le, in seconds."},
	} {
		if *c.to, err = m.Int64ObservableCounter(c.name, metric.WithUnit(c.unit), metric.WithDescription(c.about)); err != nil {
			return err
		}
	}
	if i.sum, err = m.Float64ObservableCounter("http.server.request.duration.sum", metric.WithUnit("s"), metric.WithDescription("How long handlers took.")); err != nil {
		return err
	}
	i.active, err = m.Int64ObservableUpDownCounter("http.server.active_requests", metric.WithUnit("{request}"), metric.WithDescription("Requests that are being answered."))
	return err
}

func (i *instruments) observe(to metric.Observer, source asynchttp.MetricsSource) {
	to.ObserveInt64(i.active, source.InFlight())
	for _, r := range source.Routes() {
		of := []attribute.KeyValue{
			attribute.String("http.route", r.Route),
			attribute.String("http.request.method", method(r.Method)),
			attribute.Int("http.response.status_code", r.Status),
		}
		with := metric.WithAttributes(of...)
		to.ObserveInt64(i.requests, int64(r.Count), with)
		to.ObserveInt64(i.bytes, int64(r.Bytes), with)
		to.ObserveFloat64(i.sum, r.Duration.Seconds(), with)
		below := uint64(0)
		for n, count := range r.Latency {
			below += count
			bound := strconv.FormatFloat(asynchttp.LatencyBounds[n].Seconds(), 'g', -1, 64)
			to.ObserveInt64(i.bucket, int64(below), with, metric.WithAttributes(attribute.String("le", bound)))
		}
		to.ObserveInt64(i.bucket, int64(r.Count), with, metric.WithAttributes(attribute.String("le", "+Inf")))
	}
}

// method returns a method as the conventions want it.
func method(name string) string {
	if name == "other" {
		return "_OTHER"
	}
	return name
}
