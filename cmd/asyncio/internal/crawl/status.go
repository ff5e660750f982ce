package crawl

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/journal"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// Status is how far a crawl is, by its journal.
type Status struct {
	Counts
	Running bool  // a process has the journal
	Size    int64 // of the journal, in bytes
}

// ReadStatus reads the journal of a state directory, whose crawl may be running.
// It changes nothing there.
func ReadStatus(dir string) (*Status, error) {
	f, err := os.Open(filepath.Join(dir, journal.FileName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Status{Running: journal.InUse(dir)}
	known, p := 0, replay{targets: map[uint64]string{}}
	s.Size, err = journal.Scan(f, func(record []byte) error {
		n, err := countRecord(record, &s.Counts)
		if known += n; err != nil {
			return err
		}
		return p.read(record)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	s.Saved += p.counts.Saved
	s.Redirected += p.counts.Redirected
	s.Ended += p.counts.Ended
	s.Bytes += p.counts.Bytes
	s.Pending = known - p.counts.Saved - p.counts.Redirected - p.counts.Ended
	return s, nil
}

func (s *Status) String() string {
	how := "not running"
	if s.Running {
		how = "running"
	}
	return fmt.Sprintf("%8d saved, %s\n%8d redirected\n%8d not saved\n%8d left to do\n%s, a journal of %s\n",
		s.Saved, fetch.SizeText(s.Bytes), s.Redirected, s.Ended, s.Pending, how, fetch.SizeText(s.Size))
}
