// Package otel tells OpenTelemetry what package insight measures of the loops of this
// process. It is a package of its own so that nobody else depends on OpenTelemetry, and
// needs of that the interfaces alone.
//
//	registration, err := otel.Register(provider)
//	if err != nil {
//		return err
//	}
//	defer registration.Unregister()
package otel

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/asyncio-go/asyncio/insight"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// scope is the name of the meter.
const scope = "github.com/asyncio-go/asyncio/insight"

// Register has the loops looked into whenever the provider collects, until the
// registration is taken back. What [insight.Read] calls asyncio_busy_seconds_total is the
// counter asyncio.busy here, in seconds, with the same attributes.
//
// OpenTelemetry observes no histograms, so those of insight are counters by their upper
// bounds in seconds, as Prometheus has them: asyncio.step.bucket with the attribute le,
// of which "+Inf" counts all.
//
// It may be called in any goroutine. A collection costs what insight.Read costs, and must
// not be made on a loop, which could not answer; a provider's reader makes it in a
// goroutine of its own. The error is the provider's.
func Register(provider metric.MeterProvider) (metric.Registration, error) {
	meter := provider.Meter(scope)
	known := make(map[string]metric.Float64Observable)
	var all []metric.Observable
	for _, d := range insight.Descriptions() {
		i, err := instrument(meter, d)
		if err != nil {
			return nil, fmt.Errorf("otel: %s: %w", d.Name, err)
		}
		known[d.Name] = i
		all = append(all, i)
	}
	r, err := meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		for _, s := range insight.Read(ctx) {
			observe(to, known[s.Name], s)
		}
		return ctx.Err()
	}, all...)
	if err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	return r, nil
}

// instrument makes the instrument of a description.
func instrument(m metric.Meter, d insight.Sample) (metric.Float64Observable, error) {
	name, unit := strings.TrimSuffix(d.Name, "_total"), "1"
	if s, ok := strings.CutSuffix(name, "_seconds"); ok {
		name, unit = s, "s"
	}
	name = strings.Replace(name, "_", ".", 1)
	switch {
	case d.Histogram != nil:
		return m.Float64ObservableCounter(name+".bucket", metric.WithDescription(d.Help))
	case d.Cumulative:
		return m.Float64ObservableCounter(name, metric.WithDescription(d.Help), metric.WithUnit(unit))
	}
	return m.Float64ObservableGauge(name, metric.WithDescription(d.Help), metric.WithUnit(unit))
}

func observe(to metric.Observer, i metric.Float64Observable, s insight.Sample) {
	attributes := make([]attribute.KeyValue, len(s.Labels), len(s.Labels)+1)
	for i, l := range s.Labels {
		attributes[i] = attribute.String(l.Name, l.Value)
	}
	if s.Histogram == nil {
		to.ObserveFloat64(i, s.Value, metric.WithAttributes(attributes...))
		return
	}
	for bound, below := range insightwire.Buckets(s.Histogram) {
		le := attribute.String("le", strconv.FormatFloat(bound, 'g', -1, 64))
		to.ObserveFloat64(i, float64(below), metric.WithAttributes(append(attributes, le)...))
	}
}
