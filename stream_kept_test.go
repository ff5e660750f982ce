package asyncio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// What a reader has returned is the caller's: what comes later does not lie in the
// same memory.
func TestLinesThatAreKeptStayAsTheyWere(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		const lines = 2000
		line := func(i int) string { return fmt.Sprintf("%d %s\n", i, strings.Repeat(string(rune('a'+i%26)), 50+i%90)) }
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			for i := range lines {
				if _, err := s.Write([]byte(line(i))); err != nil {
					return err
				}
			}
			return nil
		})
		s := dial(t, ctx, srv.Addr())
		var kept [][]byte
		for i := range lines {
			var p []byte
			var err error
			if i%3 == 0 {
				p, err = s.ReadExactly(ctx, len(line(i)))
			} else {
				p, err = s.ReadUntil(ctx, []byte("\n"))
			}
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, p)
		}
		for i, p := range kept {
			if string(p) != line(i) {
				t.Fatalf("line %d has become %q", i, p)
			}
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestErrorsOfAReaderSayHowMuchHasCome(t *testing.T) {
	for want, err := range map[string]error{
		"asyncio: the stream ended after 3 bytes without the separator":  &asyncio.IncompleteReadError{Partial: []byte("abc"), Expected: -1},
		"asyncio: the stream ended after 3 of 4 bytes":                   &asyncio.IncompleteReadError{Partial: []byte("abc"), Expected: 4},
		"asyncio: the stream ended after 0 of 0 bytes":                   &asyncio.IncompleteReadError{},
		"asyncio: no separator in the first 7 bytes, and the limit is 0": &asyncio.LimitOverrunError{Consumed: 7},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
