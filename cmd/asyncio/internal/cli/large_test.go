package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

// TestAGibibyteTakesConstantMemory counts all that is allocated on the way:
// if any of it were for each part of the body, it would add up.
func TestAGibibyteTakesConstantMemory(t *testing.T) {
	block := noise(1 << 20)
	u := newRawSite(t, func(path string, c *net.TCPConn, _ <-chan struct{}) {
		size, err := strconv.ParseInt(path, 10, 64)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		for left := size; left > 0; left -= int64(len(block)) {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	for name, args := range map[string][]string{
		"standard output": {},
		"file":            {"-o", filepath.Join(t.TempDir(), "file")},
		"null device":     {"-o", os.DevNull},
	} {
		t.Run(name, func(t *testing.T) {
			size := int64(1 << 30)
			if testing.Short() || name == "file" { // a disk takes its time
				size = 128 << 20
			}
			out := &checker{want: block}
			var errs bytes.Buffer
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			code := cli.Run(t.Context(), append([]string{"fetch", "-sS", fmt.Sprintf("%s/%d", u, size)}, args...), strings.NewReader(""), out, &errs)
			runtime.ReadMemStats(&after)
			if code != 0 {
				t.Fatal(code, errs.String())
			}
			switch name {
			case "standard output":
				if out.n != size || out.differs {
					t.Errorf("%d bytes came, differing: %v", out.n, out.differs)
				}
			case "file":
				compare(t, args[1], block, size)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
}

// checker checks that what is written to it is one block again and again.
type checker struct {
	want    []byte
	n       int64
	differs bool
}

func (c *checker) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part := c.want[c.n%int64(len(c.want)):]
		part = part[:min(len(part), len(rest))]
		c.differs = c.differs || !bytes.Equal(part, rest[:len(part)])
		c.n += int64(len(part))
		rest = rest[len(part):]
	}
	return len(p), nil
}

func compare(t *testing.T, path string, block []byte, size int64) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &checker{want: block}
	if _, err := io.Copy(c, f); err != nil || c.n != size || c.differs {
		t.Errorf("%d bytes were saved, differing: %v, %v", c.n, c.differs, err)
	}
}
