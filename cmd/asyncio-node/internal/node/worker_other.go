//go:build !unix

package node

import "github.com/asyncio-go/asyncio"

func workerOptions() []asyncio.ProcessOption { return nil }
