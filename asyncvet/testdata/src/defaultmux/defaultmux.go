package defaultmux

import (
	"context"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func serve(ctx context.Context) error {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(1) // want `time.Sleep blocks`
	})
	return (&asynchttp.Server{ReadTimeout: time.Second}).Serve(ctx, "tcp", ":0")
}

func start() error { return asyncio.Run(context.Background(), serve) }
