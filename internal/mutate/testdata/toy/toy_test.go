package toy

import "testing"

func TestMax(t *testing.T) {
	for _, c := range [][3]int{{1, 2, 2}, {2, 1, 2}, {3, 3, 3}} {
		if got := Max(c[0], c[1]); got != c[2] {
			t.Errorf("Max(%d, %d) = %d", c[0], c[1], got)
		}
	}
}

func TestCount(t *testing.T) {
	if n := Count([]string{"a", "", "b", "end", "c"}, "end"); n != 2 {
		t.Errorf("%d words", n)
	}
}

func TestAddDoesNotPanic(t *testing.T) {
	n := 0
	Add(&n, 1)
}

func TestJoin(t *testing.T) {
	if s := Join([]string{"a", "b"}); s != "ab" {
		t.Errorf("joined: %q", s)
	}
}

func TestFirst(t *testing.T) {
	for _, words := range [][]string{{"a", "b"}, {"", "", "a"}} {
		if s := First(words); s != "a" {
			t.Errorf("the first of %q: %q", words, s)
		}
	}
}
