package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/asynchttp/prometheus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPrometheusIsToldWhatWasCounted(t *testing.T) {
	metrics := new(asynchttp.Metrics)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	mux.Handle("GET /metrics", prometheus.Handler(metrics))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := asyncio.Run(ctx, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: metrics.Handler(mux)}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer srv.Close()
		var text string
		for _, path := range []string{"/notes/1", "/notes/2", "/metrics"} {
			resp, err := asynchttp.Get(ctx, "http://"+addr.String()+path)
			if err != nil {
				return err
			}
			p, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				return err
			}
			text = string(p)
		}
		for _, line := range []string{
			`http_server_requests_total{method="GET",route="GET /notes/{id}",status="200"} 2`,
			`http_server_response_body_bytes_total{method="GET",route="GET /notes/{id}",status="200"} 10`,
			`http_server_request_duration_seconds_bucket{method="GET",route="GET /notes/{id}",status="200",le="+Inf"} 2`,
			`http_server_request_duration_seconds_bucket{method="GET",route="GET /notes/{id}",status="200",le="10"} 2`,
			`http_server_requests_in_flight 1`,
			`# TYPE go_goroutines gauge`,
		} {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("no line %s in\n%s", line, text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// net/http's server may use it, too.
func TestPrometheusIsToldWithoutALoop(t *testing.T) {
	w := httptest.NewRecorder()
	prometheus.Handler(new(asynchttp.Metrics)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "http_server_requests_in_flight 0\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A registry that fails is an answer that says so.
func TestARegistryThatFailsIsTold(t *testing.T) {
	failing := client.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errors.New("it is empty") })
	w := httptest.NewRecorder()
	prometheus.HandlerFor(failing).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "it is empty") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
