// Package filehead sends a file with what stands before it, and a small one in the
// same packets: the header of a response, and the file. The peer is then woken
// once, which is worth more than all else about a small file. It is a door from
// package asyncio to asynchttp, and not for users.
package filehead

import (
	"context"
	"os"
)

// Send writes head on the stream, an *asyncio.Stream, and sends count bytes of
// the file from offset on, as its Sendfile does. It returns the number of bytes
// of the file.
//
// Package asyncio sets it when the first stream is made.
var Send func(ctx context.Context, stream any, head []byte, f *os.File, offset, count int64) (int64, error)
