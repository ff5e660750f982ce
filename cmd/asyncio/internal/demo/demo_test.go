package demo_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllPagesComeAtOnce(t *testing.T) {
	for name, opts := range map[string][]asyncio.Option{"default": nil, "portable": {asyncio.WithPortableDriver()}} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			r, err := asyncio.RunValue(t.Context(), func(ctx context.Context) (*demo.Report, error) {
				return demo.Run(ctx, 60, func(done int) {
					if calls++; done != calls {
						t.Errorf("progress %d at call %d", done, calls)
					}
				})
			}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if r.Pages != 60 || calls != 60 || r.Bytes == 0 || r.OneByOne < 20*time.Second || r.Took > r.OneByOne/2 {
				t.Fatalf("%+v", r)
			}
		})
	}
}
