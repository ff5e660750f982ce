package crawl_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// TestAFullDiskEndsTheCrawlAndLosesNothing crawls onto a file system that is too
// small, and goes on when it is larger: with the files on it, and with the
// journal.
func TestAFullDiskEndsTheCrawlAndLosesNothing(t *testing.T) {
	for _, journal := range []bool{false, true} {
		full := t.TempDir()
		size := "size=512k"
		if journal {
			size = "size=8k" // one block for the lock's file system, one for the journal
		}
		if err := unix.Mount("tmpfs", full, "tmpfs", 0, size); err != nil {
			t.Skip("no file system can be mounted here: ", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(full, unix.MNT_DETACH) })
		s := newSite(t, 400, 5, false)
		o := options(s, full)
		o.State = t.TempDir()
		if journal {
			o.Directory, o.State = o.State, full
		}
		got := run(t, t.Context(), o)
		if got.code != fetch.WriteFailed || !strings.Contains(got.errs, "no space left on device") || strings.Count(got.errs, "\n") != 1 {
			t.Fatalf("journal %v: %+v", journal, got)
		}
		if err := unix.Mount("tmpfs", full, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
		o.Resume = true
		if got := run(t, t.Context(), o); got.code != 0 {
			t.Fatalf("journal %v: %+v", journal, got)
		}
		checkSite(t, s, o.Directory, o.ParallelHost+2, inFlight)
	}
}
