package insight

import (
	"os"
	"os/signal"
	"testing"

	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

func TestServeByHand(t *testing.T) {
	if os.Getenv("SERVE") == "" {
		t.Skip()
	}
	w := fakes(samples.Program(), samples.Hung(), samples.Deadlock())
	if os.Getenv("SERVE") == "many" {
		w = fakes(samples.Many(10000, 1e9))
	}
	startServer(t, w, WithDirectory(insightwire.Directory()))
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	<-c
}
