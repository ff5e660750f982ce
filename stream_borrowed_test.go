package asyncio_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// ends connects two streams of the same loop.
func ends(t *testing.T, ctx context.Context, server []asyncio.ServerOption, client []asyncio.ConnOption) (here, there *asyncio.Stream) {
	t.Helper()
	l := listen(t, ctx, server...)
	here = dial(t, ctx, l.Addr(), client...)
	there = must(l.AcceptStream(ctx))
	l.Close()
	return here, there
}

// write is for what is small enough for a test to write it without a wait.
func write(t *testing.T, s *asyncio.Stream, text string) {
	t.Helper()
	if err := s.WriteNowait([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestALineOfAWarmStreamIsOneAllocation(t *testing.T) {
	onEachWarmDriver(t, func(t *testing.T, ctx context.Context) {
		s, end := echoedStream(t, ctx)
		defer end()
		line := []byte("a line\n")
		allocates(t, 1, func() error {
			if _, err := s.Write(line); err != nil {
				return err
			}
			_, err := s.ReadLine(ctx)
			return err
		})
		allocates(t, 1, func() error {
			if _, err := s.Write(line); err != nil {
				return err
			}
			_, err := s.ReadExactly(ctx, len(line))
			return err
		})
	})
}

func TestAReaderThatWaitsOrHasReadAllHoldsNoBuffer(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		here, there := ends(t, ctx, nil, nil)
		reading := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return here.ReadLine(ctx) })
		turns(ctx, 3)
		if here.StreamReader.HoldsBuffer() {
			t.Error("a reader that waits for its first byte holds a buffer")
		}
		write(t, there, "one\n")
		if line, err := reading.Await(ctx); string(line) != "one\n" || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		for name, read := range map[string]func() error{
			"ReadUntil":   func() error { _, err := here.ReadUntil(ctx, []byte("o")); return err },
			"ReadExactly": func() error { _, err := here.ReadExactly(ctx, 2); return err },
			"Read":        func() error { _, err := here.ReadUntil(ctx, []byte("t")); here.Read(make([]byte, 9)); return err },
			"ReadText":    func() error { _, err := here.ReadText(ctx); return err },
			"SkipLine":    func() error { _, err := here.ReadExactly(ctx, 1); here.SkipLine(ctx); return err },
		} {
			text := map[string]string{"ReadUntil": "two", "ReadExactly": "no", "Read": "tail", "SkipLine": "skipped\n", "ReadText": "text\n"}[name]
			write(t, there, text)
			if err := read(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if here.StreamReader.HoldsBuffer() {
				t.Errorf("after %s that has read all, the reader holds a buffer", name)
			}
		}
		here.Abort()
		there.Abort()
	})
}

func TestALineOfLinesStaysAsItIsUntilTheNextIsAskedFor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		here, there := ends(t, ctx, nil, nil)
		other, others := ends(t, ctx, nil, nil)
		write(t, there, "kept\n")
		for line, err := range here.Lines(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			write(t, others, strings.Repeat("x", 100)+"\n")
			if _, err := other.ReadLine(ctx); err != nil {
				t.Fatal(err)
			}
			if string(line) != "kept\n" {
				t.Fatalf("the line has become %q", line)
			}
			there.Close()
		}
		here.Abort()
		other.Abort()
		others.Abort()
	})
}

func TestABufferIsNotLentWhileATaskWaitsToReadIntoIt(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			here, there := ends(t, ctx, server, client)
			other, others := ends(t, ctx, nil, nil)
			write(t, there, "abcd")
			exactly := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return here.ReadExactly(ctx, 10) })
			for here.StreamReader.Buffered() == 0 {
				turns(ctx, 1)
			}
			four := make([]byte, 4)
			if _, err := io.ReadFull(here, four); string(four) != "abcd" || err != nil {
				t.Fatalf("%s: got %q, %v", name, four, err)
			}
			line := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return other.ReadLine(ctx) })
			write(t, others, strings.Repeat("x", 100))
			for other.StreamReader.Buffered() == 0 {
				turns(ctx, 1)
			}
			write(t, there, "0123456789")
			if got, err := exactly.Await(ctx); string(got) != "0123456789" || err != nil {
				t.Errorf("%s: ReadExactly returned %q, %v", name, got, err)
			}
			write(t, others, "\n")
			if got, err := line.Await(ctx); string(got) != strings.Repeat("x", 100)+"\n" || err != nil {
				t.Errorf("%s: the line of another stream is %q, %v", name, got, err)
			}
			for _, s := range []*asyncio.Stream{here, there, other, others} {
				s.Abort()
			}
		})
	})
}

func TestReadExactlyOfAnySizeIsWhatWasWritten(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		here, there := ends(t, ctx, nil, nil)
		for _, n := range []int{1, 4095, 4096, 4097, 16 << 10, 64 << 10, 64<<10 + 1, 200 << 10} {
			sent := bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]
			writing := asyncio.CreateTask(ctx, func(context.Context) (int, error) { return there.Write(append(sent, "rest"...)) })
			got, err := here.ReadExactly(ctx, n)
			if !bytes.Equal(got, sent) || err != nil {
				t.Fatalf("ReadExactly(%d) returned %d other bytes, %v", n, len(got), err)
			}
			if rest, err := here.ReadExactly(ctx, 4); string(rest) != "rest" || err != nil {
				t.Fatalf("after %d bytes came %q, %v", n, rest, err)
			}
			if !bytes.Equal(got, sent) {
				t.Fatalf("what ReadExactly(%d) has returned has changed", n)
			}
			if _, err := writing.Await(ctx); err != nil {
				t.Fatal(err)
			}
		}
		here.Abort()
		there.Abort()
	})
}
