package otel_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/asynchttp/otel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collected returns the points of each instrument, by its name and their attributes.
func collected(t *testing.T, reader sdk.Reader) map[string]map[attribute.Distinct]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	by := make(map[string]map[attribute.Distinct]float64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			points := make(map[attribute.Distinct]float64)
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				if d.IsMonotonic == (m.Name == "http.server.active_requests") {
					t.Errorf("%s: %+v", m.Name, d)
				}
				for _, p := range d.DataPoints {
					points[p.Attributes.Equivalent()] = float64(p.Value)
				}
			case metricdata.Sum[float64]:
				for _, p := range d.DataPoints {
					points[p.Attributes.Equivalent()] = p.Value
				}
			default:
				t.Errorf("%s is a %T", m.Name, m.Data)
			}
			by[m.Name] = points
		}
	}
	return by
}

func TestAProviderIsToldWhatWasCounted(t *testing.T) {
	metrics := new(asynchttp.Metrics)
	reader := sdk.NewManualReader()
	r, err := otel.Register(sdk.NewMeterProvider(sdk.WithReader(reader)), metrics)
	if err != nil {
		t.Fatal(err)
	}
	var during map[string]map[attribute.Distinct]float64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes/{id}", func(w http.ResponseWriter, r *http.Request) {
		during = collected(t, reader)
		fmt.Fprint(w, "hello")
	})
	h := metrics.Handler(mux)
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/notes/1", nil))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/pot", nil))
	metrics.Note(&asynchttp.Observation{Request: httptest.NewRequest("PUT", "/slow", nil), Route: "PUT /slow", Status: 204, Duration: 70 * time.Millisecond})
	metrics.Note(&asynchttp.Observation{Request: httptest.NewRequest("PUT", "/slow", nil), Route: "PUT /slow", Status: 204, Duration: time.Hour})

	none := attribute.NewSet()
	if n := during["http.server.active_requests"][none.Equivalent()]; n != 1 {
		t.Errorf("while a request is answered, %v are", n)
	}
	after := collected(t, reader)
	for _, want := range []struct {
		name, route, method string
		status              int
		le                  string
		value               float64
	}{
		{"http.server.requests", "GET /notes/{id}", "GET", 200, "", 2},
		{"http.server.response.body.bytes", "GET /notes/{id}", "GET", 200, "", 10},
		{"http.server.request.duration.bucket", "GET /notes/{id}", "GET", 200, "+Inf", 2},
		{"http.server.requests", "", "_OTHER", 404, "", 1},
		{"http.server.requests", "PUT /slow", "PUT", 204, "", 2},
		{"http.server.request.duration.sum", "PUT /slow", "PUT", 204, "", 3600.07},
		{"http.server.request.duration.bucket", "PUT /slow", "PUT", 204, "0.05", 0},
		{"http.server.request.duration.bucket", "PUT /slow", "PUT", 204, "0.1", 1},
		{"http.server.request.duration.bucket", "PUT /slow", "PUT", 204, "10", 1},
		{"http.server.request.duration.bucket", "PUT /slow", "PUT", 204, "+Inf", 2},
	} {
		of := []attribute.KeyValue{
			attribute.String("http.route", want.route), attribute.String("http.request.method", want.method), attribute.Int("http.response.status_code", want.status),
		}
		if want.le != "" {
			of = append(of, attribute.String("le", want.le))
		}
		set := attribute.NewSet(of...)
		if got, ok := after[want.name][set.Equivalent()]; !ok || got != want.value {
			t.Errorf("%s of %v is %v, %t; want %v", want.name, of, got, ok, want.value)
		}
	}
	if n := after["http.server.active_requests"][none.Equivalent()]; n != 0 {
		t.Errorf("%v are being answered", n)
	}
	if err := r.Unregister(); err != nil {
		t.Fatal(err)
	}
	if left := collected(t, reader); len(left) > 0 {
		t.Errorf("after Unregister there is %v", left)
	}
}

// refusing is a provider whose meter makes so many instruments, and then no more.
type refusing struct {
	noop.MeterProvider
	left int
}

var errRefused = errors.New("no more")

func (p *refusing) Meter(string, ...metric.MeterOption) metric.Meter {
	return &refusingMeter{provider: p}
}

type refusingMeter struct {
	noop.Meter
	provider *refusing
}

func (m *refusingMeter) refuse() error {
	if m.provider.left--; m.provider.left < 0 {
		return errRefused
	}
	return nil
}

func (m *refusingMeter) Int64ObservableCounter(string, ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	return noop.Int64ObservableCounter{}, m.refuse()
}

func (m *refusingMeter) Float64ObservableCounter(string, ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	return noop.Float64ObservableCounter{}, m.refuse()
}

func (m *refusingMeter) Int64ObservableUpDownCounter(string, ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return noop.Int64ObservableUpDownCounter{}, m.refuse()
}

func (m *refusingMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return noop.Registration{}, m.refuse()
}

func TestWhatAProviderRefusesIsReported(t *testing.T) {
	for n := range 6 {
		if r, err := otel.Register(&refusing{left: n}, new(asynchttp.Metrics)); !errors.Is(err, errRefused) || r != nil {
			t.Errorf("after %d: %v, %v", n, r, err)
		}
	}
	if _, err := otel.Register(&refusing{left: 6}, new(asynchttp.Metrics)); err != nil {
		t.Error(err)
	}
}
