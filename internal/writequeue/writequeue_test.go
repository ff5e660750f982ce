package writequeue_test

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
	"weak"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/writequeue"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A narrow is a connection that takes room bytes and is full then, or broken.
type narrow struct {
	driver.Conn
	room   int
	broken error
	got    []byte
	writes int // calls
}

func (c *narrow) Write(p []byte) (int, error) { return c.Writev([][]byte{p}) }

func (c *narrow) Writev(bufs [][]byte) (int, error) {
	c.writes++
	total, taken := 0, 0
	for _, p := range bufs {
		n := min(len(p), c.room)
		c.got = append(c.got, p[:n]...)
		c.room -= n
		taken += n
		total += len(p)
	}
	switch {
	case taken == total:
		return taken, nil
	case c.broken != nil:
		return taken, c.broken
	case taken > 0:
		return taken, nil
	}
	return 0, driver.ErrWouldBlock
}

func TestQueueKeepsEveryByteInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var queues [2]writequeue.Queue
		var want [2][]byte
		conn := &narrow{}
		next := byte(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "queue")
			q := &queues[i]
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0, 1, 2:
				p := make([]byte, rapid.SampledFrom([]int{0, 1, 100, 5000, 16 << 10, 40 << 10}).Draw(t, "size"))
				for k := range p {
					next++
					p[k] = next ^ byte(k>>8)
				}
				q.Push(p)
				want[i] = append(want[i], p...)
				clear(p) // the queue has a copy
			case 3:
				conn.room = rapid.IntRange(0, 60<<10).Draw(t, "room")
				conn.got = nil
				fits := conn.room >= len(want[i])
				err := q.Flush(conn)
				if fits && err != nil || !fits && err != driver.ErrWouldBlock {
					t.Fatalf("Flush of %d bytes returned %v", len(want[i]), err)
				}
				if !bytes.HasPrefix(want[i], conn.got) || !fits && conn.room > 0 {
					t.Fatal("what was written is not what was pushed first")
				}
				want[i] = want[i][len(conn.got):]
			case 4:
				q.Append(&queues[1-i])
				want[i] = append(want[i], want[1-i]...)
				want[1-i] = nil
			case 5:
				q.Clear()
				want[i] = nil
			}
			for i := range queues {
				if queues[i].Size() != len(want[i]) {
					t.Fatalf("queue %d: Size is %d, want %d", i, queues[i].Size(), len(want[i]))
				}
			}
		}
		for i := range queues {
			conn.room, conn.got = 1<<30, nil
			if err := queues[i].Flush(conn); err != nil || !bytes.Equal(conn.got, want[i]) {
				t.Fatalf("the rest is not what is left to write: %v", err)
			}
		}
	})
}

func TestSmallWritesGoOutInOneCall(t *testing.T) {
	var q writequeue.Queue
	for range 1000 {
		q.Push([]byte("0123456789"))
	}
	conn := &narrow{room: 1 << 20}
	if err := q.Flush(conn); err != nil || conn.writes != 1 || len(conn.got) != 10000 {
		t.Errorf("%d bytes in %d calls, %v", len(conn.got), conn.writes, err)
	}
}

func TestManyChunksGoOutBySixtyFour(t *testing.T) {
	var q writequeue.Queue
	for range 130 {
		q.Push(make([]byte, 16<<10))
	}
	conn := &narrow{room: 1 << 30}
	if err := q.Flush(conn); err != nil || conn.writes != 3 {
		t.Errorf("%d calls, %v", conn.writes, err)
	}
}

func TestFlushReturnsTheErrorAndKeepsTheRest(t *testing.T) {
	wrong := errors.New("wrong")
	var q writequeue.Queue
	q.Push(make([]byte, 100))
	if err := q.Flush(&narrow{room: 30, broken: wrong}); err != wrong || q.Size() != 70 {
		t.Errorf("Flush returned %v; %d bytes are left", err, q.Size())
	}
}

func TestPushIntoAChunkDoesNotAllocate(t *testing.T) {
	var q writequeue.Queue
	p := make([]byte, 8)
	q.Push(p)
	if n := testing.AllocsPerRun(1000, func() { q.Push(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What was written is not held by what waits behind it.
func TestWhatIsWrittenIsLetGoOf(t *testing.T) {
	var q writequeue.Queue
	q.Push(make([]byte, 1<<20))
	q.Push(make([]byte, 1<<20))
	q.Push(make([]byte, 1<<20))
	var first weak.Pointer[byte]
	c := &lettingGo{first: &first}
	if err := q.Flush(c); !errors.Is(err, driver.ErrWouldBlock) || q.Size() != 2<<20 {
		t.Fatal(q.Size(), err)
	}
	runtime.GC()
	if first.Value() != nil {
		t.Error("it is held")
	}
	runtime.KeepAlive(&q)
}

// A lettingGo takes the first slice of the first write, and nothing more.
type lettingGo struct {
	driver.Conn
	first *weak.Pointer[byte]
	full  bool
}

func (c *lettingGo) Writev(p [][]byte) (int, error) {
	if c.full {
		return 0, driver.ErrWouldBlock
	}
	c.full = true
	*c.first = weak.Make(&p[0][0])
	return len(p[0]), nil
}

// Of a queue of which something was written only the rest is moved.
func TestWhatWasWrittenIsNotMoved(t *testing.T) {
	for taken := range 4 {
		var from, to writequeue.Queue
		to.Push([]byte("<"))
		from.Push([]byte("abc"))
		if taken > 0 {
			_ = from.Flush(&narrow{room: taken})
		}
		to.Append(&from)
		c := &narrow{room: 10}
		if err := to.Flush(c); err != nil || string(c.got) != "<"+"abc"[taken:] || from.Size() != 0 || to.Size() != 0 {
			t.Errorf("after %d of 3 bytes %q was moved, %v", taken, c.got, err)
		}
	}
}
