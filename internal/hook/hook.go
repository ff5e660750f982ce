// Package hook hands the public packages of this module the verbs of the root
// package that they need and nobody else should. The root package sets them when
// it is initialised.
package hook

import "context"

// RunWorker runs a function that was registered by asyncio.RegisterWorker, with
// its argument and result encoded as package gobvalue does. A panic of the
// function becomes a *asyncio.PanicError. For any goroutine.
var RunWorker func(ctx context.Context, name string, in []byte) (out []byte, err error)

// HasWorker reports whether there is a function of that name. For any goroutine.
var HasWorker func(name string) bool
