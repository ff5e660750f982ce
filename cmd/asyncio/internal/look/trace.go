package look

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/internal/simtrace"
)

// A traceSite shows the trace of a simulated world.
type traceSite struct{ page []byte }

// openTrace reads a trace, which is a file whose name ends in .json; nil: arg is none.
func openTrace(arg string) (*traceSite, error) {
	if !strings.HasSuffix(arg, ".json") {
		return nil, nil
	}
	f, err := os.Open(arg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no trace: %w", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := simtrace.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	var page bytes.Buffer
	if err := t.WritePage(&page); err != nil {
		return nil, err
	}
	return &traceSite{page.Bytes()}, nil
}

// ServeHTTP serves the page, which needs nothing else.
func (s *traceSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.page))
}
