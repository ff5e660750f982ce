package asyncio_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestPipeThatCannotBeWaitedForSaysSo(t *testing.T) {
	runOn(t, asyncio.WithSystemDriver(), func(t *testing.T, ctx context.Context) {
		base := func() asyncio.Protocol { return asyncio.BaseProtocol{} }
		null := must(os.OpenFile(os.DevNull, os.O_RDWR, 0))
		_, _, err := loopOf(ctx).ConnectReadPipe(ctx, base, null)
		if err == nil || !strings.Contains(err.Error(), "always ready") || !strings.Contains(err.Error(), os.DevNull) {
			t.Errorf("it gave %v", err)
		}
	})
}
