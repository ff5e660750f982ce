package transport

import (
	"context"
	"net/http"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// A client whose transport is set later may be the loop's.
func setLater(ctx context.Context) error {
	c := &http.Client{}
	c.Transport = &asynchttp.Transport{}
	if _, err := c.Get("http://localhost/"); err != nil {
		return err
	}
	return asyncio.Sleep(ctx, 0)
}
