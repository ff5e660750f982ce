package file

import (
	"context"
	"os"

	"checked/wrap"

	"example.com/other"
	"github.com/asyncio-go/asyncio"
)

func read(ctx context.Context) error {
	os.ReadFile("x") // want `os.ReadFile blocks the loop; use asyncio.ToThread`
	helper()         // want `file.helper → os.WriteFile blocks`
	wrap.Load("x")   // want `wrap.Load → net.Dial blocks the loop; use asyncio.OpenConnection, or asyncio.ToThread \(blocking\)` `wrap.Load → os.ReadFile blocks .*\(file\)`
	other.Read()
	return asyncio.Sleep(ctx, 0)
}

func helper() { os.WriteFile("x", nil, 0) }

func fine(ctx context.Context) ([]byte, error) {
	return asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return os.ReadFile("x") })
}
