package h2_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/asyncio-go/asyncio/internal/h2spec"
)

func TestH2specPassesWholeInStrictMode(t *testing.T) {
	spec := h2spec.Path(t)
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "Hello, world!")
	}, func(ctx context.Context, addr string) error {
		return inThread(ctx, func(ctx context.Context) error {
			if out, passed := h2spec.Run(ctx, spec, addr); !passed {
				return fmt.Errorf("h2spec:\n%s", out)
			}
			return nil
		})
	})
}
