package file

import (
	"context"
	"os"

	"github.com/asyncio-go/asyncio"
)

func read(ctx context.Context) error {
	os.ReadFile("x") // want `os.ReadFile blocks the loop; use asyncio.ToThread`
	helper()         // want `file.helper → os.WriteFile blocks`
	return asyncio.Sleep(ctx, 0)
}

func helper() { os.WriteFile("x", nil, 0) }

func fine(ctx context.Context) ([]byte, error) {
	return asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return os.ReadFile("x") })
}
