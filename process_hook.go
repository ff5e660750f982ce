package asyncio

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/hook"
)

// Package cluster runs the functions of RegisterWorker on other machines.
func init() {
	body := func(name string) workerBody {
		registered.mu.Lock()
		defer registered.mu.Unlock()
		return registered.body[name]
	}
	hook.HasWorker = func(name string) bool { return body(name) != nil }
	hook.RunWorker = func(ctx context.Context, name string, in []byte) ([]byte, error) {
		return body(name)(ctx, in)
	}
}
