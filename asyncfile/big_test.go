package asyncfile_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/asyncio-go/asyncio/asyncfile"
)

func TestABigFileIsCopiedInConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("in a short run")
	}
	onLoop(t, func(ctx context.Context, dir string) {
		src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
		f, err := os.Create(src)
		ok(t, err)
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(i * 7)
		}
		size := *copySize >> 20 << 20
		for range min(size, written) >> 20 {
			_, err := f.Write(piece)
			ok(t, err)
		}
		// The rest is a hole but for its end: to write it would take far longer than the copy.
		ok(t, f.Truncate(size))
		_, err = f.WriteAt(piece, size-int64(len(piece)))
		ok(t, err)
		ok(t, f.Close())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := asyncfile.CopyFile(ctx, dst, src)
		runtime.ReadMemStats(&after)
		if n != size || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		// A few kilobytes for each piece, whatever the size of the file.
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20+uint64(n/copyPieces) {
			t.Errorf("the copy of %d bytes has allocated %d", n, took)
		}
		info, err := os.Stat(dst)
		if err != nil || info.Size() != n {
			t.Errorf("%v, %v", info, err)
		}
		to, err := os.Open(dst)
		ok(t, err)
		defer to.Close()
		end := make([]byte, len(piece))
		if _, err := to.ReadAt(end, size-int64(len(end))); err != nil || !bytes.Equal(end, piece) {
			t.Errorf("the end of the copy is another, %v", err)
		}
	})
}

// written is how much of a big file is more than a hole.
const written = 64 << 20

// copyPieces is how many bytes may be copied for each that is allocated.
const copyPieces = 1000
