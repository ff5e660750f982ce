package sim

import (
	"testing"

	"pgregory.net/rapid"
)

func TestATapeGivesItsChoicesAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type choice struct {
			of stream
			n  int
			v  int
		}
		written := seededTape(rapid.Uint64().Draw(t, "seed"))
		var all []choice
		for range rapid.IntRange(0, 50).Draw(t, "choices") {
			c := choice{of: stream(rapid.IntRange(0, int(numStreams)-1).Draw(t, "stream")), n: rapid.OneOf(rapid.IntRange(-1, 300), rapid.IntRange(1, maxChoice)).Draw(t, "n")}
			c.v = written.pick(c.of, c.n)
			if c.v < 0 || c.v >= max(c.n, 1) {
				t.Fatalf("a choice among %d is %d", c.n, c.v)
			}
			all = append(all, c)
		}
		kept, err := parseTape(written.trimmed().text())
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []*tape{written.again(), written.trimmed(), kept} {
			for _, c := range all {
				if v := again.pick(c.of, c.n); v != c.v {
					t.Fatalf("a choice of stream %d among %d was %d and is %d", c.of, c.n, c.v, v)
				}
			}
			if v := again.pick(0, 100); v != 0 {
				t.Fatalf("beyond the end it is %d", v)
			}
		}
		written.frozen = true
		if v := written.pick(0, 100); v != 0 {
			t.Fatalf("when the world is over it is %d", v)
		}
	})
}

func TestChoicesAreEvenlySpread(t *testing.T) {
	for _, n := range []int{2, 3, 100, 256, 1000} {
		tape := seededTape(1)
		counts := make([]int, n)
		for range 1000 * n {
			counts[tape.pick(userStream, n)]++
		}
		for v, times := range counts {
			if times < 800 || times > 1200 {
				t.Errorf("among %d, %d comes %d times in %d", n, v, times, 1000*n)
			}
		}
	}
	for _, p := range []float64{0, 0.001, 0.01, 0.3, 0.5, 0.99, 1} {
		tape := seededTape(2)
		times := 0
		for range 100_000 {
			if tape.chance(userStream, p) {
				times++
			}
		}
		if want := p * 100_000; float64(times) < want*0.8-10 || float64(times) > want*1.2+10 {
			t.Errorf("with probability %v it comes %d times in 100000", p, times)
		}
	}
}

func TestATextThatIsNoTapeIsRefused(t *testing.T) {
	for _, text := range []string{"", "something", tapeHead + "\nsched zz", tapeHead + "\nnobody 00"} {
		if _, err := parseTape(text); err == nil {
			t.Errorf("%q is a tape", text)
		}
	}
}
