package asyncio

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/hook"
)

// Package cluster runs the functions of RegisterWorker on other machines.
func init() {
	hook.RunWorker = func(ctx context.Context, name string, in []byte) ([]byte, bool, error) {
		registered.mu.Lock()
		body, known := registered.body[name]
		registered.mu.Unlock()
		if !known {
			return nil, false, nil
		}
		out, err := body(ctx, in)
		return out, true, err
	}
}
