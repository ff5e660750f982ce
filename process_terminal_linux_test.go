package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestSizeOfATerminalIsFromNothingTo65535(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, `read x; stty size; read x`, asyncio.WithTerminal(0, 0))
		for _, size := range [][2]int{{-1, 5}, {5, -1}, {1 << 16, 5}, {5, 1 << 16}} {
			if err := p.SetTerminalSize(size[0], size[1]); !errors.Is(err, fs.ErrInvalid) ||
				!strings.Contains(err.Error(), fmt.Sprintf("%d columns and %d rows", size[0], size[1])) {
				t.Errorf("%v: %v", size, err)
			}
		}
		for _, size := range [][2]int{{0, 5}, {5, 0}, {1<<16 - 1, 1<<16 - 1}, {7, 9}} {
			if err := p.SetTerminalSize(size[0], size[1]); err != nil {
				t.Errorf("%v: %v", size, err)
			}
		}
		p.Stdin.Write([]byte("go\n"))
		p.Stdout.ReadLine(ctx) // the echo
		if line, err := p.Stdout.ReadLine(ctx); strings.TrimSpace(string(line)) != "9 7" || err != nil {
			t.Errorf("rows and columns are %q, %v", line, err)
		}
		p.Stdin.Write([]byte("end\n"))
		p.Stdout.ReadAll(ctx)
		p.Wait(ctx)
	})
}
