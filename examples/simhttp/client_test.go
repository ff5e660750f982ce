package simhttp

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/sim"
)

// TestAPaymentIsMadeOnceThoughTheNetworkFails cuts the network for a while, and
// crashes the server.
func TestAPaymentIsMadeOnceThoughTheNetworkFails(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		ledger := make(Ledger) // the disk of the server
		asked := 0
		server, client := w.Host("server"), w.Host("client")
		server.Serve(func(ctx context.Context) error {
			srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				ledger.ServeHTTP(w, r)
			})}
			return srv.Serve(ctx, "tcp", ":80")
		})
		client.Go(func(ctx context.Context) error {
			tr := &asynchttp.Transport{}
			defer tr.Close()
			err := Pay(ctx, &http.Client{Transport: tr}, "http://server/pay", "one")
			w.Sometimes("the server was asked twice", asked > 1)
			return err
		})
		w.At(time.Duration(w.Pick(50))*time.Millisecond, func() { w.OneWay(server, client).Cut() })
		w.At(3*time.Second, func() { w.Heal(server, client) })
		if w.Chance(0.5) {
			w.At(time.Duration(w.Pick(2000))*time.Millisecond, server.Restart)
		}
		w.Always("at most one payment is made", func() bool { return ledger["one"] <= 1 })
		w.Eventually("the payment is made", time.Minute, func() bool { return ledger["one"] == 1 })
	})
}
