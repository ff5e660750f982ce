package asyncfile_test

import (
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
		for range *copySize >> 20 {
			_, err := f.Write(piece)
			ok(t, err)
		}
		ok(t, f.Close())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := asyncfile.CopyFile(ctx, dst, src)
		runtime.ReadMemStats(&after)
		if n != *copySize>>20<<20 || err != nil {
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
	})
}

// copyPieces is how many bytes may be copied for each that is allocated.
const copyPieces = 1000
