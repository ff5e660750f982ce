package otel_test

import (
	"context"
	"math"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/insight"
	"github.com/asyncio-go/asyncio/insight/otel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collected returns what a reader has collected, by name.
func collected(t *testing.T, reader sdk.Reader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	by := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			by[m.Name] = m
		}
	}
	return by
}

// value returns the point of a loop.
func value(t *testing.T, m metricdata.Metrics, loop uint64, more ...attribute.KeyValue) float64 {
	t.Helper()
	var points []metricdata.DataPoint[float64]
	switch d := m.Data.(type) {
	case metricdata.Gauge[float64]:
		points = d.DataPoints
	case metricdata.Sum[float64]:
		if !d.IsMonotonic || d.Temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s: %+v", m.Name, d)
		}
		points = d.DataPoints
	default:
		t.Fatalf("%s is a %T", m.Name, m.Data)
	}
	want := attribute.NewSet(append(more, attribute.String("loop", strconv.FormatUint(loop, 10)))...)
	for _, p := range points {
		if p.Attributes.Equals(&want) {
			return p.Value
		}
	}
	t.Errorf("%s has no point of loop %d: %+v", m.Name, loop, points)
	return math.NaN()
}

func TestAProviderIsToldWhatIsMeasuredOfTheLoops(t *testing.T) {
	before := asyncio.Insight()
	asyncio.SetInsight(asyncio.InsightOn)
	defer asyncio.SetInsight(before)
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	r, err := otel.Register(provider)
	if err != nil {
		t.Fatal(err)
	}
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		sleep := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
		tasks := []asyncio.Awaitable{asyncio.Go(ctx, sleep), asyncio.Go(ctx, sleep)}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		got, err := asyncio.ToThread(ctx, func(context.Context) (map[string]metricdata.Metrics, error) { return collected(t, reader), nil })
		if err != nil {
			return err
		}
		for name, want := range map[string]float64{"asyncio.tasks": 3, "asyncio.loop_responsive": 1, "asyncio.jobs": 1, "asyncio.tasks_made": 3} {
			if v := value(t, got[name], l.ID()); v != want {
				t.Errorf("%s is %v, want %v", name, v, want)
			}
		}
		if m := got["asyncio.idle"]; m.Unit != "s" || m.Description == "" || !(value(t, m, l.ID()) >= 0) {
			t.Errorf("%+v", m)
		}
		if v := value(t, got["asyncio.executor_running"], l.ID(), attribute.String("kind", "threads")); v != 1 {
			t.Errorf("%v jobs run", v)
		}
		all := value(t, got["asyncio.turn.bucket"], l.ID(), attribute.String("le", "+Inf"))
		some := value(t, got["asyncio.turn.bucket"], l.ID(), attribute.String("le", strconv.FormatFloat(128e-9*2, 'g', -1, 64)))
		if !(all > 0 && some >= 0 && some <= all) {
			t.Errorf("%v turns, %v of them short", all, some)
		}
		for _, task := range tasks {
			task.Cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Unregister(); err != nil {
		t.Error(err)
	}
	if got := collected(t, reader); len(got) > 0 {
		t.Errorf("after the end it is told of %v", got)
	}
	if err := provider.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// What insight.Read returns and has no description would be lost.
func TestEachSampleHasADescription(t *testing.T) {
	known := make(map[string]insight.Sample)
	for _, d := range insight.Descriptions() {
		known[d.Name] = d
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			for _, s := range insight.Read(ctx) {
				d, ok := known[s.Name]
				if !ok || d.Help != s.Help || d.Cumulative != s.Cumulative || (d.Histogram == nil) != (s.Histogram == (*metrics.Float64Histogram)(nil)) {
					t.Errorf("%s: %+v", s.Name, d)
				}
			}
			return 0, nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
